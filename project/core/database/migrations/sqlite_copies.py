"""Copies of SQLite tables that keep all properties of the table.

SQLite cannot alter most parts of a table, so Alembic's batch mode creates a new table, copies the
rows, and drops the old one. SQLAlchemy does not reflect all properties, and Alembic loses them:
AUTOINCREMENT with the largest id ever used, collations, unnamed CHECKs, indexes of expressions, and
triggers. The class of this module keeps them.

Alembic uses the class for all migrations as soon as this module is imported.
"""

from typing import Any, NamedTuple

from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import CheckConstraint, Connection, Table

from .sql_tokens import Token, contains, keywords, split, statements_of

FIND_TABLE = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
# An index without a text belongs to a constraint. SQLite has no name of an indexed expression.
FIND_OTHERS = (
    'SELECT sql FROM sqlite_master AS found WHERE tbl_name = ? AND sql IS NOT NULL '
    "AND (type = 'trigger' OR type = 'index' "
    'AND EXISTS (SELECT 1 FROM pragma_index_info(found.name) WHERE name IS NULL))'
)
HAS_SEQUENCES = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"


class TableText(NamedTuple):
    """The statement that creates a table, in parts.

    :param parts: the columns and constraints, each a list of tokens.
    :param options: the tokens after the parentheses.
    """

    parts: list[list[Token]]
    options: list[Token]


class _Kept(NamedTuple):
    """The properties that a copy gets after its rows.

    :param last_id: the largest id ever used, if the table never uses an id again.
    :param statements: the statements that create triggers and indexes.
    """

    last_id: int | None
    statements: list[str]


class CompleteCopyImpl(SQLiteImpl):
    """Alembic's operations on SQLite, whose copies of tables are complete."""

    __dialect__ = 'sqlite'

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Create the operations of a connection."""
        super().__init__(*arguments, **options)
        self._kept: dict[str, _Kept] = {}

    def autogen_column_reflect(
        self, inspector: Any, table: Table, column_info: dict[str, Any]
    ) -> None:
        """Add the properties that SQLAlchemy does not reflect to a reflected table and column."""
        super().autogen_column_reflect(inspector, table, column_info)
        # Alembic inspects a connection, not an engine.
        found = read_table(inspector.bind, table.name)
        if found is None:
            return
        if any(contains(part, 'AUTOINCREMENT') for part in found.parts):
            table.kwargs['sqlite_autoincrement'] = True
        if (collation := _collation_of(column_info['name'], found)) is not None:
            column_info['type'].collation = collation

    def prep_table_for_batch(self, batch_impl: Any, table: Table) -> None:
        """Complete a new table, and read the parts that are added after its rows."""
        super().prep_table_for_batch(batch_impl, table)
        copy = batch_impl.new_table
        if not any(isinstance(each, CheckConstraint) for each in batch_impl.table_args):
            for check in table.constraints:
                if isinstance(check, CheckConstraint) and not check.name:
                    copy.append_constraint(CheckConstraint(check.sqltext))
        connection: Any = self.connection
        rows = connection.exec_driver_sql(FIND_OTHERS, (table.name,)).scalars()
        self._kept[copy.name] = _Kept(_last_id(connection, table.name), [*rows])

    def rename_table(self, old_table_name: Any, new_table_name: Any, schema: Any = None) -> None:
        """Rename a table. If it is a copy, complete it."""
        super().rename_table(old_table_name, new_table_name, schema=schema)
        kept = self._kept.pop(str(old_table_name), None)
        if kept is None:
            return
        connection: Any = self.connection
        if kept.last_id is not None and connection.exec_driver_sql(HAS_SEQUENCES).scalar():
            _set_last_id(connection, str(new_table_name), kept.last_id)
        for statement in kept.statements:
            connection.exec_driver_sql(statement)


def read_table(connection: Connection, name: str) -> TableText | None:
    """Return the statement that creates a table, or None if there is no such table."""
    text = connection.exec_driver_sql(FIND_TABLE, (name,)).scalar()
    return None if text is None else parse_table(text)


def parse_table(text: str) -> TableText:
    """Return the parts of a statement `CREATE TABLE name (…) …`."""
    [tokens] = statements_of(text)
    words = keywords(tokens)
    first, last = words.index('('), len(words) - 1 - words[::-1].index(')')
    return TableText([*split(tokens[first + 1 : last])], tokens[last + 1 :])


def _collation_of(column: str, found: TableText) -> str | None:
    for part in found.parts:
        if part[0].lower() == column.lower() and 'COLLATE' in keywords(part):
            return str(part[keywords(part).index('COLLATE') + 1])
    return None


def _last_id(connection: Connection, name: str) -> int | None:
    """Return the largest id that a table with AUTOINCREMENT ever had, or None."""
    if not connection.exec_driver_sql(HAS_SEQUENCES).scalar():
        return None
    query = 'SELECT seq FROM sqlite_sequence WHERE name = ?'
    return connection.exec_driver_sql(query, (name,)).scalar()


def _set_last_id(connection: Connection, name: str, last_id: int) -> None:
    found = read_table(connection, name)
    if found is None or not any(contains(part, 'AUTOINCREMENT') for part in found.parts):
        return
    connection.exec_driver_sql('DELETE FROM sqlite_sequence WHERE name = ?', (name,))
    connection.exec_driver_sql(
        'INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)', (name, last_id)
    )
