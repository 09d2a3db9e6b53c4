"""`flask db reset` on PostgreSQL: sessions of other roles, and tables of other services."""

from functools import partial

import pytest
from sqlalchemy import create_engine, event, inspect

from project.core.database.session import db
from project.core.development.database_reset import delete_everything
from tests.databases import create_tables
from tests.separate_app import application

pytestmark = pytest.mark.servers


@pytest.fixture
def reset(tmp_path):
    """Yield a function that runs `flask db reset --yes` on a database in development."""
    with application(tmp_path, 'reset') as app:
        create_tables()
        app.config['DEVELOPMENT'] = True
        yield lambda: app.test_cli_runner().invoke(args=['db', 'reset', '--yes'])


def set_role(role, connection, _record):
    """Run the statements of a new connection with the privileges of a role."""
    with connection.cursor() as cursor:
        cursor.execute(f'SET ROLE {role}')
    connection.commit()


class TestReset:
    def test_is_rejected_while_another_role_uses_the_database(self, reset):
        role = f'{db.engine.url.database}_role'
        other = create_engine(db.engine.url, isolation_level='AUTOCOMMIT')
        with other.connect() as connection:
            connection.exec_driver_sql(f'CREATE ROLE {role}')
            # Only a superuser sees everything about the sessions of other roles.
            event.listen(db.engine, 'connect', partial(set_role, role))
            try:
                result = reset()
            finally:
                db.engine.dispose()
                connection.exec_driver_sql(f'DROP ROLE {role}')
        other.dispose()

        assert result.exit_code == 1
        assert result.output.strip().endswith(': stop the service first')

    def test_keeps_tables_of_no_feature(self, reset):
        with db.engine.begin() as connection:
            connection.exec_driver_sql('CREATE TABLE zz_invoices (id INTEGER PRIMARY KEY)')
            connection.exec_driver_sql("CREATE TYPE zz_mood AS ENUM ('good')")
            connection.exec_driver_sql('CREATE TABLE alembic_version (version_num VARCHAR(32))')

        assert delete_everything() == ['zz_invoices', 'zz_mood']
        assert inspect(db.engine).get_table_names() == ['zz_invoices']
