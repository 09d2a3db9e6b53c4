"""Personal data of all features: exports contain it, and the deletion of a user erases it.

A new table about users fails these tests until its feature registers the table.
"""

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
from project.auth.service.credentials.password_resets import send_reset
from project.auth.service.credentials.pins import issue_pin
from project.auth.service.email_changes import send_email_change
from project.auth.service.invitations import send_invitation
from project.core.clock import now
from project.core.database.session import Base, atomic, db
from project.core.deprecated_calls.rows import Call, add_requests
from project.core.idempotency import KeyScope, StoredResponse, store_response
from project.core.tasks import registry
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
from tests.kit.tasks import run_pending_tasks
from tests.list_routes import make_rows
from tests.users.factories import AdminFactory, UserFactory, principal_of

# Names of columns that contain the id of a user, even without a foreign key.
NAMES = {'user_id', 'owner_id', 'subject_id', 'invited_by'}


def tables_about_users(metadata: MetaData) -> set[str]:
    """Return tables that refer to users: by foreign key, by column name or by email address."""
    found = set()
    for table in metadata.sorted_tables:
        keys = {key.column.table.name for key in table.foreign_keys}
        if 'users' in keys or NAMES & set(table.columns.keys()):
            found.add(table.name)
        if 'email_key' in table.columns and table.name != 'users':
            found.add(table.name)
    # Tables that refer to one of these tables also contain data about users.
    for table in metadata.sorted_tables:
        if {key.column.table.name for key in table.foreign_keys} & (found - {'users'}):
            found.add(table.name)
    return found


def registered_tables() -> set[str]:
    """Return the tables that the features have registered as personal data."""
    return {table for feature in personal_data_registry() for table in feature.tables}


class TestPersonalDataRegistry:
    def test_contains_all_tables_about_users(self):
        assert tables_about_users(Base.metadata) - registered_tables() == set()

    def test_contains_existing_tables_only(self):
        assert registered_tables() - set(Base.metadata.tables) == set()

    @pytest.mark.parametrize('column', ['user_id', 'buyer_id', 'subject_id'])
    def test_does_not_contain_a_new_table(self, column):
        metadata = MetaData()
        Table('users', metadata, Column('id', Integer, primary_key=True))
        key = [] if column == 'subject_id' else [ForeignKey('users.id')]
        Table('bills', metadata, Column(column, Integer, *key))

        assert 'bills' in tables_about_users(metadata) - registered_tables()


def count_rows_of_user(user_id: int, key: str) -> dict[str, int]:
    """Return the number of rows about a user in each table."""
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
    """Create a user with at least one row in each table about users."""
    user = account(username='ada', email='ada@example.com', roles=['member', 'admin'])
    asker = principal_of(user)
    # Another person also registers this email address. The invitation follows below.
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
    call = Call('GET /old', now().date(), user.id, '', 'curl')
    add_requests(call, 1, now())
    with atomic():
        scope = KeyScope.of(user.id, 'POST /old', 'one')
        store_response(scope, '', StoredResponse(200, [], b''))
    add_missing_rows(user)
    return user


def add_missing_rows(user: Any) -> None:
    """Add a row about the user to each table that has none, by a factory of the feature.

    So a new feature needs no line in this module.
    """
    counts = count_rows_of_user(user.id, user.email_key)
    models = {str(mapper.local_table): mapper.class_ for mapper in Base.registry.mappers}
    for table in sorted(registered_tables() & set(counts) & set(models)):
        if not counts[table]:
            make_rows('The export', models[table], {}, 1, user)


def exported(user_id: int) -> dict[str, bytes]:
    """Return the files in a user's export, by path."""
    parts = [part for feature in personal_data_registry() for part in feature.export(user_id)]
    found = {}
    for feature in personal_data_registry():
        for part in feature.export(user_id):
            found[part.path] = b''.join(part.chunks)
    assert len(found) == len(parts)
    return found


# Endings of columns that no export contains: secrets and hashes.
SECRETS = (
    '_hmac', '_hash', 'encrypted', 'encrypted_arguments', 'encrypted_response', 'encrypted_secret',
)  # fmt: skip


# Columns that the export contains under the field name of the API.
FIELDS = {
    'auth_sessions.ip_address': 'address', 'auth_sessions.refresh_expires_at': 'lapses_at',
    'auth_sessions.absolute_expires_at': 'ends_at', 'auth_events.ip_address': 'address',
    'auth_events.event_type': 'kind', 'auth_api_keys.prefix': 'hint',
    'files.current_version': 'number', 'files.row_version': 'version',
    'files_uploads.declared_size': 'length', 'files_uploads.tus_metadata': 'described',
}  # fmt: skip

# Columns that only refer to other rows; no export contains them.
LINKS = {'email_key', 'user_id', 'owner_id', 'invited_by', 'device_id'}

# Columns that no export contains, because they have no meaning outside of this service, or are
# exported under another name.
WITHHELD = {
    'users.avatar', 'users.avatar_size', 'users_roles.role', 'users_exports.task_id',
    'users_exports.storage_key', 'files_tags.tag', 'files_tags.file_id', 'files_uploads.lease_id',
    'files_usage.trash_emptied_at', 'files_usage.thumbnail_bytes', 'auth_totp.last_used_timestep',
    'core_idempotency_keys.fingerprint',
}  # fmt: skip


