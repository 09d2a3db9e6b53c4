"""Settings of the features."""

import sys

import pytest

from config import features
from config.base import Config
from config.settings import declared_settings
from project.core.features import find_features


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Return a function that writes modules of settings, and returns their folder."""
    monkeypatch.setattr(features, '__path__', [str(tmp_path)])

    def declare(**modules):
        for name, code in modules.items():
            (tmp_path / f'{name}.py').write_text(code)
            monkeypatch.delitem(sys.modules, f'config.features.{name}', raising=False)
        return tmp_path

    return declare


class TestDeclarations:
    def test_returns_the_classes_of_all_features_by_name(self, declare):
        folder = declare(
            zz_b='class Settings:\n    ZZ_B_SIZE = 1\n',
            zz_a='class Settings:\n    ZZ_A_SIZE = 1\n\nclass TestingSettings:\n    pass\n',
        )

        assert [c.__module__[-4:] for c in features.declarations('Settings', folder)] == [
            'zz_a', 'zz_b',
        ]  # fmt: skip
        assert len(features.declarations('TestingSettings', folder)) == 1

    def test_rejects_a_setting_without_the_name_of_the_feature(self, declare):
        folder = declare(zz_a='class Settings:\n    FILES_QUOTA = 1\n')

        with pytest.raises(ValueError, match=r'zz_a.py declares FILES_QUOTA: .* begin with ZZ_A_'):
            features.declarations('Settings', folder)

    def test_rejects_a_module_without_settings(self, declare):
        folder = declare(zz_a='class Setting:\n    ZZ_A_SIZE = 1\n')

        with pytest.raises(ValueError, match=r'zz_a.py declares no class Settings'):
            features.declarations('TestingSettings', folder)

    def test_belongs_to_a_feature_that_exists(self):
        declared = {path.stem for path in features.FOLDER.glob('*.py')} - {'__init__'}

        assert declared <= {feature.name for feature in find_features()}

    def test_is_part_of_the_configuration(self):
        declared = {
            key for each in features.declarations('Settings') for key in declared_settings(each)
        }

        assert declared
        assert declared <= set(declared_settings(Config))
