"""The database schema as SQL, and the newest migrations."""

import sqlite3
from contextlib import closing

from project.core.database.migrations import features
from project.core.database.session import db
from project.core.documents.database_schema import DIALECTS, migration_heads, schema_sql


class TestSchemaSql:
    def test_returns_statements_that_create_all_tables(self):
        with closing(sqlite3.connect(':memory:')) as connection:
            connection.executescript(schema_sql('sqlite'))
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            names = {name for (name,) in found}
        connection.close()

        assert names - {'sqlite_sequence'} == set(db.metadata.tables)

    def test_names_the_types_of_each_dialect(self):
        sql = {name: schema_sql(name) for name in DIALECTS}

        assert 'TIMESTAMP WITH TIME ZONE' in sql['postgresql']
        assert 'TIMESTAMP WITH TIME ZONE' not in sql['sqlite']


class TestMigrationHeads:
    def test_returns_one_revision_of_each_feature_with_tables(self):
        assert [feature for feature, _ in migration_heads()] == sorted(features())
