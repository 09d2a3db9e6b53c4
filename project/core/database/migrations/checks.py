"""Checks of all migrations: one head per feature, borders between features, safe operations."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from alembic.script import Script, ScriptDirectory

from project.core.database.sql_tables import tables_in
from project.core.registration import owner_of_name

from .folders import feature_of_migration, heads_by_feature, in_order, needed_by
from .recording import Recording, record
from .rules import Rules
from .sql_tokens import starts_with, statements_of, take_name
from .written_tables import is_change_of_schema, written_tables

# The newest migration of each feature in the first release. The rules do not apply to it and to all
# migrations before it: there was no database with rows before, and no earlier code. This must never
# change, because new migrations could avoid the rules.
FIRST_RELEASE = {
    'auth': '9e27c5a1d846',
    'core': '35a5a71c66b2',
    'files': 'e5a90d27c3b8',
    'users': '4adc791b6af7',
}


class Fault(NamedTuple):
    """A fault of a migration.

    :param path: the file, or the folder of a feature, relative to the folder of all migrations.
    """

    path: str
    operation: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        """Return the fault in one line."""
        return f'{self.path}: {self.operation}: {self.reason}. Remedy: {self.remedy}'


def find_faults(script: ScriptDirectory) -> Iterator[Fault]:
    """Yield the faults of all migrations."""
    yield from several_heads(script)
    recordings = [record(migration) for migration in in_order(script)]
    features = {feature_of_migration(each.migration) for each in recordings}
    baseline, rules, types = baseline_of(script), Rules(), set[str]()
    for recording in recordings:
        types |= created_types(recording)
        yield from missing_types(recording, types)
        yield from foreign_tables(script, recording, features)
        yield from unsafe_operations(recording, rules, is_exempt=recording.migration in baseline)


def several_heads(script: ScriptDirectory) -> Iterator[Fault]:
    """Yield the features with several heads, as after a Git merge of two migrations."""
    for feature, heads in sorted(heads_by_feature(script).items()):
        if len(heads) > 1:
            names = ' and '.join(sorted(Path(head.path).name for head in heads))
            yield Fault(
                f'versions/{feature}', 'several heads', f'{names} have no migration after them',
                f'flask db merge {feature}',
            )  # fmt: skip


def baseline_of(script: ScriptDirectory) -> set[Script]:
    """Return the migrations of the first release."""
    found: set[Script] = set()
    pending = [
        migration
        for migration in script.walk_revisions()
        if migration.revision == FIRST_RELEASE.get(feature_of_migration(migration))
    ]
    while pending:
        migration = pending.pop()
        if migration not in found:
            found.add(migration)
            pending += needed_by(script, migration)
    return found


def unsafe_operations(recording: Recording, rules: Rules, *, is_exempt: bool) -> Iterator[Fault]:
    """Yield the unsafe operations of a migration that it does not accept with a reason."""
    path = path_of(recording.migration)
    if recording.error is not None:
        yield Fault(
            path, 'upgrade', f'fails on an empty database: {recording.error}',
            'correct it; if a query returns no rows, it must succeed, too',
        )  # fmt: skip
    unsafe = rules.judge(recording.statements)
    if is_exempt:
        return
    # A migration without exceptions does not have this variable.
    accepted = getattr(recording.migration.module, 'accepted', None) or {}
    if not _is_text_mapping(accepted):
        yield Fault(
            path, 'accepted', 'is not a mapping of operations to reasons',
            "accepted = {'<operation>': '<reason>'}",
        )  # fmt: skip
        accepted = {}
    for operation, reason in accepted.items():
        if not reason.strip():
            yield Fault(path, operation, 'accepted without a reason', 'write the reason')
    for each in unsafe:
        if each.operation not in accepted:
            yield Fault(
                path, each.operation, each.reason,
                f"{each.remedy}; or accepted = {{'{each.operation}': '<reason>'}}",
            )  # fmt: skip
    for operation in sorted(set(accepted) - {each.operation for each in unsafe}):
        yield Fault(path, operation, 'accepted, but the rules do not find it', 'delete the entry')


def created_types(recording: Recording) -> set[str]:
    """Return the names of the types that a migration creates."""
    return {
        take_name(tokens[2:])[0]
        for statement in recording.statements
        for tokens in statements_of(statement.sql)
        if starts_with(tokens, 'CREATE', 'TYPE')
    }


def missing_types(recording: Recording, types: set[str]) -> Iterator[Fault]:
    """Yield the enumerated types of a migration that PostgreSQL lacks.

    :param types: the names of the types that PostgreSQL has.
    """
    for name in sorted(recording.enums - types):
        yield Fault(
            path_of(recording.migration), f'use type {name}',
            'no statement creates it on PostgreSQL',
            f"sa.Enum(…, name='{name}').create(op.get_bind(), checkfirst=True) before it",
        )  # fmt: skip


def foreign_tables(
    script: ScriptDirectory, recording: Recording, features: set[str]
) -> Iterator[Fault]:
    """Yield the tables of other features that a migration uses.

    A migration may read a table of another feature if it depends on a migration of that feature.
    """
    migration = recording.migration
    own, path = feature_of_migration(migration), path_of(migration)
    written, read = used_tables(recording)
    for table in sorted(written):
        owner = owner_of_name(table, features)
        if owner not in (own, None):
            yield Fault(
                path, f'change {table}', f'the table belongs to {owner}',
                f'move the operation to a migration of {owner}',
            )  # fmt: skip
    known = {own, *(feature_of_migration(m) for m in _ancestors(script, migration))}
    for table in sorted(read - written):
        owner = owner_of_name(table, features)
        if owner is not None and owner not in known:
            yield Fault(
                path, f'read {table}', f'the table belongs to {owner}, which may not have it yet',
                f'name the migration of {owner} in `depends_on`',
            )  # fmt: skip


def used_tables(recording: Recording) -> tuple[set[str], set[str]]:
    """Return the names of the tables that a migration writes, and of all that it uses."""
    written: set[str] = set()
    used: set[str] = set()
    for statement in recording.statements:
        for tokens in statements_of(statement.sql):
            written |= written_tables(tokens)
            if not is_change_of_schema(tokens):
                used |= tables_in(statement.sql)
    return written, used | written


def path_of(migration: Script) -> str:
    """Return the path of a migration below the folder of all migrations."""
    return '/'.join(Path(migration.path).parts[-3:])


def _ancestors(script: ScriptDirectory, migration: Script) -> set[Script]:
    found: set[Script] = set()
    pending = [migration]
    while pending:
        for needed in needed_by(script, pending.pop()):
            if needed not in found:
                found.add(needed)
                pending.append(needed)
    return found


def _is_text_mapping(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) for item in value.items() for text in item
    )
