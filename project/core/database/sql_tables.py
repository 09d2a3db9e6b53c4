"""Names of the tables in an SQL statement, read from its text.

SQLAlchemy's statement objects would not cover SQL in strings.
"""

import re
from collections.abc import Iterator
from functools import cache

TOKEN_PATTERN = re.compile(
    r"""'(?:[^']|'')*' | --[^\n]* | /\*.*?\*/ | "(?P<quoted>(?:[^"]|"")*)" | (?P<word>[A-Za-z_]\w*)
    | (?P<mark>[().,;])""",
    re.VERBOSE | re.DOTALL,
)
SQL_PATTERN = re.compile(
    r'\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|ALTER|DROP|CREATE|TRUNCATE|LOCK|COPY)\s.*\w',
    re.IGNORECASE | re.DOTALL,
)
# The name of a table follows these words. Further tables may follow after a comma.
BEFORE_TABLE = {'FROM', 'JOIN', 'INTO', 'UPDATE', 'TABLE', 'USING', 'COPY'}
SKIPPED = {'ONLY', 'LATERAL', 'IF', 'NOT', 'EXISTS', 'OR', 'IGNORE', 'REPLACE'}
# These words end a list of tables.
AFTER_TABLES = {
    'WHERE', 'GROUP', 'ORDER', 'HAVING', 'LIMIT', 'SET', 'VALUES', 'SELECT', 'RETURNING',
    'UNION', 'EXCEPT', 'INTERSECT', 'FOR', 'WINDOW', 'DEFAULT', 'DO',
}  # fmt: skip


@cache
def tables_in(sql: str) -> frozenset[str]:
    """Return the names after FROM, JOIN, INTO, UPDATE and similar words.

    The result may also contain names that are not tables, such as that of a CTE.
    """
    return frozenset(_names(sql))


def _names(sql: str) -> Iterator[str]:
    is_expected, depth = False, 0
    lists: list[int] = []  # The depths of parentheses at which a comma separates tables.
    name = previous = ''
    for token in TOKEN_PATTERN.finditer(sql):
        word, mark = token['word'] or token['quoted'] or '', token['mark']
        upper = word.upper()
        if mark == '.' and name:
            is_expected, name = True, ''  # The name was that of a schema.
        elif name:
            yield name
            name = ''
        if mark in ('(', ')'):
            depth += 1 if mark == '(' else -1
            lists = [each for each in lists if each <= depth]
        elif mark == ',':
            is_expected = bool(lists) and lists[-1] == depth
        elif is_expected and word and upper not in SKIPPED | AFTER_TABLES:
            name, is_expected = word, False
        elif upper in BEFORE_TABLE and not (upper == 'UPDATE' and previous in ('FOR', 'KEY', 'DO')):
            is_expected, lists = True, [*lists, depth]
        elif upper in AFTER_TABLES:
            is_expected, lists = False, [each for each in lists if each < depth]
        previous = upper
    if name:
        yield name
