"""Rules for the statements of a migration that runs while the service handles requests.

A migration must not lock a table for long, because all requests for the table would wait. It must
not lose data, and the code of the previous release must work with the changed tables. A statement
that no rule knows is unsafe.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .recording import Statement
from .sql_tokens import (
    Token,
    contains,
    keywords,
    outside_parentheses,
    starts_with,
    statements_of,
    take_name,
    take_names,
    until_parenthesis,
    without,
)
from .table_changes import TableChanges


class Unsafe(NamedTuple):
    """An unsafe operation.

    :param operation: its name, such as `drop column files.color`.
    """

    operation: str
    reason: str
    remedy: str


DROPS_TABLE = (
    'the code of the previous release still uses it, and its rows are lost',
    'drop it one release after the code that used it',
)
RENAMES = (
    'the code of the previous release uses the old name',
    'add the new one, write both, copy the rows, and drop the old one a release later',
)
PLAIN_INDEX = (
    'blocks all writes of the table until the index is complete',
    'op.create_index(…, postgresql_concurrently=True) in `with '
    'op.get_context().autocommit_block():`',
)
IN_TRANSACTION = (
    'PostgreSQL cannot run CONCURRENTLY in a transaction',
    'use `with op.get_context().autocommit_block():`',
)
LOSES_ROWS = ('deletes all rows of the table', 'add a condition, or drop the table a release later')
NOT_REPEATABLE = (
    'an autocommit_block below commits it, so after an interruption the migration would fail',
    'write two migrations, and put the autocommit_block into the second one',
)
UNKNOWN = ('no rule knows whether this is safe during traffic', 'use the operations of Alembic')

# These statements change no table, or only for an instant.
HARMLESS = (
    'COMMENT', 'SELECT', 'SET', 'RESET', 'SHOW', 'INSERT', 'UPDATE', 'WITH', 'MERGE', 'ANALYZE',
    'GRANT', 'REVOKE', 'VALUES', 'COPY', 'DELETE', 'CREATE TYPE', 'CREATE SEQUENCE', 'CREATE VIEW',
    'CREATE OR REPLACE VIEW', 'CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION', 'CREATE EXTENSION',
    'CREATE SCHEMA', 'CREATE DOMAIN', 'CREATE STATISTICS', 'ALTER INDEX', 'ALTER SEQUENCE',
    'ALTER FUNCTION', 'ALTER VIEW', 'ALTER EXTENSION', 'DROP STATISTICS',
)  # fmt: skip
# `env.py` makes these statements repeatable (`running.py`), or they are so themselves.
REPEATABLE = ('ALTER TYPE', 'ANALYZE', 'COMMENT', 'SET', 'RESET')
DATA = ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'WITH', 'MERGE', 'VALUES', 'SHOW', 'COPY')


@dataclass(slots=True)
class Rules:
    """The rules, with what earlier migrations have changed.

    :param validated: the columns without NULL, according to a validated check constraint.
    """

    validated: set[str] = field(default_factory=set)
    not_null_checks: dict[str, str] = field(default_factory=dict)

    def judge(self, statements: list[Statement]) -> list[Unsafe]:
        """Return the unsafe operations of one migration."""
        changes = TableChanges(self.validated, self.not_null_checks)
        found: list[Unsafe] = []
        last = max((i for i, s in enumerate(statements) if s.transaction is None), default=-1)
        for index, statement in enumerate(statements):
            for tokens in statements_of(statement.sql):
                unsafe = [*_judge(tokens, statement.transaction, changes)]
                if not unsafe and index < last and not _is_repeatable(tokens):
                    unsafe = [Unsafe(_title(tokens), *NOT_REPEATABLE)]
                found += unsafe
        # Batch operations can contain one operation several times.
        return list(dict.fromkeys(found))


def _judge(tokens: list[Token], transaction: int | None, changes: TableChanges) -> Iterator[Unsafe]:
    if starts_with(tokens, 'ALTER', 'TABLE'):
        for change in changes.of_alter_table(tokens, transaction):
            yield Unsafe(*change)
    elif starts_with(tokens, 'CREATE') and contains(tokens[:4], 'TABLE'):
        rest = tokens[keywords(tokens).index('TABLE') + 1 :]
        # With IF NOT EXISTS, it may be a table that has rows already.
        if not starts_with(rest, 'IF', 'NOT', 'EXISTS'):
            changes.created.add(take_name(rest)[0])
    elif starts_with(tokens, 'CREATE') and contains(tokens[:3], 'INDEX'):
        yield from _create_index(tokens, transaction, changes)
    elif starts_with(tokens, 'DROP', 'INDEX'):
        if contains(tokens, 'CONCURRENTLY') and transaction is not None:
            yield Unsafe(_title(tokens), *IN_TRANSACTION)
    elif starts_with(tokens, 'DROP', 'TABLE') or starts_with(tokens, 'TRUNCATE'):
        reasons = DROPS_TABLE if starts_with(tokens, 'DROP') else LOSES_ROWS
        for name in take_names(without(without(tokens[1:], 'TABLE'), 'IF EXISTS')):
            if name not in changes.created:
                yield Unsafe(f'{tokens[0]} table {name}', *reasons)
    elif starts_with(tokens, 'ALTER', 'TYPE'):
        if not contains(tokens, 'ADD', 'VALUE'):
            yield Unsafe(_title(tokens), *RENAMES)
    elif not any(starts_with(tokens, *words.split()) for words in HARMLESS):
        yield Unsafe(_title(tokens), *UNKNOWN)
    for name in _emptied_tables(tokens):
        if name not in changes.created:
            yield Unsafe(f'delete all rows of {name}', *LOSES_ROWS)


def _emptied_tables(tokens: list[Token]) -> Iterator[str]:
    """Yield the tables of each DELETE without a condition, also inside WITH."""
    words = keywords(tokens)
    for index in (i for i in range(len(words)) if words[i : i + 2] == ['DELETE', 'FROM']):
        # A condition in parentheses belongs to a query inside the statement.
        if not contains(outside_parentheses(until_parenthesis(tokens[index:])), 'WHERE'):
            yield take_name(without(tokens[index + 2 :], 'ONLY'))[0]


def _create_index(
    tokens: list[Token], transaction: int | None, changes: TableChanges
) -> Iterator[Unsafe]:
    words = keywords(tokens)
    on = words.index('ON') if 'ON' in words else len(words) - 1
    name = without(tokens[words.index('INDEX') + 1 :], 'CONCURRENTLY')
    operation = f'create index {take_name(without(name, "IF NOT EXISTS"))[0]}'
    table = take_name(without(tokens[on + 1 :], 'ONLY'))[0]
    if table in changes.created:
        return
    if 'CONCURRENTLY' not in words[:4]:
        yield Unsafe(operation, *PLAIN_INDEX)
    elif transaction is not None:
        yield Unsafe(operation, *IN_TRANSACTION)


def _is_repeatable(tokens: list[Token]) -> bool:
    words = keywords(tokens)
    return (
        words[0] in DATA
        or any(starts_with(tokens, *each.split()) for each in REPEATABLE)
        or contains(tokens, 'IF', 'NOT', 'EXISTS')
        or contains(tokens, 'IF', 'EXISTS')
        or 'CONCURRENTLY' in words[:4]
        or contains(tokens, 'NOT', 'VALID')
        or contains(tokens, 'VALIDATE', 'CONSTRAINT')
        or 'ALTER' in words[3:6]  # Of a column: its default, or whether it can be NULL.
    )


def _title(tokens: list[Token]) -> str:
    """Return the first words of a statement, as the name of its operation."""
    if starts_with(tokens, 'ALTER', 'TABLE'):
        rest = without(without(tokens[2:], 'IF EXISTS'), 'ONLY')
        return f'alter table {take_name(rest)[0]}'
    return ' '.join(tokens[:4])
