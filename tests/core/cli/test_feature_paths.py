"""The files that belong to a feature."""

from pathlib import Path

import pytest

from project.core.cli.feature_paths import dependents, paths_of_feature, shared_dependents
from tests.removed_features import COMMANDS, removed_features
from tests.repository_copy import ROOT


@pytest.fixture
def repository(tmp_path):
    """Return a function that writes files into a new folder, and returns the folder."""

    def write(*paths, **modules):
        texts = dict.fromkeys(paths, '') | {
            f'tests/{name}.py': code for name, code in modules.items()
        }
        for path, text in texts.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return write


class TestPathsOfFeature:
    def test_returns_the_folders_settings_and_pages_of_the_feature(self, repository):
        root = repository(
            'project/boats/__init__.py', 'project/boat_trips/__init__.py',
            'tests/boats/test_routes.py', 'migrations/versions/boats/first.py',
            'config/features/boats.py', 'config/features/boat_trips.py',
            'docs/features/boats.md', 'docs/features/boats.openapi.json',
        )  # fmt: skip

        assert paths_of_feature('boats', root) == [
            Path('config/features/boats.py'),
            Path('docs/features/boats.md'),
            Path('docs/features/boats.openapi.json'),
            Path('migrations/versions/boats'),
            Path('project/boats'),
            Path('tests/boats'),
        ]

    def test_returns_only_paths_that_exist(self, repository):
        assert paths_of_feature('boats', repository('project/boats/__init__.py')) == [
            Path('project/boats')
        ]


class TestDependents:
    @pytest.mark.parametrize(
        'code',
        [
            'import project.boats.models',
            'from project import boats',
            'from project.boats import service as s',
            'from tests.boats.factories import BoatFactory',
            'from .boats.factories import BoatFactory',
            'from . import boats',
            'def f():\n    from project.boats import service',
            "requires = ('users', 'boats')",
        ],
    )
    def test_returns_a_module_that_needs_the_feature(self, repository, code):
        root = repository('project/boats/__init__.py', 'tests/boats/factories.py', test_a=code)

        assert dependents('boats', root) == [Path('tests/test_a.py')]

    def test_returns_modules_that_need_a_returned_module(self, repository):
        root = repository(
            test_a='from . import test_b',
            test_b='from tests.helper import x',
            helper='import project.boats',
        )

        assert [path.stem for path in dependents('boats', root)] == ['helper', 'test_a', 'test_b']

    @pytest.mark.parametrize(
        'code',
        [
            'from project.boat_trips import service',
            'from project.boats_of_others import service',
            'import project.users',
            "requires = ('users',)",
            "URL = '/api/v1/boats'",
        ],
    )
    def test_does_not_return_other_modules(self, repository, code):
        assert dependents('boats', repository(test_a=code)) == []

    @pytest.mark.slow('reads all test modules')
    def test_returns_no_fixtures_of_tests_that_stay(self):
        for feature in set(COMMANDS) - removed_features():
            found = set(dependents(feature, ROOT))

            for folder in {path.parent for path in found if path.name == 'conftest.py'}:
                tests = {path.relative_to(ROOT) for path in (ROOT / folder).rglob('test_*.py')}
                assert sorted(tests - found)[:3] == [], f'{folder}/conftest.py needs {feature}'


class TestSharedDependents:
    @pytest.mark.parametrize(
        'path',
        [
            'client', 'conftest', 'integration/conftest', 'integration/__init__', 'users/test_a',
            'users/conftest', 'core/helper', 'feature_template/models',
        ],
    )  # fmt: skip
    def test_returns_modules_that_must_stay_with_their_import(self, repository, path):
        root = repository(
            'project/boats/__init__.py', 'project/users/__init__.py', 'tests/integration/test_b.py',
            **{path: 'from project.boats import service'},
        )  # fmt: skip

        assert shared_dependents('boats', root) == {
            Path(f'tests/{path}.py'): 'project.boats.service'
        }

    def test_returns_a_module_that_tests_of_other_parts_import(self, repository):
        modules = {'core/test_a': 'import tests.client', 'boats/test_b': 'import tests.client'}
        root = repository('project/boats/__init__.py', client='import project.boats', **modules)

        assert shared_dependents('boats', root) == {Path('tests/client.py'): 'project.boats'}

    def test_omits_modules_that_only_import_a_shared_module(self, repository):
        modules = {'conftest': 'import tests.client', 'users/conftest': 'import tests.client'}
        root = repository('project/users/a.py', client='import project.boats', **modules)

        assert shared_dependents('boats', root) == {Path('tests/client.py'): 'project.boats'}

    def test_returns_no_tests_and_no_helpers_of_tests_across_features(self, repository):
        code = 'import project.boats'
        root = repository(
            'project/boats/__init__.py', 'project/core/__init__.py',
            **{
                'test_a': code, 'core/test_a': code, 'integration/helper': code,
                'asvs/conftest': code, 'asvs/test_a': code, 'boats/conftest': code,
                'writes': code, 'servers/test_a': 'from tests.writes import write',
            },
        )  # fmt: skip

        assert shared_dependents('boats', root) == {}

    @pytest.mark.slow('reads all test modules')
    def test_returns_none_for_the_features_of_this_repository(self):
        for feature in set(COMMANDS) - removed_features():
            assert shared_dependents(feature, ROOT) == {}
