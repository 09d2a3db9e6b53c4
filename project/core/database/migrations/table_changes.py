"""Rules for the actions of `ALTER TABLE`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .sql_tokens import (
    Token,
    contains,
    keywords,
    outside_parentheses,
    split,
    starts_with,
    take_name,
    without,
)

NEEDS_DEFAULT = (
    'existing rows, and rows that the previous release inserts, have no value',
    'add a server_default, or add a nullable column and fill it first',
)
REWRITES = (
    'computes a value for each row, and blocks the table until all rows are rewritten',
    'add a nullable column, and fill it in batches',
)
CHANGES_TYPE = (
    'rewrites the table, and the code of the previous release uses the old type',
    'add a column of the new type, write both, copy the rows, and drop the old one a release later',
)
DROPS_COLUMN = (
    'the code of the previous release still uses it, and its values are lost',
    'drop it one release after the code that used it',
)
RENAMES = (
    'the code of the previous release uses the old name',
    'add the new one, write both, copy the rows, and drop the old one a release later',
)
PLAIN_UNIQUE = (
    'blocks the table until its index is complete',
    'create a unique index with CONCURRENTLY, then ADD CONSTRAINT … USING INDEX',
)
PLAIN_CONSTRAINT = (
    'blocks the table until all rows are checked',
    'add it NOT VALID (postgresql_not_valid=True), and VALIDATE CONSTRAINT in another migration',
)
VALIDATES_WITH_LOCK = (
    'checks all rows in the transaction that locks the table',
    'move VALIDATE CONSTRAINT to another migration',
)
SCANS_FOR_NULL = (
    'blocks the table until all rows are checked',
    'add a check constraint `column IS NOT NULL` as NOT VALID, and validate it in a migration '
    'before this one',
)
UNKNOWN = ('no rule knows whether this is safe during traffic', 'use the operations of Alembic')

# Functions and types with parentheses in defaults that PostgreSQL computes once for all rows.
STABLE = {
    'NOW', 'TRANSACTION_TIMESTAMP', 'STATEMENT_TIMESTAMP', 'CURRENT_TIMESTAMP', 'LOCALTIMESTAMP',
    'CURRENT_TIME', 'LOCALTIME', 'CAST', 'VARCHAR', 'VARYING', 'CHARACTER', 'CHAR', 'NUMERIC',
    'DECIMAL', 'TIMESTAMP', 'TIME', 'INTERVAL', 'BIT', 'COALESCE', 'TIMEZONE', 'DATE_TRUNC',
}  # fmt: skip
SERIAL = {'SERIAL', 'BIGSERIAL', 'SMALLSERIAL'}
# A default ends before these words.
AFTER_DEFAULT = {'NOT', 'NULL', 'CONSTRAINT', 'CHECK', 'UNIQUE', 'PRIMARY', 'REFERENCES'}
HARMLESS = (
    'OWNER', 'SET (', 'RESET', 'RENAME CONSTRAINT', 'DROP CONSTRAINT', 'REPLICA', 'CLUSTER ON',
)  # fmt: skip
HARMLESS_FOR_COLUMN = ('DROP NOT NULL', 'SET DEFAULT', 'SET STATISTICS', 'SET (', 'SET STORAGE')

Change = tuple[str, str, str]


@dataclass(slots=True)
class TableChanges:
    """The rules for `ALTER TABLE`, with the earlier changes of a migration.

    :param validated: the columns without NULL, according to a validated check constraint.
    :param not_null_checks: the column of each check constraint `column IS NOT NULL`.
    :param created: the tables that this migration has created. They have few rows, and no other
        code uses them.
    :param required: the columns that this migration has added as NOT NULL.
    :param added: the transaction in which each constraint was added.
    """

    validated: set[str]
    not_null_checks: dict[str, str]
    created: set[str] = field(default_factory=set)
    required: set[str] = field(default_factory=set)
    added: dict[str, int | None] = field(default_factory=dict)

    def of_alter_table(
        self, tokens: list[Token], transaction: int | None
    ) -> Iterator[tuple[str, str, str]]:
        """Yield name, reason and remedy of each unsafe action."""
        rest = without(without(tokens[2:], 'IF EXISTS'), 'ONLY')
        table, rest = take_name(rest)
        if table in self.created:
            if starts_with(rest, 'RENAME', 'TO'):
                self.created.add(str(rest[2]))
            return
        for action in split(rest):
            yield from self._judge(table, action, transaction)

    def _judge(self, table: str, action: list[Token], transaction: int | None) -> Iterator[Change]:
        if starts_with(action, 'ADD') and _is_constraint(action[1:]):
            yield from self._add_constraint(table, action[1:], transaction)
        elif starts_with(action, 'ADD'):
            column = without(without(action[1:], 'COLUMN'), 'IF NOT EXISTS')
            yield from self._add_column(table, column)
        elif starts_with(action, 'VALIDATE', 'CONSTRAINT'):
            yield from self._validate(table, str(action[2]), transaction)
        elif starts_with(action, 'ALTER'):
            name, rest = take_name(without(action[1:], 'COLUMN'))
            yield from self._alter_column(f'{table}.{name}', rest)
        elif starts_with(action, 'RENAME', 'TO'):
            yield f'rename table {table}', *RENAMES
        elif any(starts_with(action, *words.split()) for words in HARMLESS):
            return
        elif starts_with(action, 'RENAME'):
            yield f'rename column {table}.{take_name(without(action[1:], "COLUMN"))[0]}', *RENAMES
        elif starts_with(action, 'DROP'):
            rest = without(without(action[1:], 'COLUMN'), 'IF EXISTS')
            yield f'drop column {table}.{take_name(rest)[0]}', *DROPS_COLUMN
        else:
            yield f'{" ".join(action[:4])} of {table}', *UNKNOWN

    def _add_column(self, table: str, tokens: list[Token]) -> Iterator[Change]:
        name, rest = take_name(tokens)
        operation, outside = f'add column {table}.{name}', outside_parentheses(rest)
        default = _default_of(rest)
        is_serial = rest[0].keyword in SERIAL
        if contains(outside, 'NOT', 'NULL'):
            self.required.add(f'{table}.{name}')
            if not is_serial and keywords(default) in ([], ['NULL']) and not _is_generated(rest):
                yield operation, *NEEDS_DEFAULT
        if is_serial or _is_generated(rest) or _is_volatile(default):
            yield operation, *REWRITES
        if contains(outside, 'UNIQUE') or contains(outside, 'PRIMARY', 'KEY'):
            yield operation, *PLAIN_UNIQUE
        if contains(outside, 'REFERENCES') or contains(outside, 'CHECK'):
            yield operation, *PLAIN_CONSTRAINT

    def _alter_column(self, column: str, tokens: list[Token]) -> Iterator[Change]:
        if starts_with(tokens, 'SET', 'NOT', 'NULL'):
            if column not in self.validated:
                yield f'set not null {column}', *SCANS_FOR_NULL
        elif starts_with(tokens, 'DROP', 'DEFAULT'):
            if column in self.required:
                yield f'drop default {column}', *NEEDS_DEFAULT
        elif starts_with(without(tokens, 'SET DATA'), 'TYPE'):
            yield f'change type {column}', *CHANGES_TYPE
        elif not any(starts_with(tokens, *words.split()) for words in HARMLESS_FOR_COLUMN):
            yield f'{" ".join(tokens[:3])} of {column}', *UNKNOWN

    def _add_constraint(
        self, table: str, tokens: list[Token], transaction: int | None
    ) -> Iterator[Change]:
        name = ''
        if starts_with(tokens, 'CONSTRAINT'):
            name, tokens = take_name(tokens[1:])
        label = name or f'of {table}'
        key = f'{table}.{name}'
        self.added[key] = transaction
        is_valid = not contains(outside_parentheses(tokens), 'NOT', 'VALID')
        if tokens[0].keyword in ('UNIQUE', 'PRIMARY', 'EXCLUDE'):
            if not contains(tokens, 'USING', 'INDEX'):
                kind = {'PRIMARY': 'primary key'}.get(tokens[0].keyword, f'{tokens[0]} constraint')
                yield f'add {kind} {label}', *PLAIN_UNIQUE
        elif is_valid:
            kind = 'foreign key' if tokens[0].keyword == 'FOREIGN' else 'check constraint'
            yield f'add {kind} {label}', *PLAIN_CONSTRAINT
        column = _column_without_null(tokens)
        if column:
            self.not_null_checks[key] = f'{table}.{column}'
            if is_valid:
                self.validated.add(f'{table}.{column}')

    def _validate(self, table: str, name: str, transaction: int | None) -> Iterator[Change]:
        key = f'{table}.{name}'
        if transaction is not None and self.added.get(key, -1) == transaction:
            yield f'validate constraint {name}', *VALIDATES_WITH_LOCK
        if key in self.not_null_checks:
            self.validated.add(self.not_null_checks[key])


def _is_constraint(tokens: list[Token]) -> bool:
    first = ('CONSTRAINT', 'UNIQUE', 'PRIMARY', 'FOREIGN', 'CHECK', 'EXCLUDE')
    return tokens[0].keyword in first


def _is_generated(tokens: list[Token]) -> bool:
    return contains(outside_parentheses(tokens), 'GENERATED')


def _default_of(tokens: list[Token]) -> list[Token]:
    """Return the tokens of the default of a column, or none."""
    words = keywords(tokens)
    if 'DEFAULT' not in words:
        return []
    found = tokens[words.index('DEFAULT') + 1 :]
    ends = (i for i, token in enumerate(found) if i and token.keyword in AFTER_DEFAULT)
    return found[: next(ends, len(found))]


def _is_volatile(default: list[Token]) -> bool:
    """Return whether a default calls a function that may have another result for each row."""
    return any(
        following.keyword == '(' and token.keyword.isidentifier() and token.keyword not in STABLE
        for token, following in pairwise(default)
    )


def _column_without_null(tokens: list[Token]) -> str | None:
    """Return the column of `CHECK (column IS NOT NULL)`; None for other constraints."""
    words = [token for token in tokens[1:] if token.keyword not in ('(', ')')]
    is_check = starts_with(tokens, 'CHECK') and keywords(words[1:4]) == ['IS', 'NOT', 'NULL']
    is_whole = keywords(words[4:]) in ([], ['NOT', 'VALID'])
    return str(words[0]) if is_check and is_whole else None
