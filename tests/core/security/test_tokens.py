"""Opaque tokens."""

import re
from hashlib import sha256

import pytest

from project.core.registration import RegistrationError, Registry
from project.core.security import tokens
from project.core.security.tokens import (
    TOKEN_PATTERN,
    TokenKind,
    kind_of,
    mask_tokens,
    new_family,
    new_token,
    register_token_kind,
    token_hash,
    token_kinds,
)


def register(prefix, owner='project.boats.service'):
    register_token_kind(TokenKind(prefix, 'boat', lambda _: None, lambda _: None), owner=owner)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Replace the registry of token kinds by one with only the kinds `pst` and `pak`."""
    monkeypatch.setattr(tokens, '_kinds', Registry('token kind'))
    register('pst')
    register('pak')


class TestRegisterTokenKind:
    def test_adds_a_kind(self):
        register('abc')

        assert list(token_kinds()) == ['abc', 'pak', 'pst']
        assert kind_of(new_token('abc')) == 'abc'

    def test_raises_for_a_second_registration_and_names_both_modules(self):
        with pytest.raises(RegistrationError, match=r"'pst'.*project\.boats\.service.*project\.x"):
            register('pst', owner='project.x')

    @pytest.mark.parametrize('prefix', ['', 'ab', 'abcd', 'ABC', 'a.c', 'abc\n'])
    def test_raises_for_a_prefix_that_is_not_three_letters(self, prefix):
        with pytest.raises(RegistrationError, match='three letters'):
            register(prefix)


class TestTokenPattern:
    def test_matches_every_token(self):
        for token in (new_token('pst'), new_token('pak', new_family())):
            assert TOKEN_PATTERN.search(f'/x/{token}/y')[0] == token


class TestMaskTokens:
    @pytest.mark.parametrize(
        'around', ['{}', '/a/{}/b', 'Bearer {}', r'\n{}\n', 'x{}', '{}_', '{}?']
    )
    def test_keeps_only_the_kind(self, around):
        token = new_token('pak', new_family())

        assert mask_tokens(around.format(token)) == around.format('pak_***')

    def test_masks_a_token_before_more_characters_of_its_alphabet(self):
        token = new_token('pst')

        assert token[4:] not in mask_tokens(token + 'x' * 99)

    def test_masks_all_tokens(self):
        text = f'{new_token("pst")} {new_token("pak")} pst_short'

        assert mask_tokens(text) == 'pst_*** pak_*** pst_short'


class TestNewToken:
    def test_raises_for_a_kind_that_is_not_registered(self):
        with pytest.raises(RegistrationError, match="'psl' is not registered"):
            new_token('psl')

    def test_consists_of_kind_and_43_random_characters_and_a_checksum(self):
        assert re.fullmatch(r'pst_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}', new_token('pst'))

    def test_returns_a_different_token_each_time(self):
        assert len({new_token('pst')[:47] for _ in range(10_000)}) == 10_000


class TestKindOf:
    def test_returns_the_kind(self):
        assert kind_of(new_token('pst')) == 'pst'
        assert kind_of(new_token('pak')) == 'pak'

    def test_returns_none_for_a_token_of_a_kind_that_is_not_registered(self, monkeypatch):
        token = new_token('pst')
        monkeypatch.setattr(tokens, '_kinds', Registry('token kind'))

        assert kind_of(token) is None

    def test_returns_none_for_a_typing_error(self):
        token = new_token('pst')
        typed = [
            token[:at] + ('a' if token[at] != 'a' else 'b') + token[at + 1 :]
            for at in range(len(token))
        ]

        assert {kind_of(other) for other in typed} == {None}

    def test_returns_none_for_a_changed_kind(self):
        assert kind_of('pak' + new_token('pst')[3:]) is None
        assert kind_of('prt' + new_token('pst')[3:]) is None

    @pytest.mark.parametrize('change', [str.upper, lambda t: t[:-1], lambda t: t + '0'])
    def test_returns_none_for_another_length_or_case(self, change):
        assert kind_of(change(new_token('pst'))) is None

    @pytest.mark.parametrize('token', ['', 'pst_', 'x' * 53, 'pst_' + 'ü' * 49, 'pst_\n' * 10])
    def test_returns_none_for_garbage(self, token):
        assert kind_of(token) is None

    def test_returns_none_for_a_token_with_a_line_break(self):
        assert kind_of(new_token('pst') + '\n') is None


class TestTokenHash:
    def test_is_the_sha256_of_the_token(self):
        assert token_hash('pst_abc') == sha256(b'pst_abc').hexdigest()