class TestExport:
    def test_contains_all_tables_with_a_path(self):
        user = full_account()

        parts = exported(user.id)

        for feature in personal_data_registry():
            for table, path in feature.tables.items():
                assert path is None or json.loads(parts[path]), f'{table} is not shown'

    def test_contains_no_secret(self):
        """ASVS 15.3.1: an export contains nothing with which a client could authenticate."""
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

    def test_contains_all_other_columns(self):
        user = full_account()
        parts = exported(user.id)

        missing = set()
        for feature in personal_data_registry():
            for name, path in feature.tables.items():
                for column in Base.metadata.tables[name].columns if path else ():
                    known = column.name in LINKS or column.name.endswith(SECRETS)
                    field = FIELDS.get(f'{name}.{column.name}', column.name)
                    if not known and f'"{field}"'.encode() not in parts[path]:
                        missing.add(f'{name}.{column.name}')

        assert missing == WITHHELD


@pytest.fixture
def user():
    """Return a new user."""
    return UserFactory(username='ada', email='ada@example.com')


def opened(user, export_id):
    """Return the ZIP archive of an export."""
    _, stream = open_export(user.id, export_id)
    with stream:
        return ZipFile(io.BytesIO(stream.read()))


class TestMakeExport:
    def test_contains_the_data_of_the_user_only(self, app, user):
        file = FileFactory(owner=user, name='Käse.txt', content=b'bytes', tags=['red'])
        FileFactory(owner=user, name='old.txt', content=b'old', trashed=True)
        FileFactory(content=b'of another')
        export = request_export(user.id)
        run_pending_tasks(app)

        with opened(user, export.id) as archive:
            names = set(archive.namelist())
            files = json.loads(archive.read('files/files.json'))
            content = archive.read(f'files/content/{file.id}/1/Käse.txt')
            user_rows = json.loads(archive.read('users/user.json'))
            assert archive.testzip() is None

        assert content == b'bytes'
        assert {f['name'] for f in files} == {'Käse.txt', 'old.txt'}
        assert {name for name in names if 'content' in name} == {
            f'files/content/{f["id"]}/1/{f["name"]}' for f in files
        }
        assert (user_rows[0]['username'], user_rows[0]['roles']) == ('ada', ['member'])
        assert not any('..' in name or name.startswith('/') for name in names)

    def test_executes_the_same_number_of_statements_for_many_files(self, user, queries):
        def count_statements():
            with queries(max=1000) as statements:
                for part in export_files(user.id):
                    b''.join(part.chunks)
                return len(statements)

        FileFactory(owner=user)
        for_one = count_statements()
        FileFactory.create_batch(5, owner=user)

        assert count_statements() == for_one


class TestMailTasks:
    """Tasks that lead to a mail."""

    def test_name_the_user_whom_they_are_about(self):
        mail_tasks = [task for task in registry._tasks.values.values() if task.queue == 'mail']
        nameless = {
            task.name
            for task in mail_tasks
            if not task.subject_argument and task.function.__module__.startswith('project.')
        }

        # The requests that enqueue these must not look the email address up.
        assert nameless == {'auth.send_reset', 'auth.send_verification'}


class TestDeleteUser:
    def test_deletes_the_user_from_all_tables(self, app):
        """ASVS 14.2.7: personal data is deleted when it is no longer needed."""
        user = full_account()
        before = count_rows_of_user(user.id, email_key(user.email))
        assert {table for table, count in before.items() if not count} == set()

        service.delete_user(user.id)
        run_pending_tasks(app)

        assert set(count_rows_of_user(user.id, email_key(user.email)).values()) == {0}
        assert db.session.scalars(select(Pin.email_key)).all() == []

    def test_deletes_all_waiting_tasks_that_name_the_user(self):
        AdminFactory()
        user = account(username='ada', email='ada@example.com', roles=['member', 'admin'])
        asker = principal_of(user)
        create_key(asker, name='ci', scopes=['files:read'], expires_at=now() + timedelta(days=30))
        request_email_change(asker, 'lovelace@example.com')
        service.create_user(username='eve', email='eve@example.com', invite=True, by=asker)
        invite(asker, email='zoe@example.com')
        # The tasks of three mails with a PIN or code.
        send_reset(user.email)
        send_email_change(user.id)
        send_invitation('zoe@example.com', ['member'], user.id)
        names = select(OutboxTask.name)
        assert set(db.session.scalars(names)) == {
            'auth.invite_users', 'auth.send_email_change', 'auth.send_invitation',
            'auth.send_key_expiry_reminder', 'core.deliver_mail',
        }  # fmt: skip

        service.delete_user(user.id)

        assert db.session.scalars(names).all() == ['users.erase_user']

    def test_cancels_pending_mails_to_the_user(self, mailbox):
        user = account(username='ada')
        create_key(principal_of(user), name='ci', scopes=['files:read'])
        assert db.session.scalar(select(func.count()).select_from(OutboxTask)) == 1

        service.delete_user(user.id)

        assert mailbox() == []
