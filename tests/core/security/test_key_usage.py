"""The registry that lists all data and signatures that depend on SECRET_KEY."""

import ast
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from project.core.registration import RegistrationError, Registry
from project.core.security import key_usage
from project.core.security.encryption import decrypt, encrypt
from project.core.security.key_usage import (
    CHANGED,
    CURRENT,
    ROTATED,
    UNKNOWN,
    EncryptedRow,
    EncryptedValues,
    encrypted_values,
    expiring_values,
    longest_lifetime,
    register_encrypted_values,
    register_expiring_values,
)

from .secret_keys import NEW, OLD

PROJECT = Path(__file__).parents[3] / 'project'
KEYED = {'encrypt', 'compute_hmac', 'sign', 'derived_keys'}


@pytest.fixture
def stored(rotate):
    """Return three ciphertexts by number.

    The first needs an unknown key, the second a fallback key, and the third the newest key.
    """
    found = {1: encrypt('pin', b'one')}
    rotate(OLD[::-1])
    found[2] = encrypt('pin', b'two')
    rotate(NEW)
    found[3] = encrypt('pin', b'three')
    rotate(NEW, OLD[::-1])
    return found


@pytest.fixture
def values(stored):
    """Return the entry of the registry that reads and replaces the ciphertexts of `stored`.

    It reads them in batches of two.
    """

    def batches():
        rows = [EncryptedRow((key,), ciphertext) for key, ciphertext in stored.items()]
        yield from (rows[:2], rows[2:])

    def replace(fresh):
        stored.update({row.key[0]: ciphertext for row, ciphertext in fresh})
        return {row.key for row, _ in fresh}

    return EncryptedValues('codes', 'pin', __name__, 'none', batches, replace)


class TestEncryptedValues:
    def test_counts_by_key(self, values):
        assert values.count_by_key() == {0: 1, 1: 1, None: 1}

    def test_encrypts_values_of_a_fallback_key_again(self, values, stored, rotate):
        before = dict(stored)

        assert Counter(values.rotate()) == {ROTATED: 1, CURRENT: 1, UNKNOWN: 1}

        assert (stored[1], stored[3]) == (before[1], before[3])
        rotate(NEW)
        assert decrypt('pin', stored[2]) == b'two'

    def test_changes_nothing_the_second_time(self, values, stored):
        list(values.rotate())
        before = dict(stored)

        assert Counter(values.rotate()) == {CURRENT: 2, UNKNOWN: 1}

        assert stored == before

    def test_changes_nothing_in_a_dry_run(self, values, stored):
        before = dict(stored)

        assert Counter(values.rotate(dry_run=True)) == {ROTATED: 1, CURRENT: 1, UNKNOWN: 1}

        assert stored == before

    def test_continues_after_an_interruption(self, values, stored):
        stored[4] = stored[2]
        rotation = values.rotate()
        while next(rotation) != ROTATED:
            pass
        rotation.close()

        assert Counter(values.rotate()) == {ROTATED: 1, CURRENT: 2, UNKNOWN: 1}

    def test_reports_rows_that_changed_in_the_meantime(self, stored, values):
        others = EncryptedValues('codes', 'pin', __name__, 'none', values.batches, lambda _: set())

        assert Counter(others.rotate()) == {CHANGED: 1, CURRENT: 1, UNKNOWN: 1}


class TestLongestLifetime:
    def test_is_the_longest_of_all_expiring_data(self, monkeypatch):
        monkeypatch.setattr(key_usage, '_expiring', Registry('kind'))
        assert longest_lifetime() == timedelta()

        for hours in (None, 3, 1):
            lifetime = None if hours is None else timedelta(hours=hours)
            register_expiring_values(str(hours), used_in='', lifetime=lifetime, effect='')

        assert longest_lifetime() == timedelta(hours=3)


class TestRegistration:
    def test_raises_for_a_second_registration_and_names_both_modules(self, values, monkeypatch):
        monkeypatch.setattr(key_usage, '_encrypted', Registry('kind'))
        monkeypatch.setattr(key_usage, '_expiring', Registry('kind'))
        options = {'used_in': __name__, 'lifetime': None, 'effect': ''}
        register_encrypted_values(replace(values, used_in='project.a'))
        register_expiring_values('cursors', **options | {'used_in': 'project.a'})

        names_both = f'is registered by project.a and by {__name__}$'
        with pytest.raises(RegistrationError, match=names_both):
            register_encrypted_values(values)
        with pytest.raises(RegistrationError, match=names_both):
            register_expiring_values('cursors', **options)


class TestRegistry:
    def test_contains_every_module_that_uses_a_key(self, app):
        declared = {values.used_in for values in [*encrypted_values(), *expiring_values()]}

        assert modules_that_use_keys() == declared


def modules_that_use_keys():
    """Return the modules that call a function of `core.security` that uses SECRET_KEY."""
    found = set()
    for path in PROJECT.rglob('*.py'):
        if path.parent != PROJECT / 'core' / 'security':
            calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
            if KEYED & {ast.unparse(call.func).split('.')[-1] for call in calls}:
                found.add('.'.join(path.relative_to(PROJECT.parent).with_suffix('').parts))
    return found
