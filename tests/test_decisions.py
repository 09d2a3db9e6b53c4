"""The decision pages in docs/adr/: each has a number, status and date, and is in the index."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent / 'docs' / 'adr'
PAGES = sorted(FOLDER.glob('0*.md'))
HEAD = re.compile(
    r'# (\d+)\. (.+)\n\n- Status: (?:accepted|superseded by .+|proposed).*\n(?:  .+\n)*'
    r'- Date: \d{4}-\d\d-\d\d\n'
)
SECTIONS = ['Context', 'Decision', 'Alternatives', 'Consequences']


TEXTS = {page: page.read_text(encoding='utf-8') for page in PAGES}


class TestDecisions:
    def test_begin_with_their_number_title_status_and_date(self):
        heads = {page.stem: HEAD.match(text) for page, text in TEXTS.items()}

        assert [
            stem for stem, head in heads.items() if not head or int(head[1]) != int(stem[:4])
        ] == []

    def test_have_all_sections(self):
        sections = {
            page.stem: sorted(re.findall(r'^## (.+)$', text, re.MULTILINE))
            for page, text in TEXTS.items()
        }

        assert {stem: found for stem, found in sections.items() if found != sorted(SECTIONS)} == {}

    def test_are_in_the_index_under_their_titles(self):
        index = (FOLDER / 'README.md').read_text(encoding='utf-8')
        rows = [
            f'| {head[1]} | [{head[2]}]({page.name})'
            for page, text in TEXTS.items()
            if (head := HEAD.match(text))
        ]

        assert len(rows) == len(PAGES) > 0
        assert [row for row in rows if row not in index] == []
