"""The checks of the Python version and of the installed packages."""

import re
from importlib.metadata import version

import pytest

from project.core.doctor.packages import (
    check_requirements,
    compare_pins,
    compare_python,
    installed_packages,
    read_pins,
)
from tests.repository_copy import ROOT

PINS = ROOT / 'requirements' / 'app.txt'


class TestComparePython:
    @pytest.mark.parametrize(
        ('required', 'installed', 'state'),
        [
            ('>=3.11', '3.11.0', 'ok'), ('>=3.11', '3.15.0a1', 'ok'),
            ('>=3.11', '3.10.9', 'failed'), ('', '3.11.0', 'not checked'),
        ],
    )  # fmt: skip
    def test_compares_versions(self, required, installed, state):
        [found] = compare_python(required, installed)

        assert found.state == state


class TestReadPins:
    def test_reads_each_pinned_package_of_the_repository(self):
        lines = PINS.read_text().splitlines()

        pins = read_pins(PINS.read_text())

        assert {line.split('==')[0] for line in lines if re.match(r'\S+==\S+ \\$', line)} <= {*pins}
        assert pins['flask'].count('.') == 2

    def test_ignores_packages_for_other_systems(self):
        text = (
            'one==1 ; sys_platform == "win32" \\\n    --hash=x\ntwo==2 ; python_version >= "3" \\\n'
        )

        assert read_pins(text) == {'two': '2'}


class TestComparePins:
    def test_finds_missing_and_other_versions(self, tmp_path):
        path = tmp_path / 'app.txt'
        path.write_text(f'flask==0.1\nno-such-package==1\nclick=={version("click")}\n')

        missing, other = compare_pins(path)

        assert (missing.state, missing.seen) == ('failed', 'missing: no-such-package')
        assert (other.state, other.fails_deploy) == ('warning', True)
        assert other.seen == f'other versions: flask {version("flask")} instead of 0.1'

    def test_names_the_first_packages(self, tmp_path):
        path = tmp_path / 'app.txt'
        path.write_text(''.join(f'missing{n}==1\n' for n in range(9)))

        [found] = compare_pins(path)

        assert found.seen.endswith('missing4 and 4 more')

    def test_rejects_a_file_without_versions(self, tmp_path):
        path = tmp_path / 'app.txt'
        path.write_text('flask\n')

        assert [found.state for found in compare_pins(path)] == ['failed']


class TestCheckRequirements:
    @pytest.fixture
    def installed(self):
        """Return the installed packages of the service, without those for tests."""
        pins = read_pins(PINS.read_text())
        return {name: found for name, found in installed_packages().items() if name in pins}

    def test_accepts_the_packages_of_the_service(self, installed):
        assert [found.state for found in check_requirements(installed)] == ['ok']

    def test_finds_packages_that_another_one_needs(self, installed):
        del installed['werkzeug']

        [found] = check_requirements({**installed, 'click': '1.0'})

        assert found.state == 'failed'
        assert 'flask needs werkzeug' in found.seen
        assert 'flask needs click' in found.seen
