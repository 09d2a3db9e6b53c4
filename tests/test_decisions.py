"""The decision pages in docs/adr/: each has a number, status and date, and is in the index."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / 'docs' / 'adr'
PAGES = sorted(FOLDER.glob('0*.md'))
HEAD = re.compile(
    r'# (\d+)\. (.+)\n\n- Status: (?:accepted|superseded by .+|proposed).*\n(?:  .+\n)*'
    r'- Date: \d{4}-\d\d-\d\d\n'
)
SECTIONS = ['Context', 'Decision', 'Alternatives', 'Consequences']


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
class TestDecision:
    def test_begins_with_its_number_title_status_and_date(self, page):
        assert HEAD.match(page.read_text(encoding='utf-8'))[1] == str(int(page.name[:4]))

    def test_has_all_sections(self, page):
        found = re.findall(r'^## (.+)$', page.read_text(encoding='utf-8'), re.MULTILINE)

        assert sorted(found) == sorted(SECTIONS)

    def test_is_in_the_index_under_its_title(self, page):
        number, title = HEAD.match(page.read_text(encoding='utf-8')).groups()

        index = (FOLDER / 'README.md').read_text(encoding='utf-8')
        assert f'| {number} | [{title}]({page.name})' in index
