"""Personal data of all features: exports contain it, and deleting a user erases it."""

import io
import json
import re
from datetime import timedelta
from typing import Any
from zipfile import ZipFile

import pyotp
import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, func, select

from project.auth.models import Invitation, Pin
from project.auth.service import (
    confirm_totp,
    create_key,
    invite,
    log_in,
    register,
    request_email_change,
    start_totp_enrolment,
)
from project.auth.service.credentials.pins import issue_pin
from project.auth.service.email_changes import send_email_change
from project.auth.service.invitations import send_invitation
from project.core.clock import now
from project.core.database.session import Base, atomic, db
from project.core.tasks.outbox import OutboxTask
from project.files.models import Upload
from project.files.service import create_link
from project.files.service.personal_data import export_files
from project.users import service
from project.users.models import Export, email_key
from project.users.personal_data import personal_data_registry
from project.users.service import open_export, request_export
from tests.auth.factories import PASSWORD, account
from tests.files.factories import FileFactory
from tests.pending_tasks import run_pending_tasks
from tests.users.factories import AdminFactory, UserFactory, principal_of

# By these names a table refers to a user where no foreign key says so.
NAMES = {'user_id', 'owner_id', 'subject_id', 'invited_by'}


def about_users(metadata: MetaData) -> set[str]:
    """Return the tables in which users occur: by a foreign key, a name, or their address."""
    found = set()
    for table in metadata.sorted_tables:
        keys = {key.column.table.name for key in table.foreign_keys}
        if 'users' in keys or NAMES & set(table.columns.keys()):
            found.add(table.name)
        if 'email_key' in table.columns and table.name != 'users':
            found.add(table.name)
    # What hangs on one of these goes with it.
    for table in metadata.sorted_tables:
        if {key.column.table.name for key in table.foreign_keys} & (found - {'users'}):
            found.add(table.name)
    return found


def named() -> set[str]:
    """Return the tables that features have named."""
    return {table for holding in personal_data_registry() for table in holding.tables}


class TestHolds:
    def test_names_every_table_in_which_users_occur(self):
        assert about_users(Base.metadata) - named() == set()

    def test_names_no_table_that_is_not_there(self):
        assert named() - set(Base.metadata.tables) == set()

    @pytest.mark.parametrize('column', ['user_id', 'buyer_id', 'subject_id'])
    def test_would_be_missed_on_a_new_table(self, column):
        metadata = MetaData()
        Table('users', metadata, Column('id', Integer, primary_key=True))
        key = [] if column == 'subject_id' else [ForeignKey('users.id')]
        Table('bills', metadata, Column(column, Integer, *key))

        assert 'bills' in about_users(metadata) - named()


def traces(user_id: int, key: str) -> dict[str, int]:
    """Return in how many rows of each table a user occurs."""
    found = {}
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if column.name in NAMES]
        columns += [f.parent for f in table.foreign_keys if f.column.table.name == 'users']
        conditions = [column == user_id for column in columns]
        if table.name != 'users' and 'email_key' in table.columns:
            conditions.append(table.c.email_key == key)
        if conditions:
            count = select(func.count()).select_from(table).where(db.or_(*conditions))
            found[table.name] = db.session.scalar(count)
    return found


def full_account() -> Any:
    """Return a user who occurs in every table in which users can."""
    user = account(username='ada', email='ada@example.com', roles=['member', 'admin'])
    asker = principal_of(user)
    # Registered at the address before the account was made otherwise, and invited once more.
    register(username='ada2', email='ada@example.com', password=PASSWORD)
    log_in(user_or_email='ada', password=PASSWORD)
    create_key(asker, name='ci', scopes=['files:read'], expires_at=now() + timedelta(days=30))
    secret = start_totp_enrolment(asker).secret
    confirm_totp(asker, pyotp.TOTP(secret).now())
    request_email_change(asker, 'lovelace@example.com')
    send_email_change(user.id)
    invite(asker, email='eve@example.com')
    send_invitation('eve@example.com', ['member'], user.id)
    invite(principal_of(AdminFactory()), email='ada3@example.com')
    with atomic():
        db.session.add(Export(user_id=user.id, expires_at=now() + timedelta(days=7)))
        issue_pin('password-reset', user.email)
        db.session.add(
            Invitation(
                email='Ada@example.com', email_key='ada@example.com', roles=['member'],
                code_hash=bytes(32), expires_at=now() + timedelta(days=7),
            )
        )  # fmt: skip
    FileFactory(owner=user, tags=['mine'])
    create_link(principal_of(user), FileFactory(owner=user).id)
    with atomic():
        db.session.add(Upload(owner_id=user.id, reserved=1, expires_at=now()))
    return user


def exported(user_id: int) -> dict[str, bytes]:
    """Return all parts of a user's export."""
    parts = [part for holding in personal_data_registry() for part in holding.export(user_id)]
    found = {}
    for holding in personal_data_registry():
        for part in holding.export(user_id):
            found[part.path] = b''.join(part.chunks)
    assert len(found) == len(parts)
    return found


# Columns that are shown to nobody: what opens something, and what only we need to find a row.
SECRETS = ('_hmac', '_hash', 'encrypted', 'encrypted_arguments', 'encrypted_secret')


