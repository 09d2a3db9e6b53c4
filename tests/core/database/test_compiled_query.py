"""`CompiledQuery`, which calls the database driver directly, without a session.

It must raise the same errors as SQLAlchemy.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import column, select, table
from sqlalchemy.exc import SQLAlchemyError

from project.core.database.compiled_query import CompiledQuery
from project.core.database.session import atomic, db
from project.users.models import USER_BY_USERNAME, User
from tests.databases import create_tables
from tests.kit.queries import record_queries
from tests.separate_app import application
from tests.users.factories import UserFactory


@pytest.fixture(scope='module')
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Yield an application with its own database, which contains one user."""
    with application(tmp_path_factory.mktemp('reading'), 'reading') as app:
        create_tables()
        UserFactory(username='ada')
        db.session.remove()
        yield app


class Name(NamedTuple):
    """A result row with one column, `name`."""

    name: str


class TestAll:
    def test_runs_without_sqlalchemy_and_opens_no_session(self, own: Flask) -> None:
        with own.app_context():
            with record_queries(max=0):
                assert USER_BY_USERNAME.first(username='ada') is not None

            assert not db.session.registry.has()

    def test_sees_writes_of_its_own_transaction(self, own: Flask) -> None:
        def write_and_fail() -> None:
            with atomic():
                db.session.add(User(username='eve', email='e@x.org', email_key='e@x.org'))
                assert USER_BY_USERNAME.first(username='eve') is not None
                raise ZeroDivisionError

        with own.app_context(), pytest.raises(ZeroDivisionError):
            write_and_fail()

        with own.app_context():
            assert USER_BY_USERNAME.first(username='eve') is None

    def test_recovers_from_a_lost_connection(self, own: Flask) -> None:
        with own.app_context():
            USER_BY_USERNAME.first(username='ada')
            if db.engine.dialect.name == 'postgresql':
                with db.engine.connect() as other:
                    other.exec_driver_sql(
                        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
                        'WHERE datname = current_database() AND pid != pg_backend_pid()'
                    )
            found = USER_BY_USERNAME.first(username='ada')

            assert found is not None

    def test_raises_the_errors_of_sqlalchemy(self, own: Flask) -> None:
        query = CompiledQuery(Name, select(column('name')).select_from(table('nothing')))

        with own.app_context(), pytest.raises(SQLAlchemyError):
            query.all()


class TestFirst:
    def test_returns_none_without_a_row(self, own: Flask) -> None:
        with own.app_context():
            assert USER_BY_USERNAME.first(username='nobody') is None


class TestInit:
    def test_raises_for_a_row_with_other_fields(self) -> None:
        with pytest.raises(TypeError, match=r"Name has the fields .*, the columns are \['nmae'\]"):
            CompiledQuery(Name, select(column('nmae')))
