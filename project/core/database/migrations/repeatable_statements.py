"""Statements that commit immediately, in a form that a run after an interruption can repeat.

If a process is killed after such a statement and before the version is stored, the next run
executes the statement again. PostgreSQL also keeps an invalid index if CREATE INDEX CONCURRENTLY is
interrupted.
"""

import re
from typing import Any

from .sql_tokens import keywords, statements_of, take_name, without

CONCURRENT = re.compile(r'\s*(CREATE|DROP|REINDEX)\b[^(]*\bCONCURRENTLY\b', re.IGNORECASE)
NOT_VALID = re.compile(
    r'\s*ALTER\s+TABLE\b.*\bADD\s+CONSTRAINT\b.*\bNOT\s+VALID\s*;?\s*$', re.I | re.S
)
ADD_VALUE = re.compile(r'(\s*ALTER\s+TYPE\b.*?\bADD\s+VALUE\b)(?!\s+IF\b)', re.IGNORECASE)
CONCURRENTLY = re.compile(r'\bCONCURRENTLY\b(?!\s+IF\b)', re.IGNORECASE)

IS_INVALID = 'SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid'
HAS_CONSTRAINT = 'SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname = %s'
NOTHING = 'SELECT 1'


def is_concurrent(sql: str) -> bool:
    """Return whether a statement has the option CONCURRENTLY."""
    return CONCURRENT.match(sql) is not None


def make_repeatable(sql: str, cursor: Any) -> str:
    """Return a statement that succeeds if it was executed before; delete an invalid index.

    :param cursor: a cursor of the driver, for queries about existing indexes and constraints.
    """
    if is_concurrent(sql):
        tokens = next(statements_of(sql))
        words = keywords(tokens)
        name = take_name(without(tokens[words.index('CONCURRENTLY') + 1 :], 'IF NOT EXISTS'))[0]
        if words[0] == 'CREATE':
            cursor.execute(IS_INVALID, [_quoted(name)])
            if cursor.fetchone():
                cursor.execute(f'DROP INDEX CONCURRENTLY {_quoted(name)}')
        option = {'CREATE': ' IF NOT EXISTS', 'DROP': ' IF EXISTS'}.get(words[0], '')
        return CONCURRENTLY.sub(rf'\g<0>{option}', sql, count=1)
    if NOT_VALID.match(sql):
        tokens = next(statements_of(sql))
        table = take_name(without(without(tokens[2:], 'IF EXISTS'), 'ONLY'))[0]
        constraint = str(tokens[keywords(tokens).index('CONSTRAINT') + 1])
        cursor.execute(HAS_CONSTRAINT, [_quoted(table), constraint])
        return NOTHING if cursor.fetchone() else sql
    return ADD_VALUE.sub(r'\1 IF NOT EXISTS', sql, count=1)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
