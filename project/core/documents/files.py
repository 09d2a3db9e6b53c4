"""The generated files of all features in `docs/features`: their text, and differences to the code.

Each feature has a page, `<name>.md`, and an OpenAPI document, `<name>.openapi.json`.
"""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TypeAlias

import orjson

from project.core.features import find_features

from .commands import command_rows
from .openapi import join_documents, split_document
from .owners import Owners
from .pages import PageInvalid, markdown_table, new_page, with_blocks
from .registries import counter_rows, mail_rows, model_rows, permission_rows, task_rows
from .routes import ROUTE_COLUMNS, route_rows
from .settings import setting_rows

ROOT = Path(__file__).resolve().parents[3]

PAGE_SUFFIX, OPENAPI_SUFFIX = '.md', '.openapi.json'
# The page about the folder itself.
FOLDER_PAGE = 'README.md'
REMEDY = 'run `flask api write`'

OwnedRow: TypeAlias = tuple[str | None, tuple[str, ...]]


class Block(NamedTuple):
    """A generated table of each page.

    :param find_rows: yields all rows of the table, each with its owner.
    """

    heading: str
    columns: tuple[str, ...]
    find_rows: Callable[[Owners], Iterable[OwnedRow]]

    @property
    def name(self) -> str:
        """The name in the HTML comments around the block, such as `attempt-counters`."""
        return self.heading.lower().replace(' ', '-')


BLOCKS = (
    Block('Routes', ROUTE_COLUMNS, route_rows),
    Block('Settings', ('setting', 'default', 'accepted values', 'meaning'), setting_rows),
    Block('Commands', ('command', 'effect', 'options'), command_rows),
    Block('Tables', ('table', 'purpose'), model_rows),
    Block('Permissions', ('permission', 'meaning', 'holders'), permission_rows),
    Block('Tasks', ('task', 'purpose', 'queue', 'runs', 'attempts'), task_rows),
    Block('Mails', ('mail', 'subject'), mail_rows),
    Block(
        'Attempt counters',
        ('counter', 'counts per', 'limit', 'attempts per account and day', 'recovery', 'reset'),
        counter_rows,
    ),
)


def all_owners() -> Owners:
    """Return the core and the features of the repository."""
    return Owners([feature.name for feature in find_features()])


def generated_files() -> dict[Path, str]:
    """Return the text of each generated file by path, with the hand-written text of its page.

    :raises PageInvalid: if the markers of a page are damaged; names the page.
    """
    owners, folder = all_owners(), features_folder()
    blocks = _blocks(owners)
    found = {}
    for name in owners.names:
        path = folder / f'{name}{PAGE_SUFFIX}'
        page = path.read_text(encoding='utf-8') if path.exists() else _new_page_of(name)
        try:
            found[path] = with_blocks(page, blocks[name])
        except PageInvalid as fault:
            raise PageInvalid(f'{path.relative_to(ROOT)}: {fault}') from None
    for name, part in split_document(owners).items():
        found[folder / f'{name}{OPENAPI_SUFFIX}'] = _json_text(part)
    return found


def joined_openapi() -> str:
    """Return the text of the OpenAPI document of all features."""
    return _json_text(join_documents(split_document(all_owners()).values()))


def find_faults() -> Iterator[str]:
    """Yield a line for each file that differs from the code, with the command that repairs it."""
    for path, text in generated_files().items():
        shown = path.relative_to(ROOT)
        if not path.exists():
            yield f'{shown} is missing: {REMEDY}'
        elif path.read_text(encoding='utf-8') != text:
            yield f'{shown} is stale: {REMEDY}'
    for path in _files_without_feature():
        shown = path.relative_to(ROOT)
        name = path.name.partition('.')[0]
        yield f'{shown} describes no feature, there is no project/{name}: run `rm {shown}`'


def features_folder() -> Path:
    """Return the folder of the generated files."""
    return ROOT / 'docs' / 'features'


def _files_without_feature() -> list[Path]:
    """Return the files in the folder that belong to no feature."""
    names = all_owners().names
    return [
        path
        for path in sorted(features_folder().glob('*'))
        if path.name != FOLDER_PAGE and path.name.partition('.')[0] not in names
    ]


def _blocks(owners: Owners) -> dict[str, dict[str, str]]:
    """Return the content of each block, by the owner and the name of the block."""
    found: dict[str, dict[str, str]] = {owner: {} for owner in owners.names}
    for block in BLOCKS:
        rows: dict[str | None, list[tuple[str, ...]]] = defaultdict(list)
        for owner, row in block.find_rows(owners):
            rows[owner].append(row)
        for owner in owners.names:
            table = markdown_table(block.columns, rows[owner])
            found[owner][block.name] = table and f'## {block.heading}\n\n{table}'
    return found


def _new_page_of(name: str) -> str:
    return new_page(name, inspect.getdoc(import_module(f'project.{name}')) or '')


def _json_text(document: object) -> str:
    return f'{orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()}\n'
