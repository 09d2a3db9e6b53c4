"""Configuration checks of the feature `files`."""

import pytest

from project.configuration import load_configuration
from project.files.config_checks import find_faults, find_warnings
from tests.config.environment import good_environment, set_environment

GOOD = {
    'FILES_OFFLOAD': 'none',
    'FILES_SCANNER': '',
    'FILES_MAX_SIZE': 5,
    'FILES_QUOTA': 5,
    'FILES_PUBLIC_FOLDER': '/tmp/public',
    'STORAGE_URL': 'file:///tmp',
}


class TestFindFaults:
    @pytest.mark.parametrize(
        'changes',
        [
            {},
            {'FILES_OFFLOAD': 'x-accel'},
            {'FILES_OFFLOAD': 'redirect', 'STORAGE_URL': 's3://bucket'},
            {'FILES_SCANNER': 'clamd://localhost:3310'},
            {'FILES_SCANNER': 'clamd:///run/clamd.sock'},
        ],
    )
    def test_yields_nothing_for_valid_settings(self, changes):
        assert list(find_faults({**GOOD, **changes})) == []

    @pytest.mark.parametrize(
        ('changes', 'fault'),
        [
            ({'FILES_OFFLOAD': 'x-accel', 'STORAGE_URL': 's3://bucket'}, 'FILES_OFFLOAD=x-accel'),
            ({'FILES_PUBLIC_FOLDER': 'public'}, 'FILES_PUBLIC_FOLDER must be an absolute path'),
            ({'FILES_OFFLOAD': 'redirect'}, 'FILES_OFFLOAD=redirect needs'),
            ({'FILES_SCANNER': 'localhost:3310'}, 'FILES_SCANNER must be clamd://host:port or'),
        ],
    )
    def test_yields_a_fault_for_invalid_settings(self, changes, fault):
        [found] = find_faults({**GOOD, **changes})

        assert found.startswith(fault)


class TestFindWarnings:
    @pytest.mark.parametrize(('largest', 'count'), [(5, 0), (6, 1)])
    def test_yields_a_warning_if_files_may_exceed_the_quota(self, largest, count):
        found = list(find_warnings({**GOOD, 'FILES_MAX_SIZE': largest}))

        assert len(found) == count


class TestLoadConfiguration:
    def test_finds_the_faults_of_the_feature(self, monkeypatch, tmp_path):
        set_environment(monkeypatch, **good_environment(tmp_path), FILES_SCANNER='x')

        [fault] = load_configuration().faults

        assert fault.startswith('FILES_SCANNER must be')

    def test_finds_the_warnings_of_the_feature(self, monkeypatch, tmp_path):
        sizes = {'FILES_MAX_SIZE': '2GB', 'FILES_QUOTA': '1GB'}
        set_environment(monkeypatch, **good_environment(tmp_path), **sizes)

        [warning] = load_configuration().warnings

        assert warning.startswith('FILES_MAX_SIZE')
