"""The database schema of all models as SQL, and the newest migration of each feature."""

from collections.abc import Iterator

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from project.core.database.migrations.folders import heads_by_feature, script_directory
from project.core.database.session import db

DIALECTS: dict[str, type[Dialect]] = {
    'postgresql': postgresql.dialect,
    'sqlite': sqlite.dialect,
}


def schema_sql(name: str) -> str:
    """Return the statements that create all tables. The same models always give the same text.

    :param name: the name of a dialect in `DIALECTS`.
    """
    title = f'-- The tables and indexes of all models, for {name}.\n'
    return '\n'.join([title, *_statements(DIALECTS[name]())])


def _statements(dialect: Dialect) -> Iterator[str]:
    for table in db.metadata.sorted_tables:
        yield f'{_sql(CreateTable(table), dialect)};\n'
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield f'{_sql(CreateIndex(index), dialect)};\n'


def _sql(statement: CreateTable | CreateIndex, dialect: Dialect) -> str:
    lines = str(statement.compile(dialect=dialect)).strip().splitlines()
    return '\n'.join(line.rstrip().replace('\t', '    ') for line in lines)


def migration_heads() -> list[tuple[str, str]]:
    """Return feature and revision of the newest migrations, sorted.

    A feature has several of them only until its branches are merged.
    """
    heads = heads_by_feature(script_directory())
    return sorted((name, each.revision) for name, found in heads.items() for each in found)
