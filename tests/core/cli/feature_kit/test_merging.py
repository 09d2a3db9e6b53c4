"""Addition of generated code to existing modules."""

import ast

import pytest

from project.core.cli.feature_kit.merging import MergeImpossible, merge_modules

OURS = '''"""Services."""

import json
from datetime import date, datetime

from . import invoices  # noqa: E402

__all__ = ['invoices']


class Invoice:
    """An invoice – changed by the team."""


@register('billing', tables={'billing_invoices': 'a.json'})
def erase(user_id):
    """Erase."""
    more = erase_invoices(user_id)
    return more
'''

THEIRS = '''"""Services."""

import csv
from datetime import datetime
from datetime import time
from decimal import Decimal

from . import payments  # noqa: E402

__all__ = ['payments']


@dataclass
class Payment:
    """A payment."""

    x = 1


@register('billing', tables={'billing_payments': 'b.json'})
def erase(user_id):
    """Erase."""
    more |= erase_payments(user_id)
    return more
'''


class TestMergeModules:
    def test_adds_only_missing_code(self):
        merged = merge_modules(OURS, THEIRS)

        lines = [line.strip() for line in merged.splitlines()]
        assert lines.index('more = erase_invoices(user_id)') + 1 == lines.index(
            'more |= erase_payments(user_id)'
        )
        assert 'date, datetime, time,' in lines
        assert "__all__ = ['invoices', 'payments']" in lines
        assert merged.endswith('@dataclass\nclass Payment:\n    """A payment."""\n\n    x = 1\n')
        assert 'An invoice – changed by the team.' in merged
        assert 'from . import (  # noqa: E402\ninvoices, payments,\n)' in merged
        assert "{'billing_invoices': 'a.json', 'billing_payments': 'b.json'}" in merged
        assert {'import csv', 'from decimal import Decimal'} <= set(lines)
        ast.parse(merged)

    def test_changes_nothing_if_nothing_is_missing(self):
        once = ast.unparse(ast.parse(merge_modules(OURS, THEIRS)))

        assert ast.unparse(ast.parse(merge_modules(once, THEIRS))) == once

    @pytest.mark.parametrize(
        'body',
        [
            'return erase_invoices(user_id)',
            'if user_id:\n        return True',
            'more = erase_invoices(user_id)\n    raise ValueError',
        ],
    )
    def test_raises_if_a_function_ends_differently(self, body):
        ours = f'"""Services."""\n\n\ndef erase(user_id):\n    """Erase all."""\n    {body}\n'

        with pytest.raises(MergeImpossible) as error:
            merge_modules(ours, THEIRS)

        assert str(error.value) == (
            'the function erase ends differently from the generated one: '
            'add by hand: more |= erase_payments(user_id); return more'
        )

    def test_keeps_a_function_that_contains_the_calls_in_another_form(self):
        body = '    return erase_invoices(user_id) | erase_payments(user_id)\n'
        ours = f'{OURS.partition("    more =")[0]}{body}'
        theirs = THEIRS.replace('    more |=', '    more = False\n    more |=')

        merged = merge_modules(ours, theirs)

        assert merged.count('erase_payments') == 1
        assert 'more = False' not in merged

    def test_adds_no_docstring_and_no_second_initialization(self):
        theirs = THEIRS.replace('    more |=', '    more = False\n    more |=')
        ours = OURS.replace('"""Erase."""', '"""Erase all."""')

        merged = merge_modules(ours, theirs)

        assert 'more = False' not in merged
        assert '"""Erase."""' not in merged
        assert merged.index('more |= erase_payments') < merged.index('return more')

    @pytest.mark.parametrize(
        ('literal', 'other', 'reason'),
        [
            ("['invoices']", "['invoices', *others]", '__all__ is not a list of texts'),
            ("['invoices']", 'others', '__all__ is not a list of texts'),
            ("{'billing_invoices': 'a.json'}", 'TABLES', 'the argument `tables` of erase is not'),
            ("tables={'billing_invoices': 'a.json'}", 'TABLES', 'the argument `tables` of erase'),
            (", tables={'billing_invoices': 'a.json'}", '', 'the argument `tables` of erase is'),
            ("{'billing_invoices'", "{**more, 'billing_invoices'", 'the argument `tables` of'),
        ],
    )
    def test_raises_if_a_list_or_dictionary_is_not_a_literal(self, literal, other, reason):
        with pytest.raises(MergeImpossible) as error:
            merge_modules(OURS.replace(literal, other), THEIRS)

        assert str(error.value).startswith(reason)
        assert 'add by hand: ' in str(error.value)
        assert 'payments' in str(error.value)

    def test_accepts_other_expressions_that_contain_the_elements(self):
        ours = OURS.replace("['invoices']", "['payments', *others]").replace(
            "tables={'billing_invoices'", "tables={**more, 'billing_payments': 'b.json', 'x'"
        )

        assert "['payments', *others]" in merge_modules(ours, THEIRS)

    def test_keeps_the_lines_of_a_long_list_short(self):
        names = [f'name_{number}' for number in range(30)]
        ours = f'"""Names."""\n\n__all__ = {names!r}  # fmt: skip\n'

        merged = merge_modules(ours, '"""Names."""\n\n__all__ = [\'added\']\n')

        assert max(map(len, merged.splitlines())) < 100
        assert ast.literal_eval(ast.parse(merged).body[1].value) == [*names, 'added']
