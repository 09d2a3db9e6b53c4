"""Registry of personal data: the tables of each feature, with functions to export and erase it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from project.core.registration import RegistrationError, Registry, require_prefix
from project.core.value_codec import encode


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file in an export of personal data.

    :param path: the path in the ZIP: `<feature>/<name>`. A part that a user has chosen must be a
        single segment and not `..`.
    :param chunks: the content, generated while it is written to save memory.
    :param is_packed: whether the content is already compressed.
    :param modified_at: the time of the content; None if the export creates it.
    """

    path: str
    chunks: Iterable[bytes]
    is_packed: bool = False
    modified_at: datetime | None = None


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

    def files(self, user_id: int) -> Iterator[ExportFile]:
        """Yield the files of an export.

        :raises RegistrationError: if a path does not begin with the name of the feature.
        """
        for file in self.export(user_id):
            _require_folder(file.path, self.feature, self.erase.__module__)
            yield file


_registry: list[PersonalData] = []
# The feature of each table.
_tables: Registry[str] = Registry('table with personal data')


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
    :raises RegistrationError: if the feature, a table or the path of a file is not that of the
        decorated function, or a table is registered already.
    """

    def mark(erase: Erase) -> Erase:
        owner = erase.__module__
        require_prefix('personal data', feature, owner=owner)
        for table, path in tables.items():
            if not table.startswith('core_'):
                require_prefix('table with personal data', table, owner=owner)
            _tables.register(table, feature, owner=owner)
            if path is not None:
                _require_folder(path, feature, owner)
        _registry.append(PersonalData(feature, dict(tables), export, erase))
        return erase

    return mark


def personal_data_registry() -> list[PersonalData]:
    """Return the registered personal data of all features, those of higher layers first."""
    return _registry[::-1]


def _require_folder(path: str, feature: str, owner: str) -> None:
    if not path.startswith(f'{feature}/'):
        raise RegistrationError(
            f'export path {path!r} of {owner} must begin with {feature + "/"!r}'
        )


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
