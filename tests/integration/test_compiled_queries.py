"""Compiled queries of the features: called directly on the driver, they return the same rows.

The comparison is the same query, executed by SQLAlchemy.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from project.auth.models import LIVE_SESSION, SESSIONS_OF_USER
from project.auth.models.accounts import HASHES_FOR_LOGIN, PASSWORD_HASH_OF_USER
from project.auth.rows import ListedSessionRow
from project.core.clock import now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import atomic, db
from project.core.security.tokens import new_token, token_hash
from project.files.models import OWNED_FILE, File
from project.files.service import list_files
from project.users.models import USER_BY_EMAIL, USER_BY_ID, USER_BY_USERNAME, USER_PROFILE, User
from project.users.service import list_users
from tests.auth.factories import CredentialFactory, SessionFactory
from tests.databases import create_tables
from tests.files.factories import FileFactory
from tests.separate_app import application
from tests.users.factories import UserFactory

TOKEN = new_token('pst')


@pytest.fixture(scope='module')
def app_with_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Yield an application whose database contains a row for each compiled query."""
    with application(tmp_path_factory.mktemp('queries'), 'queries') as app:
        create_tables()
        user = UserFactory(username='ada', roles=['member', 'admin'], last_login=now())
        SessionFactory(token=TOKEN, user=user)
        CredentialFactory(user=user)
        FileFactory(owner=user)
        for number in range(5):
            UserFactory(username=f'other{number}')
        db.session.remove()
        yield app


def values_of(user: Any, file: Any) -> list[tuple[CompiledQuery, dict[str, Any]]]:
    """Return all compiled queries of the features, with parameters that find a row."""
    return [
        (USER_BY_ID, {'id': user.id}),
        (USER_BY_USERNAME, {'username': 'ada'}),
        (USER_BY_EMAIL, {'email_key': 'ada@example.com'}),
        (USER_PROFILE, {'username': 'ada'}),
        (LIVE_SESSION, {'token_hash': token_hash(TOKEN), 'moment': now()}),
        (PASSWORD_HASH_OF_USER, {'user_id': user.id}),
        (HASHES_FOR_LOGIN, {'user_id': user.id, 'place': 1}),
        (OWNED_FILE, {'owner_id': user.id, 'id': file.id}),
        (
            CompiledQuery(ListedSessionRow, SESSIONS_OF_USER),
            {'user_id': user.id, 'current': file.id, 'moment': now()},
        ),
    ]


class TestAll:
    def test_returns_the_same_as_sqlalchemy(self, app_with_rows: Flask) -> None:
        with app_with_rows.app_context():
            user = User.find_by_username('ada')
            assert user is not None
            file = db.session.scalars(select(File)).one()
            for query, values in values_of(user, file):
                by_driver = query.all(**values)
                with atomic():
                    by_sqlalchemy = query.all(**values)

                assert len(by_driver) == 1
                assert by_driver == by_sqlalchemy
                assert [type(cell) for cell in by_driver[0]] == [
                    type(cell) for cell in by_sqlalchemy[0]
                ]

    def test_returns_pages_by_the_driver(self, app_with_rows: Flask) -> None:
        with app_with_rows.app_context():
            first = list_users(PageRequest(limit=4, sort='-created_at'))
            second = list_users(PageRequest(limit=4, sort='-created_at', cursor=first.next))
            files = list_files(User.find_by_username('ada').id, PageRequest())  # type: ignore[union-attr]

        names = [row.username for row in (*first.items, *second.items)]
        assert sorted(names) == ['ada', *(f'other{number}' for number in range(5))]
        assert second.next is None
        assert len(files.items) == 1
