"""The generated files in `docs/features`: their texts, and which of them are out of date.

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
from project.core.web.openapi.document import specification

from .api_changes.accepted_changes import SUFFIX
from .commands import command_rows
from .openapi import join_documents, split_document
from .openapi_rules import find_openapi_faults
from .owners import Owners
from .pages import PageInvalid, markdown_table, new_page, with_blocks
from .registries import (
    check_rows,
    counter_rows,
    key_rows,
    mail_rows,
    model_rows,
    permission_rows,
    task_rows,
    token_rows,
)
from .routes import ROUTE_COLUMNS, route_rows
from .settings import setting_rows

ROOT = Path(__file__).resolve().parents[3]

PAGE_SUFFIX, OPENAPI_SUFFIX = '.md', '.openapi.json'
# The page about the folder itself, which is not generated.
FOLDER_PAGE = 'README.md'
REMEDY = 'run `flask api write`'

OwnedRow: TypeAlias = tuple[str | None, tuple[str, ...]]


class Block(NamedTuple):
    """A generated table, which the page of each feature contains.

    :param find_rows: a function that yields the table rows of all features. Each row comes with its
        owner: the feature on whose page the row is.
    """

    heading: str
    columns: tuple[str, ...]
    find_rows: Callable[[Owners], Iterable[OwnedRow]]

    @property
    def name(self) -> str:
        """The name in the markers (HTML comments) around the block, such as `attempt-counters`."""
        return self.heading.lower().replace(' ', '-')


BLOCKS = (
    Block('Routes', ROUTE_COLUMNS, route_rows),
    Block('Settings', ('setting', 'default', 'accepted values', 'meaning'), setting_rows),
    Block('Commands', ('command', 'effect', 'options'), command_rows),
    Block('Tables', ('table', 'purpose'), model_rows),
    Block('Permissions', ('permission', 'meaning', 'holders'), permission_rows),
    Block('Tokens', ('prefix', 'token of'), token_rows),
    Block(
        'Data under SECRET_KEY',
        ('data', 'effect if its key is removed', 'how to keep it'),
        key_rows,
    ),
    Block('Tasks', ('task', 'purpose', 'queue', 'runs', 'attempts'), task_rows),
    Block('Mails', ('mail', 'subject'), mail_rows),
    Block(
        'Attempt counters',
        ('counter', 'counts per', 'limit', 'attempts per account and day', 'recovery', 'reset'),
        counter_rows,
    ),
    Block('Checks', ('check', 'runs at', 'purpose', 'remedy'), check_rows),
)


def all_owners() -> Owners:
    """Return all possible owners: the core, and the features of this repository."""
    return Owners([feature.name for feature in find_features()])


def generated_files() -> dict[Path, str]:
    """Return the text of each generated file, by path.

    The text of a page includes the hand-written parts of the existing page.

    :raises PageInvalid: if the markers of a page are damaged; the message names the page.
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
    """Return the OpenAPI document of all features together, as JSON text."""
    return _json_text(join_documents(split_document(all_owners()).values()))


def find_faults() -> Iterator[str]:
    """Yield a line for each file that is missing, outdated or superfluous, and for wrong names.

    The names are those of operations in the OpenAPI document. Missing descriptions are faults, too.
    """
    for path, text in generated_files().items():
        shown = path.relative_to(ROOT)
        if not path.exists():
            yield f'{shown} is missing: {REMEDY}'
        elif path.read_text(encoding='utf-8') != text:
            yield f'{shown} is stale: {REMEDY}'
    yield from find_openapi_faults(specification())
    for path in _files_without_feature():
        shown = path.relative_to(ROOT)
        name = path.name.partition('.')[0]
        yield f'{shown} describes no feature, there is no project/{name}: run `rm {shown}`'


def features_folder() -> Path:
    """Return the folder of the generated files."""
    return ROOT / 'docs' / 'features'


def _files_without_feature() -> list[Path]:
    """Return the files in `docs/features` that belong to no existing feature."""
    names = all_owners().names
    return [
        path
        for path in sorted(features_folder().glob('[!.]*'))
        if path.name != FOLDER_PAGE
        # `flask api diff` checks these files. A removed feature may have one.
        and not path.name.endswith(SUFFIX)
        and path.name.partition('.')[0] not in names
    ]


def _blocks(owners: Owners) -> dict[str, dict[str, str]]:
    """Return the text of the blocks of each page: first key the feature, second key the block."""
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