# Columns that the export shows under the field names of the API.
FIELDS = {
    'auth_sessions.ip_address': 'address', 'auth_sessions.refresh_expires_at': 'lapses_at',
    'auth_sessions.absolute_expires_at': 'ends_at', 'auth_events.ip_address': 'address',
    'auth_events.event_type': 'kind', 'auth_api_keys.prefix': 'hint',
    'files.current_version': 'number', 'files.row_version': 'version',
    'files_uploads.declared_size': 'length', 'files_uploads.tus_metadata': 'described',
}  # fmt: skip

# What only ties rows together.
LINKS = {'email_key', 'user_id', 'owner_id', 'invited_by', 'device_id'}

# Shown under another name, or of no meaning outside of this service.
WITHHELD = {
    'users.avatar', 'users.avatar_size', 'users_roles.role', 'users_exports.task_id',
    'users_exports.storage_key', 'files_tags.tag', 'files_tags.file_id', 'files_uploads.lease_id',
    'files_usage.trash_emptied_at', 'files_usage.thumbnail_bytes', 'auth_totp.last_used_timestep',
}  # fmt: skip


class TestExport:
    def test_shows_every_table_that_is_not_all_secret(self):
        user = full_account()

        parts = exported(user.id)

        for holding in personal_data_registry():
            for table, path in holding.tables.items():
                assert path is None or json.loads(parts[path]), f'{table} is not shown'

    def test_shows_no_secret(self):
        """ASVS 15.3.1: whoever gets hold of an export can open nothing with it."""
        user = full_account()
        secrets = set()
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                if column.name.endswith(SECRETS) and not column.name.startswith('encrypted'):
                    secrets |= set(db.session.scalars(select(column)))
        secrets = {s.hex().encode() if isinstance(s, bytes) else s.encode() for s in secrets if s}
        assert len(secrets) > 10

        parts = exported(user.id)

        for path, content in parts.items():
            assert not [secret for secret in secrets if secret in content], path
            assert not re.search(rb'"\w*(mac|sealed|successor|_hash)"', content), path

    def test_shows_every_other_column(self):
        user = full_account()
        parts = exported(user.id)

        missing = set()
        for holding in personal_data_registry():
            for name, path in holding.tables.items():
                for column in Base.metadata.tables[name].columns if path else ():
                    known = column.name in LINKS or column.name.endswith(SECRETS)
                    field = FIELDS.get(f'{name}.{column.name}', column.name)
                    if not known and f'"{field}"'.encode() not in parts[path]:
                        missing.add(f'{name}.{column.name}')

        assert missing == WITHHELD


@pytest.fixture
def user():
    """Somebody."""
    return UserFactory(username='ada', email='ada@example.com')


def opened(user, export_id):
    """Return the archive."""
    _, stream = open_export(user.id, export_id)
    with stream:
        return ZipFile(io.BytesIO(stream.read()))


class TestMakeExport:
    def test_holds_everything_of_theirs_and_of_nobody_else(self, app, user):
        file = FileFactory(owner=user, name='Käse.txt', content=b'bytes', tags=['red'])
        FileFactory(owner=user, name='old.txt', content=b'old', trashed=True)
        FileFactory(content=b'of another')
        export = request_export(user.id)
        run_pending_tasks(app)

        with opened(user, export.id) as archive:
            names = set(archive.namelist())
            files = json.loads(archive.read('files/files.json'))
            content = archive.read(f'files/content/{file.id}/1/Käse.txt')
            who = json.loads(archive.read('users/user.json'))
            assert archive.testzip() is None

        assert content == b'bytes'
        assert {f['name'] for f in files} == {'Käse.txt', 'old.txt'}
        assert {name for name in names if 'content' in name} == {
            f'files/content/{f["id"]}/1/{f["name"]}' for f in files
        }
        assert (who[0]['username'], who[0]['roles']) == ('ada', ['member'])
        assert not any('..' in name or name.startswith('/') for name in names)

    def test_asks_as_often_for_many_files_as_for_one(self, user, assert_max_queries):
        def asked():
            with assert_max_queries(1000) as statements:
                for part in export_files(user.id):
                    b''.join(part.chunks)
                return len(statements)

        FileFactory(owner=user)
        for_one = asked()
        FileFactory.create_batch(5, owner=user)

        assert asked() == for_one


class TestDeleteUser:
    def test_leaves_a_trace_in_no_table(self, app):
        """ASVS 14.2.7: whoever goes is gone, from every table in which they occurred."""
        user = full_account()
        before = traces(user.id, email_key(user.email))
        assert {table for table, count in before.items() if not count} == set()

        service.delete_user(user.id)
        run_pending_tasks(app)

        assert set(traces(user.id, email_key(user.email)).values()) == {0}
        assert db.session.scalars(select(Pin.email_key)).all() == []

    def test_lets_nothing_be_mailed_to_who_is_gone(self, mailbox):
        user = account(username='ada')
        create_key(principal_of(user), name='ci', scopes=['files:read'])
        assert db.session.scalar(select(func.count()).select_from(OutboxTask)) == 1

        service.delete_user(user.id)

        assert mailbox() == []
