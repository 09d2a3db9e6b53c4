"""`python -m tests.other_pythons`: which results are a success, and which paths a root sees."""

from pathlib import Path

import pytest

from tests.other_pythons import VERSIONS, Interpreter, exit_code
from tests.repository_copy import ROOT


class TestExitCode:
    @pytest.mark.parametrize(
        ('results', 'code'),
        [
            (['3.13.5 passed', 'not installed'], 0),
            (['3.13.5 passed', '3.14.1 failed'], 1),
            (['not installed'], 1),
        ],
    )
    def test_is_0_if_all_suites_that_ran_have_passed(self, results: list[str], code: int) -> None:
        assert exit_code(results) == code


class TestInterpreter:
    def test_sees_paths_in_its_root(self) -> None:
        folder = Path('/tmp/root/work')

        assert Interpreter('python3', folder, root=Path('/tmp/root')).path('a') == '/work/a'
        assert Interpreter('python3', folder).path('a') == '/tmp/root/work/a'

    def test_has_no_version_if_it_is_not_installed(self, tmp_path: Path) -> None:
        assert Interpreter('python3.0', tmp_path).version() == ''


class TestVersions:
    def test_with_a_debian_release_are_those_of_the_package(self) -> None:
        """The classifiers state the version of `make test`, and those that always run."""
        lines = (ROOT / 'pyproject.toml').read_text(encoding='utf-8').splitlines()
        named = {line.split('"')[1] for line in lines if 'Python :: 3.' in line}

        run = ['3.11', *(version for version, release in VERSIONS.items() if release)]
        assert named == {f'Programming Language :: Python :: {version}' for version in run}
