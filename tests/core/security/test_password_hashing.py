"""argon2id."""

import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters

from project.core.security.password_hashing import hash_password, verify_password

TYPED = 'Cafe\N{COMBINING ACUTE ACCENT} au lait'


class TestHashPassword:
    def test_is_argon2id_at_the_configured_cost(self, app):
        memory, rounds = app.config['AUTH_HASH_MEMORY_KIB'], app.config['AUTH_HASH_ROUNDS']

        stored = hash_password('secret')

        assert stored.startswith(f'$argon2id$v=19$m={memory},t={rounds},p=1$')

    def test_salts_each_time(self):
        assert hash_password('secret') != hash_password('secret')


class TestIsPassword:
    def test_tells_right_from_wrong(self):
        stored = hash_password('secret')

        assert verify_password(stored, 'secret')
        assert not verify_password(stored, 'Secret')
        assert not verify_password(stored, 'secret ')
        assert not verify_password(stored, '')

    @pytest.mark.parametrize('form', ['NFC', 'NFD'])
    def test_takes_what_looks_the_same_for_the_same(self, form):
        assert verify_password(hash_password(TYPED), unicodedata.normalize(form, TYPED))

    def test_keeps_compatible_characters_apart(self):
        assert not verify_password(hash_password('pass\N{LATIN SMALL LIGATURE FI}'), 'passfi')

    @pytest.mark.parametrize('length', [72, 80, 128])
    def test_counts_the_last_byte(self, length):
        stored = hash_password('x' * length)

        assert verify_password(stored, 'x' * length)
        assert not verify_password(stored, 'x' * (length - 1) + 'y')
        assert not verify_password(stored, 'x' * (length - 1))

    def test_works_as_hard_where_nothing_is_stored(self, argon2_calls):
        with argon2_calls() as done:
            assert not verify_password(None, 'secret')

        assert done == ['verify']

    def test_pretends_at_the_configured_cost(self, monkeypatch):
        compared, verify = [], PasswordHasher.verify
        monkeypatch.setattr(
            PasswordHasher, 'verify', lambda *args: compared.append(args[1]) or verify(*args)
        )

        verify_password(None, 'secret')
        verify_password(hash_password('secret'), 'secret')

        pretended, real = (extract_parameters(stored) for stored in compared)
        assert pretended == real

    def test_pretends_at_the_cost_of_a_given_hash(self, app, monkeypatch):
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

    def test_believes_no_stored_nonsense(self):
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
    def test_believes_no_stored_hash_that_is_damaged(self, damage):
        assert not verify_password(damage(hash_password('secret')), 'secret')

    def test_still_knows_what_was_hashed_at_another_cost(self, app, monkeypatch):
        stored = hash_password('secret')
        monkeypatch.setitem(app.config, 'AUTH_HASH_ROUNDS', 2)

        assert verify_password(stored, 'secret')
