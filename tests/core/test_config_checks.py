"""Configuration checks of `project.core`.

They call the same functions that use the settings in production.
"""

from threading import Event
from types import SimpleNamespace

import pytest

from config.testing import TestingConfig
from project.core import config_checks
from project.core.config_checks import find_faults, find_warnings
from project.core.security import password_hashing
from project.core.security.password_hashing import estimate_hash_seconds

GOOD = {
    'MAIL_URL': 'file:///tmp/mail',
    'MAIL_FROM': 'API <no-reply@example.com>',
    'STORAGE_URL': 'file:///tmp/storage',
    'STORAGE_OLD_URL': '',
    'STORAGE_SPOOL': '/tmp/storage',
    'REDIS_URL': '',
    'TASKS_BROKER_URL': '',
    'AUTH_HASH_MEMORY_KIB': TestingConfig.AUTH_HASH_MEMORY_KIB,
    'AUTH_HASH_ROUNDS': TestingConfig.AUTH_HASH_ROUNDS,
    'AUTH_HASH_CONCURRENCY': 1,
}


def faults(**changes):
    found = list(find_faults({**GOOD, **changes}))
    assert all(len(fault.splitlines()) == 1 for fault in found)
    return found


class TestFindFaults:
    @pytest.mark.parametrize(
        'changes',
        [
            {},
            {'MAIL_URL': 'smtp://ada:hunter2@mail:587?tls=on'},
            {'MAIL_FROM': 'no-reply@localhost'},
            {'MAIL_FROM': '"Acme, Inc." <a@b.example>'},
            {'MAIL_FROM': 'Jürgen <a@bücher.example>'},
            {'REDIS_URL': 'rediss://:hunter2@cache.example.com:6379/0'},
            {'TASKS_BROKER_URL': 'amqps://ada:hunter2@broker.example.com:5671'},
            {'TASKS_BROKER_URL': 'redis://localhost:6379/1'},
        ],
    )
    def test_finds_no_fault_in_valid_values(self, changes):
        assert faults(**changes) == []

    @pytest.mark.parametrize(
        ('changes', 'fault'),
        [
            ({'MAIL_URL': 'smtp://'}, 'MAIL_URL must be'),
            ({'MAIL_URL': 'smtp://h:abc'}, 'MAIL_URL must be'),
            ({'MAIL_FROM': 'Acme, Inc. <a@b.example>'}, 'MAIL_FROM must be one address'),
            ({'MAIL_FROM': 'a@b.example, c@d.example'}, 'MAIL_FROM must be one address'),
            ({'MAIL_FROM': 'API <no-reply>'}, 'MAIL_FROM must be one address'),
            ({'MAIL_FROM': 'API <no-reply@>'}, 'MAIL_FROM must be one address'),
            ({'MAIL_FROM': 'API'}, 'MAIL_FROM must be one address'),
            ({'MAIL_FROM': ''}, 'MAIL_FROM must be one address'),
            ({'MAIL_FROM': 'a@b.example\r\nBcc: c@d.example'}, 'MAIL_FROM must be one address'),
            ({'MAIL_FROM': 'jürgen@b.example'}, 'MAIL_FROM must be one address'),
            ({'MAIL_FROM': 'a@-b_ c.example'}, 'MAIL_FROM must be one address'),
            ({'STORAGE_URL': 'ftp://h'}, 'STORAGE_URL must be'),
            ({'STORAGE_URL': 'file://relative'}, 'STORAGE_URL must be'),
            ({'STORAGE_URL': 's3://bucket?colour=red'}, 'STORAGE_URL must be'),
            ({'STORAGE_OLD_URL': 'ftp://h'}, 'STORAGE_OLD_URL must be'),
            ({'REDIS_URL': 'foo'}, 'REDIS_URL must be a URL'),
            ({'REDIS_URL': 'redis://h:abc'}, 'REDIS_URL must be a URL'),
            ({'REDIS_URL': 'http://h'}, 'REDIS_URL must be a URL'),
            ({'REDIS_URL': 'redis://h/0?socket_timeout=hunter2'}, 'REDIS_URL is not usable'),
            ({'REDIS_URL': 'rediss://h?ssl_cert_reqs=hunter2'}, 'REDIS_URL is not usable'),
            ({'REDIS_URL': 'redis://h/x'}, 'REDIS_URL must have a number as its database'),
            ({'TASKS_BROKER_URL': 'localhost'}, 'TASKS_BROKER_URL must be a URL'),
            ({'TASKS_BROKER_URL': 'kafka://broker'}, 'TASKS_BROKER_URL must be a URL'),
            ({'TASKS_BROKER_URL': 'amqp://u:hunter2@h:abc'}, 'TASKS_BROKER_URL must be a URL'),
            ({'TASKS_BROKER_URL': 'redis://'}, 'TASKS_BROKER_URL must be a URL'),
            (
                {'TASKS_BROKER_URL': 'redis://h/0?socket_timeout=hunter2'},
                'TASKS_BROKER_URL is not usable',
            ),
            ({'AUTH_HASH_MEMORY_KIB': 2**40}, 'is more than the memory of this machine'),
            (
                {'AUTH_HASH_MEMORY_KIB': 2**20, 'AUTH_HASH_CONCURRENCY': 2**20},
                'is more than the memory of this machine',
            ),
            ({'AUTH_HASH_ROUNDS': 10**9}, 'make a hash take'),
        ],
    )
    def test_finds_values_that_the_using_function_rejects(self, changes, fault):
        [found] = faults(**changes)

        assert fault in found
        assert 'hunter2' not in found

    @pytest.mark.parametrize('prefix', ['/backend', '/a/b-2'])
    def test_finds_no_fault_in_a_valid_prefix(self, monkeypatch, prefix):
        monkeypatch.setenv('SCRIPT_NAME', prefix)

        assert faults() == []

    @pytest.mark.parametrize('prefix', ['backend', '/backend/', '/', '//a', '/a b', '/a?b', '/a\n'])
    def test_finds_a_prefix_with_which_no_url_works(self, monkeypatch, prefix):
        monkeypatch.setenv('SCRIPT_NAME', prefix)

        [fault] = faults()
        assert fault.startswith('SCRIPT_NAME must be a path')

    def test_finds_s3_options_that_the_library_rejects(self, monkeypatch):
        monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'key')
        monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'secret')

        assert faults(STORAGE_URL='s3://bucket') == []
        for options in ('checksums=never', 'endpoint=nowhere'):
            [found] = faults(STORAGE_URL=f's3://bucket?{options}')
            assert found.startswith('STORAGE_URL ')

    def test_checks_the_memory_of_the_machine_without_a_container(self, monkeypatch, tmp_path):
        monkeypatch.setattr(config_checks, 'CGROUP_LIMIT', tmp_path / 'nowhere')

        assert faults(AUTH_HASH_MEMORY_KIB=19 * 1024, AUTH_HASH_ROUNDS=2) == []
        assert len(faults(AUTH_HASH_MEMORY_KIB=2**40)) == 1

    def test_checks_the_memory_of_the_container(self, monkeypatch, tmp_path):
        (tmp_path / 'memory.max').write_text(f'{1024 * 1024}\n')
        monkeypatch.setattr(config_checks, 'CGROUP_LIMIT', tmp_path / 'memory.max')

        assert faults(AUTH_HASH_MEMORY_KIB=1024) == []
        assert len(faults(AUTH_HASH_MEMORY_KIB=1025)) == 1

    def test_reads_max_as_no_limit(self, monkeypatch, tmp_path):
        (tmp_path / 'memory.max').write_text('max\n')
        monkeypatch.setattr(config_checks, 'CGROUP_LIMIT', tmp_path / 'memory.max')

        assert faults(AUTH_HASH_MEMORY_KIB=1025) == []


class TestFindWarnings:
    def test_finds_no_warning_in_valid_values(self):
        assert list(find_warnings(GOOD)) == []


class TestEstimateHashSeconds:
    def test_hashes_once_per_cost(self, argon2_calls):
        estimate_hash_seconds.cache_clear()

        with argon2_calls() as done:
            seconds = [estimate_hash_seconds(8, 1), estimate_hash_seconds(8, 1)]

        assert done == ['hash']
        assert 0 < seconds[0] == seconds[1]

    def test_does_not_count_the_time_for_which_the_process_waits(self, monkeypatch):
        """On a busy machine, a process waits for the CPU; the service must start all the same."""
        waiting = SimpleNamespace(hash=lambda password: Event().wait(0.2))
        monkeypatch.setattr(password_hashing, '_hasher_of', lambda *cost: waiting)
        estimate_hash_seconds.cache_clear()

        seconds = estimate_hash_seconds(8, 1)
        estimate_hash_seconds.cache_clear()

        assert seconds < 0.1
