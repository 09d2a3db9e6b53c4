"""Differences between the tables of the database and those of the models.

Alembic compares tables, columns, types, indexes and foreign keys, but not all of their properties.
So the models also create their tables in an empty database or schema, and the text of each column,
constraint and index is compared. These texts are those of SQLite and PostgreSQL themselves.
"""

from collections.abc import Iterable, Iterator
from uuid import uuid4

from sqlalchemy import Connection, MetaData, Row, create_engine, text

from .sql_tokens import statements_of
from .sqlite_copies import parse_table

# Parts of tables, by table: columns, constraints, indexes, and the properties of the table.
Parts = dict[str, set[str]]

# `pg_constraint` also has the constraints NOT NULL since PostgreSQL 18: type `n`. A constraint may
# be NOT VALID for some releases.
FIND_POSTGRESQL_PARTS = text("""
WITH tables AS (
    SELECT * FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
)
SELECT t.relname, concat_ws(
    ' ', 'column', a.attname, format_type(a.atttypid, a.atttypmod),
    (SELECT '(' || string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) || ')'
        FROM pg_enum e WHERE e.enumtypid = a.atttypid),
    (SELECT 'COLLATE ' || c.collname FROM pg_collation c JOIN pg_type y ON y.oid = a.atttypid
        WHERE c.oid = a.attcollation AND a.attcollation <> y.typcollation),
    CASE WHEN a.attnotnull THEN 'NOT NULL' END,
    'IDENTITY ' || nullif(a.attidentity::text, ''),
    'GENERATED ' || nullif(a.attgenerated::text, ''),
    'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)
) FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid
LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT t.relname, 'constraint ' || c.conname || ' '
    || regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '')
FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype <> 'n'
UNION ALL
SELECT t.relname, pg_get_indexdef(i.indexrelid, 0, true) || CASE WHEN i.indisvalid THEN '' ELSE
    ' INVALID' END
FROM tables t JOIN pg_index i ON i.indrelid = t.oid
UNION ALL
SELECT t.relname, 'table ' || t.relpersistence::text || ' ' || coalesce(t.reloptions::text, '')
FROM tables t
""")
FIND_SQLITE_PARTS = 'SELECT type, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL'


def find_differences(connection: Connection, metadata: MetaData) -> Iterator[str]:
    """Yield a line for each part of a table that only the database has, or only the models.

    Tables that only one of them has are skipped, because Alembic reports them.

    :param connection: a connection without a transaction. Nothing is changed.
    :param metadata: the tables of the models.
    """
    if connection.dialect.name == 'sqlite':
        found, wanted = _sqlite_parts(connection), _sqlite_parts_of_models(metadata)
    else:
        found, wanted = _postgresql_parts(connection, metadata)
    for table in sorted(found.keys() & wanted.keys()):
        for part in sorted(wanted[table] - found[table]):
            yield f'{table}: only the models have: {part}'
        for part in sorted(found[table] - wanted[table]):
            yield f'{table}: only the database has: {part}'


def _sqlite_parts_of_models(metadata: MetaData) -> Parts:
    engine = create_engine('sqlite://')
    try:
        with engine.connect() as connection:
            metadata.create_all(connection)
            return _sqlite_parts(connection)
    finally:
        engine.dispose()


def _sqlite_parts(connection: Connection) -> Parts:
    found: Parts = {}
    for kind, table, sql in connection.exec_driver_sql(FIND_SQLITE_PARTS):
        if kind == 'table':
            parsed = parse_table(sql)
            found.setdefault(table, set()).update(map(' '.join, parsed.parts))
            if parsed.options:
                found[table].add(f'options {" ".join(parsed.options)}')
        elif kind == 'index':
            # Alembic and SQLAlchemy do not quote the same names.
            [tokens] = statements_of(sql)
            found.setdefault(table, set()).add(' '.join(tokens))
    return found


def _postgresql_parts(connection: Connection, metadata: MetaData) -> tuple[Parts, Parts]:
    """Return the parts of the database and of the models; the latter in a temporary schema."""
    schema = f'models_{uuid4().hex}'
    connection.execution_options(isolation_level='READ COMMITTED')
    transaction = connection.begin()
    try:
        found = _grouped(connection.execute(FIND_POSTGRESQL_PARTS))
        connection.exec_driver_sql(f'CREATE SCHEMA {schema}')
        # Names of the schema are printed without it.
        connection.exec_driver_sql(f'SET LOCAL search_path = {schema}')
        connection.execution_options(schema_translate_map={None: schema})
        metadata.create_all(connection)
        wanted = _grouped(connection.execute(FIND_POSTGRESQL_PARTS))
    finally:
        # Without a commit, this also deletes the schema.
        transaction.close()
        connection.execution_options(schema_translate_map=None)
    return found, wanted


def _grouped(rows: Iterable[Row[str, str]]) -> Parts:
    found: Parts = {}
    for table, part in rows:
        found.setdefault(table, set()).add(part)
    return found
