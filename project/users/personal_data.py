"""Registry of personal data: the tables of each feature, with functions to export and erase it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from project.core.value_codec import encode


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file in an export of personal data.

    :param path: the path in the ZIP: `<feature>/<name>`. A part that a user has chosen must be a
        single segment and not `..`.
    :param chunks: the content, generated while it is written to save memory.
    :param is_packed: whether the content is already compressed.
    """

    path: str
    chunks: Iterable[bytes]
    is_packed: bool = False


# A function that erases a batch of a user's rows; returns True if there may be more.
Erase = Callable[[int], bool | None]
Export = Callable[[int], Iterable[ExportFile]]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The tables of a feature with personal data, and its functions for export and erasure."""

    feature: str
    tables: Mapping[str, str | None]
    export: Export
    erase: Erase


_registry: list[PersonalData] = []


def register_personal_data(
    feature: str, *, tables: Mapping[str, str | None], export: Export
) -> Callable[[Erase], Erase]:
    """Return a decorator that registers a function, which erases a user's rows in all `tables`.

    After the account was closed (`user_deleted`), a task calls the function with the user's id. It
    repeats the call in new transactions as long as the function returns True. Each call deletes one
    batch, so that all transactions are short. A test ensures that every table with personal data is
    registered.

    :param tables: the export file by table; None for a table that contains only secrets and is not
        exported.
    :param export: a function that yields a user's export files, given the user's id. It is called
        outside of transactions.
    """

    def mark(erase: Erase) -> Erase:
        _registry.append(PersonalData(feature, dict(tables), export, erase))
        return erase

    return mark


def personal_data_registry() -> list[PersonalData]:
    """Return the registered personal data of all features, those of higher layers first."""
    return _registry[::-1]


def json_part(path: str, rows: Iterable[Any]) -> ExportFile:
    """Return an export file that contains rows as a JSON array.

    :param rows: named tuples of a SELECT, or mappings.
    """
    return ExportFile(path, _array(rows))


def _array(rows: Iterable[Any]) -> Iterator[bytes]:
    before = b'['
    for row in rows:
        values = dict(row) if isinstance(row, Mapping) else row._asdict()
        text = json.dumps(encode(values), ensure_ascii=False, indent=1)
        yield before + b'\n' + text.encode()
        before = b','
    yield b'[]\n' if before == b'[' else b'\n]\n'
