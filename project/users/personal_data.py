"""Personal data: the tables of each feature in which users occur, for export and erasure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from project.core.value_codec import encode


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


# Returns True if there is more to erase.
Erase = Callable[[int], bool | None]
Export = Callable[[int], Iterable[ExportFile]]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The tables of a feature in which users occur, and its functions for export and erasure."""

    feature: str
    tables: Mapping[str, str | None]
    export: Export
    erase: Erase


_registry: list[PersonalData] = []


def register_personal_data(
    feature: str, *, tables: Mapping[str, str | None], export: Export
) -> Callable[[Erase], Erase]:
    """Register the function that erases a user's rows in all these tables.

    A task calls it with the user's id after the account was closed (`user_deleted`), in a
    transaction of its own, and again as long as it returns True: each call deletes one batch, so
    that no transaction is long. Each table in which users occur must be named by a feature: a test
    finds the others.

    :param tables: the part of the export that shows a table; None for one that holds nothing but
        secrets, which is not shown.
    :param export: what yields those parts, given the user's id. Called outside of transactions.
    """

    def mark(erase: Erase) -> Erase:
        _registry.append(PersonalData(feature, dict(tables), export, erase))
        return erase

    return mark


def personal_data_registry() -> list[PersonalData]:
    """Return the personal data of all features, those of features above others first."""
    return _registry[::-1]


def json_part(path: str, rows: Iterable[Any]) -> ExportFile:
    """Return rows as a part that is a JSON array: named tuples of a SELECT, or mappings."""
    return ExportFile(path, _array(rows))


def _array(rows: Iterable[Any]) -> Iterator[bytes]:
    before = b'['
    for row in rows:
        values = dict(row) if isinstance(row, Mapping) else row._asdict()
        text = json.dumps(encode(values), ensure_ascii=False, indent=1)
        yield before + b'\n' + text.encode()
        before = b','
    yield b'[]\n' if before == b'[' else b'\n]\n'
