"""The page of a feature: hand-written text, and generated blocks (tables) between markers.

Markers are HTML comments: `<!-- generated: routes: begin -->`.
"""

import re
from collections.abc import Mapping, Sequence

MARKER_PATTERN = re.compile(r'^<!-- generated: ([\w-]+): (begin|end) -->$', re.MULTILINE)


# A `|` in the text of a table cell must be escaped.
BAR = r'\|'


class PageInvalid(Exception):
    """The markers of a page are not pairs of begin and end, or name an unknown block."""


def new_page(name: str, description: str) -> str:
    """Return the text of a new page, which has no blocks yet.

    :param description: the docstring of the feature's package.
    """
    return f'# {name.replace("_", " ").capitalize()}\n\n{description.strip()}\n'


def with_blocks(page: str, blocks: Mapping[str, str]) -> str:
    """Return a page with the given blocks. Text outside of the markers is not changed.

    A block that the page has is replaced. If its new content is empty, it is deleted with its
    markers. A block that the page lacks is inserted before the first of the blocks that follow it
    in `blocks`.

    :param blocks: the content of all blocks by name, in the order for new pages.
    :raises PageInvalid: if a marker is unknown, or has no counterpart.
    """
    ensure_markers(page, blocks)
    names = list(blocks)
    for name in reversed(names):
        content = blocks[name]
        begin, end = _marker(name, 'begin'), _marker(name, 'end')
        block = f'\n{begin}\n\n{content.strip()}\n\n{end}\n' if content else ''
        pattern = re.compile(f'\n+{re.escape(begin)}\n.*?{re.escape(end)}\n', re.DOTALL)
        if found := pattern.search(page):
            page = f'{page[: found.start()]}\n{block}{page[found.end() :]}'
        elif block:
            page = _insert(page, block, names[names.index(name) + 1 :])
    return f'{page.rstrip()}\n'


def ensure_markers(page: str, known: Mapping[str, str]) -> None:
    """Ensure that each marker belongs to a known block and has a counterpart.

    :raises PageInvalid: if one does not.
    """
    found = MARKER_PATTERN.findall(page)
    pairs = [(name, side) for name, _ in found[::2] for side in ('begin', 'end')]
    names = [name for name, _ in found[::2]]
    if found != pairs or len(set(names)) < len(names):
        raise PageInvalid('its markers `<!-- generated: … -->` are not pairs of begin and end')
    for name in names:
        if name not in known:
            raise PageInvalid(f'no generated block is called {name}: {", ".join(known)}')


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, or an empty text without rows."""
    if not rows:
        return ''
    head, *body = (
        f'| {" | ".join(cell.replace("|", BAR) for cell in cells)} |\n'
        for cells in (columns, *rows)
    )
    return ''.join([head, f'|{"---|" * len(columns)}\n', *body])


def _marker(name: str, side: str) -> str:
    return f'<!-- generated: {name}: {side} -->'


def _insert(page: str, block: str, later: Sequence[str]) -> str:
    """Insert a block before the first block of `later` that the page has, or at the end.

    :param later: the names of the blocks that come after the new one.
    """
    for name in later:
        head, marker, tail = page.partition(_marker(name, 'begin'))
        if marker:
            return f'{head.rstrip()}\n{block}\n{marker}{tail}'
    return f'{page.rstrip()}\n{block}'
