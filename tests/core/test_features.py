"""Discovery of features by their folders."""

import pytest

from project.core.features import PROJECT, FeatureInvalid, find_features


@pytest.fixture
def write(tmp_path):
    """Return a function that writes packages with the given code, and returns their folder."""

    def write(**packages):
        for name, code in packages.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / '__init__.py').write_text(code)
        return tmp_path

    return write


class TestFindFeatures:
    def test_returns_each_feature_after_those_that_it_requires(self, write):
        folder = write(
            apples="requires = ('users', 'zoos')",
            core='x = 1',
            users='requires = ()',
            zoos="requires = ('users',)",
        )

        assert [feature.name for feature in find_features(folder)] == ['users', 'zoos', 'apples']

    def test_ignores_folders_without_a_package(self, write):
        folder = write(users='requires = ()')
        (folder / 'removed' / '__pycache__').mkdir(parents=True)

        assert [feature.name for feature in find_features(folder)] == ['users']

    @pytest.mark.parametrize(
        ('packages', 'reason'),
        [
            ({'billing': ''}, r'project/billing/__init__\.py declares no requires: add `requires'),
            (
                {'billing': "requires = ['users']"},
                "must be a tuple of names, such as .*not .'users'",
            ),
            (
                {'billing': "requires = ('users')"},
                "must be a tuple of names, such as .*not 'users'",
            ),
            ({'billing': "requires = ('users', *MORE)"}, 'must be a tuple of names'),
            ({'billing': "requires = ('core',)"}, "requires 'core': delete it"),
            ({'billing': "requires = ('userz',)"}, "requires 'userz', but there is no package"),
            (
                {'a': "requires = ('b',)", 'b': "requires = ('a',)"},
                'require each other: (a → b → a|b → a → b)',
            ),
        ],
    )
    def test_rejects_a_wrong_declaration(self, write, packages, reason):
        with pytest.raises(FeatureInvalid, match=reason):
            find_features(write(**packages))


class TestFeature:
    def test_imports_its_package(self):
        assert all(feature.package.clis for feature in find_features())

    def test_rejects_a_package_without_a_blueprint(self, monkeypatch):
        feature = find_features()[0]
        monkeypatch.delattr(f'project.{feature.name}.blueprint')

        with pytest.raises(
            FeatureInvalid, match=rf'project/{feature.name}/__init__\.py defines no `blueprint`'
        ):
            _ = feature.package

    def test_is_found_below_project(self):
        assert PROJECT.name == 'project'
