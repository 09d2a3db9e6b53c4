"""Holdings: what each feature keeps about a user, said once; it can be shown and forgotten."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from project.core.clock import rfc3339


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file of an export.

    :param path: where it lies in the archive: `<feature>/<name>`. What a stranger has named must
        stand in it as one segment at most, and be no `..`.
    :param blocks: its bytes, made as they are asked for, so that memory need not hold them.
    :param is_packed: whether to compress it would be for nothing.
    """

    path: str
    chunks: Iterable[bytes]
    is_packed: bool = False


Erase = Callable[[int], None]
Export = Callable[[int], Iterable[ExportFile]]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The tables of a feature in which users occur, how it shows and how it forgets one of them."""

    feature: str
    tables: Mapping[str, str | None]
    export: Export
    erase: Erase


_registry: list[PersonalData] = []


def register_personal_data(
    feature: str, *, tables: Mapping[str, str | None], export: Export
) -> Callable[[Erase], Erase]:
    """Mark the function by which a feature lets go of a user: of their rows in all these tables.

    It is called with the user's id, in the transaction that deletes them, while they are still
    there. What a table holds of them must be named by some feature: a test looks for the others.

    :param tables: the part of the export that shows a table; None for one that holds nothing but
        secrets, which is not shown.
    :param export: what yields those parts, given the user's id. Called outside of transactions.
    """

    def mark(erase: Erase) -> Erase:
        _registry.append(PersonalData(feature, dict(tables), export, erase))
        return erase

    return mark


def personal_data_registry() -> list[PersonalData]:
    """Return what all features hold, those that stand on others first."""
    return _registry[::-1]


def json_part(path: str, rows: Iterable[Any]) -> ExportFile:
    """Return rows as a part that is a JSON array: named tuples of a SELECT, or mappings."""
    return ExportFile(path, _array(rows))


def _array(rows: Iterable[Any]) -> Iterator[bytes]:
    before = b'['
    for row in rows:
        values = dict(row) if isinstance(row, Mapping) else row._asdict()
        text = json.dumps(values, ensure_ascii=False, indent=1, default=_plain)
        yield before + b'\n' + text.encode()
        before = b','
    yield b'[]\n' if before == b'[' else b'\n]\n'


def _plain(value: Any) -> str:
    """Return what JSON has no word for: moments as RFC 3339 in UTC, ids as text."""
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value)
