"""Blocks of generated text in hand-written pages."""

import pytest

from project.core.documents.pages import PageInvalid, markdown_table, new_page, with_blocks

ROUTES = '<!-- generated: routes: begin -->\n\n## Routes\n\n<!-- generated: routes: end -->'
TASKS = '<!-- generated: tasks: begin -->\n\n## Tasks\n\n<!-- generated: tasks: end -->'
MAILS = '<!-- generated: mails: begin -->\n\n## Mails\n\n<!-- generated: mails: end -->'
BLOCKS = {'routes': '## Routes\n', 'tasks': '## Tasks\n', 'mails': '## Mails\n'}


class TestNewPage:
    def test_returns_the_name_and_the_description(self):
        assert new_page('boat_trips', 'Trips by boat.\n') == '# Boat trips\n\nTrips by boat.\n'


class TestWithBlocks:
    def test_appends_blocks_to_a_page_without_blocks(self):
        page = with_blocks('# Boats\n', BLOCKS)

        assert page == f'# Boats\n\n{ROUTES}\n\n{TASKS}\n\n{MAILS}\n'

    def test_returns_the_same_page_for_the_same_blocks(self):
        page = with_blocks('# Boats\n\nThey sail.\n', BLOCKS)

        assert with_blocks(page, BLOCKS) == page

    def test_keeps_the_text_around_the_blocks_and_their_order(self):
        page = f'# Boats\n\n{MAILS}\n\nAbout `\\1`.\n\n{ROUTES}\n\nThe end.\n'

        found = with_blocks(page, {'routes': '## Routes \\1\n', 'mails': '## Mails\n'})

        assert found == page.replace('## Routes', '## Routes \\1')

    def test_inserts_a_missing_block_before_the_next_one(self):
        page = with_blocks(f'# Boats\n\n{ROUTES}\n\n{MAILS}\n\nThe end.\n', BLOCKS)

        assert page == f'# Boats\n\n{ROUTES}\n\n{TASKS}\n\n{MAILS}\n\nThe end.\n'

    def test_deletes_a_block_without_content(self):
        page = f'# Boats\n\n{ROUTES}\n\n{TASKS}\n\n{MAILS}\n'

        found = with_blocks(page, {**BLOCKS, 'tasks': ''})

        assert found == f'# Boats\n\n{ROUTES}\n\n{MAILS}\n'

    @pytest.mark.parametrize(
        'page',
        [
            ROUTES.replace('end', 'begin'),
            ROUTES.partition('\n')[0],
            ROUTES.partition('\n')[2],
            f'{ROUTES}\n{ROUTES}',
            ROUTES.replace('routes: end', 'tasks: end'),
        ],
    )
    def test_raises_for_markers_without_counterpart(self, page):
        with pytest.raises(PageInvalid, match='not pairs of begin and end'):
            with_blocks(f'# Boats\n\n{page}\n', BLOCKS)

    def test_raises_for_an_unknown_block(self):
        with pytest.raises(PageInvalid, match='called sails: routes, tasks, mails'):
            with_blocks(f'# Boats\n\n{ROUTES.replace("routes", "sails")}\n', BLOCKS)


class TestMarkdownTable:
    def test_returns_a_table_and_escapes_bars(self):
        table = markdown_table(('name', 'values'), [('`A`', 'a|b')])

        assert table == '| name | values |\n|---|---|\n| `A` | a\\|b |\n'

    def test_returns_nothing_without_rows(self):
        assert markdown_table(('name',), []) == ''
