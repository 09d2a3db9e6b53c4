"""docs/asvs.md: exactly the requirements that it marks as met have a test of their number."""

import ast
import re
from pathlib import Path

import pytest

from .mutants import ROOT, load_mutants

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / 'docs' / 'asvs.md').read_text(encoding='utf-8')
ROWS = re.findall(r'^\| (\d+\.\d+\.\d+) \| (\d) \| (.*?) \| (.*) \|$', PAGE, re.MULTILINE)

# The number of requirements in each section of the standard.
SECTIONS = {
    '6.1': 3, '6.2': 12, '6.3': 8, '6.4': 6, '6.5': 8, '6.6': 4, '6.7': 2, '6.8': 4,
    '7.1': 3, '7.2': 4, '7.3': 2, '7.4': 5, '7.5': 3, '7.6': 2,
    '8.1': 4, '8.2': 4, '8.3': 3, '8.4': 2,
}  # fmt: skip


def named_ids():
    """Return the requirements in the names of tests: `test_v6_3_7_…` gives `6.3.7`."""
    found = set()
    for path in HERE.glob('test_v*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith('test_v'):
                named = re.match(r'test_v(\d+)_(\d+)_(\d+)_', node.name)
                found |= {'.'.join(named.groups())} if named else set()
    return found


def test_page_has_all_rows_of_the_three_chapters():
    expected = {f'{section}.{n}' for section, most in SECTIONS.items() for n in range(1, most + 1)}

    assert [row[0] for row in ROWS] == sorted(expected, key=lambda i: [*map(int, i.split('.'))])


def test_page_marks_exactly_the_tested_rows_as_met():
    assert {row[0] for row in ROWS if row[2] in ('met', 'in part')} == named_ids()


@pytest.mark.parametrize('row', [row for row in ROWS if row[2] != 'met'], ids=lambda row: row[0])
def test_page_gives_a_reason_for_each_row_that_is_not_met(row):
    assert row[2] in ('in part', 'not ours', 'not there')
    assert len(row[3]) > 5


def test_page_leaves_only_known_rows_of_the_first_two_levels_unmet():
    missing = {row[0] for row in ROWS if row[2] != 'met' and row[1] in '12'}

    assert missing == {
        '6.2.6', '6.2.7', '6.3.3', '6.5.5', '6.6.1', '6.8.1', '6.8.2', '6.8.3', '6.8.4', '7.1.3',
        '7.5.2', '7.6.1', '8.4.1',
    }  # fmt: skip


def test_page_states_how_many_rows_of_the_first_two_levels_are_met():
    bar = [row for row in ROWS if row[1] in '12']
    met = [row for row in bar if row[2] == 'met']
    apply = [row for row in bar if row[2] in ('met', 'in part')]

    assert f'{len(met)} of the {len(apply)} rows of levels 1 and 2 that apply are met' in PAGE


def test_each_met_row_of_the_first_two_levels_has_a_mutant():
    met = {row[0] for row in ROWS if row[2] == 'met' and row[1] in '12'}

    assert {mutant.row for mutant in load_mutants()} == met


def test_every_mutant_applies():
    wrong = [
        edit
        for mutant in load_mutants()
        for edit in mutant.edits
        if (ROOT / edit.path).read_text(encoding='utf-8').count(edit.old) != 1
    ]

    assert wrong == []
