"""Password hashing with argon2id."""

import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters

from project.core.security.password_hashing import hash_password, verify_password

TYPED = 'Cafe\N{COMBINING ACUTE ACCENT} au lait'


class TestHashPassword:
    def test_uses_argon2id_at_the_configured_cost(self, app):
        memory, rounds = app.config['AUTH_HASH_MEMORY_KIB'], app.config['AUTH_HASH_ROUNDS']

        stored = hash_password('secret')

        assert stored.startswith(f'$argon2id$v=19$m={memory},t={rounds},p=1$')

    def test_uses_a_new_salt_each_time(self):
        assert hash_password('secret') != hash_password('secret')


class TestVerifyPassword:
    def test_accepts_the_right_password_only(self):
        stored = hash_password('secret')

        assert verify_password(stored, 'secret')
        assert not verify_password(stored, 'Secret')
        assert not verify_password(stored, 'secret ')
        assert not verify_password(stored, '')

    @pytest.mark.parametrize('form', ['NFC', 'NFD'])
    def test_accepts_every_unicode_normal_form(self, form):
        assert verify_password(hash_password(TYPED), unicodedata.normalize(form, TYPED))

    def test_distinguishes_compatible_characters(self):
        assert not verify_password(hash_password('pass\N{LATIN SMALL LIGATURE FI}'), 'passfi')

    @pytest.mark.parametrize('length', [72, 80, 128])
    def test_compares_the_last_byte_of_long_passwords(self, length):
        stored = hash_password('x' * length)

        assert verify_password(stored, 'x' * length)
        assert not verify_password(stored, 'x' * (length - 1) + 'y')
        assert not verify_password(stored, 'x' * (length - 1))

    def test_costs_as_much_without_a_stored_hash(self, argon2_calls):
        with argon2_calls() as done:
            assert not verify_password(None, 'secret')

        assert done == ['verify']

    def test_uses_the_configured_cost_without_a_stored_hash(self, monkeypatch):
        compared, verify = [], PasswordHasher.verify
        monkeypatch.setattr(
            PasswordHasher, 'verify', lambda *args: compared.append(args[1]) or verify(*args)
        )

        verify_password(None, 'secret')
        verify_password(hash_password('secret'), 'secret')

        without_hash, real = (extract_parameters(stored) for stored in compared)
        assert without_hash == real

    def test_uses_the_cost_of_a_given_hash_without_a_stored_hash(self, app, monkeypatch):
        compared, verify = [], PasswordHasher.verify
        monkeypatch.setattr(
            PasswordHasher, 'verify', lambda *args: compared.append(args[1]) or verify(*args)
        )
        stored = PasswordHasher(time_cost=2, memory_cost=32, parallelism=2).hash('secret')

        assert not verify_password(None, 'secret', cost_of=stored)
        assert not verify_password(None, 'secret', cost_of='damaged')

        cheaper, configured = (extract_parameters(each) for each in compared)
        assert stored not in compared
        assert cheaper == extract_parameters(stored)
        assert configured == extract_parameters(hash_password('secret'))

    def test_rejects_a_stored_value_that_is_not_a_hash(self):
        assert not verify_password('secret', 'secret')
        assert not verify_password('', '')

    @pytest.mark.parametrize(
        'damage',
        [
            lambda stored: stored[:40],
            lambda stored: stored[:-1] + '!',
            lambda stored: stored.replace('t=', 't=x'),
            lambda stored: stored + '\N{SNOWMAN}',
        ],
    )
    def test_rejects_a_damaged_hash(self, damage):
        assert not verify_password(damage(hash_password('secret')), 'secret')

    def test_accepts_a_hash_of_another_cost(self, app, monkeypatch):
        stored = hash_password('secret')
        monkeypatch.setitem(app.config, 'AUTH_HASH_ROUNDS', 2)

        assert verify_password(stored, 'secret')
