"""Opaque tokens."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from project.core.security.tokens import kind_of, new_family, new_token, token_hash


class TestNewToken:
    def test_is_a_kind_and_43_random_characters_and_a_checksum(self):
        assert re.fullmatch(r'pst_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}', new_token('pst'))

    def test_is_never_the_same_twice(self):
        assert len({new_token('pst')[:47] for _ in range(10_000)}) == 10_000


class TestKindOf:
    def test_tells_the_kind(self):
        assert kind_of(new_token('pst')) == 'pst'
        assert kind_of(new_token('pak')) == 'pak'

    def test_believes_no_typing_error(self):
        token = new_token('pst')
        typed = [
            token[:at] + ('a' if token[at] != 'a' else 'b') + token[at + 1 :]
            for at in range(len(token))
        ]

        assert {kind_of(other) for other in typed} == {None}

    def test_believes_no_other_kind_of_a_token(self):
        assert kind_of('prt' + new_token('pst')[3:]) is None

    @pytest.mark.parametrize('change', [str.upper, lambda t: t[:-1], lambda t: t + '0'])
    def test_believes_no_other_length_or_case(self, change):
        assert kind_of(change(new_token('pst'))) is None

    @pytest.mark.parametrize('token', ['', 'pst_', 'x' * 53, 'pst_' + 'ü' * 49, 'pst_\n' * 10])
    def test_believes_no_garbage(self, token):
        assert kind_of(token) is None

    def test_believes_no_line_break_behind_it(self):
        assert kind_of(new_token('pst') + '\n') is None


class TestTokenHash:
    def test_is_what_can_be_stored(self):
        assert token_hash('pst_abc') == sha256(b'pst_abc').hexdigest()


class TestDocumentedShape:
    """What docs/security.md tells scanners to look for."""

    @pytest.mark.parametrize('kind', ['pst', 'prt', 'pak', 'pdv'])
    def test_finds_new_ones_of_every_kind(self, kind):
        pages = Path(__file__).parents[3] / 'docs' / 'security.md'
        [pattern] = re.findall(r'`(\\b\(pst.*?)`', pages.read_text())

        for token in (new_token(kind), new_token(kind, new_family())):
            assert re.search(pattern, f'"{token}"')[0] == token
