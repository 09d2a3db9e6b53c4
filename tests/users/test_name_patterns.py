"""Patterns of usernames: `TYPED_USERNAME` matches exactly what `USERNAME` matches in lower case."""

import re

import pytest

from project.users.name_patterns import TYPED_USERNAME, USERNAME


class TestTypedUsername:
    @pytest.mark.parametrize(
        'name',
        ['ada', 'Ada', 'ADA-1_', 'a' * 32, 'ab', 'a' * 33, '1ab', '_ab', 'a b', 'ab\N{BULLET}'],
    )
    def test_matches_a_name_whose_lower_case_is_valid(self, name):
        kept = re.fullmatch(USERNAME, name.lower())

        assert bool(re.fullmatch(TYPED_USERNAME, name)) is bool(kept)

    @pytest.mark.parametrize('name', ['\N{KELVIN SIGN}ab', 'ab\N{LATIN SMALL LETTER LONG S}'])
    def test_rejects_letters_that_only_become_ascii_in_lower_case(self, name):
        assert not re.fullmatch(TYPED_USERNAME, name)
