"""Migrations: the feature of each table."""

from project.core.database.migrations import features, is_foreign, tables
from project.core.database.session import Base
from project.core.features import find_features


class TestFeatures:
    def test_returns_the_features_with_tables(self):
        names = {feature.name for feature in find_features()}

        assert 'core' in features() <= names | {'core'}


class TestTables:
    def test_returns_the_feature_of_each_table(self):
        found = tables()

        assert found['core_throttle_counters'] == 'core'
        assert all(name.startswith(feature) for name, feature in found.items())
        assert set(found) == set(Base.metadata.tables)


class TestIsForeign:
    def test_returns_true_for_the_table_of_an_extension(self):
        assert is_foreign('spatial_ref_sys')
        assert not is_foreign('core_throttle_counters')

    def test_returns_false_for_a_table_whose_model_was_deleted(self):
        assert not is_foreign('core_zz_planted')
