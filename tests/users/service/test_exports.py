"""Service: request, make, open and delete exports of personal data."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from zipfile import ZipFile

import pytest
from sqlalchemy import select, update

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.semaphore import SlotUnavailable
from project.core.storage import storage
from project.core.tasks.outbox import DEAD, OutboxTask
from project.users import service
from project.users.errors import ExportNotFound, ExportNotReady, ExportUnderWay
from project.users.models import Export
from project.users.personal_data import ExportFile, PersonalData
from project.users.service import get_export, open_export, request_export
from project.users.service.exports import (
    delete_expired_exports,
    export_slot,
    make_export,
)
from tests.concurrency import run_concurrently, separate_app
from tests.kit.tasks import run_pending_tasks
from tests.object_sizes import collect_released, sizes_in_storage
from tests.users.factories import UserFactory


def stored_ids():
    """Return the ids of the exports that have an object in the storage."""
    return {listed.name.split('/')[1] for listed in storage().iterate_names('exports')}


def backdate(export_id, by):
    """Move all times of an export back by a timedelta."""
    with atomic():
        export = db.session.get(Export, export_id)
        export.created_at -= by
        export.expires_at -= by


class TestRequestExport:
    def test_creates_an_export_and_notifies_the_user(self, app, user, mailbox):
        export = request_export(user.id)
        assert (export.state, export.size) == ('pending', None)

        (mail,) = mailbox()

        made = get_export(user.id, export.id)
        assert made.state == 'ready'
        assert [made.size] == list(sizes_in_storage().values())
        assert (mail['To'], mail['Subject']) == ('ada@example.com', 'Your data is ready')

    def test_keeps_an_export_for_seven_days_after_it_is_ready(self, app, user):
        export = request_export(user.id)
        backdate(export.id, timedelta(days=6))

        run_pending_tasks(app)

        remaining = get_export(user.id, export.id).expires_at - now()
        assert timedelta(days=6, hours=23) < remaining <= timedelta(days=7)

    def test_rejects_a_second_request_while_the_first_is_pending(self, app, user):
        request_export(user.id)

        with pytest.raises(ExportUnderWay):
            request_export(user.id)

        run_pending_tasks(app)
        assert request_export(user.id).state == 'pending'

    def test_replaces_the_previous_export_once_the_new_one_is_ready(self, app, user):
        first, other = request_export(user.id), request_export(UserFactory().id)
        run_pending_tasks(app)
        second = request_export(user.id)
        assert get_export(user.id, first.id).state == 'ready'

        run_pending_tasks(app)

        with pytest.raises(ExportNotFound):
            get_export(user.id, first.id)
        collect_released()
        assert stored_ids() == {second.id.hex, other.id.hex}

    def test_accepts_a_request_after_a_failed_one(self, user):
        export = request_export(user.id)
        with atomic():
            db.session.execute(update(OutboxTask).values(state=DEAD, available_at=None))

        assert get_export(user.id, export.id).state == 'failed'
        with pytest.raises(ExportNotReady):
            open_export(user.id, export.id)
        assert request_export(user.id).state == 'pending'

    def test_accepts_one_of_concurrent_requests(self, tmp_path):
        with separate_app(tmp_path) as app:
            ada = service.create_user(username='ada', email='ada@example.com')
            calls = [lambda: request_export(ada.id)] * 4

            found = run_concurrently(app, *calls)

            assert sum(isinstance(each, ExportUnderWay) for each in found) == 3


class TestMakeExport:
    def test_has_no_effect_in_a_second_run(self, app, user, mailbox):
        export = request_export(user.id)
        assert len(mailbox()) == 1
        before = get_export(user.id, export.id)

        make_export(str(export.id), user.id)

        assert get_export(user.id, export.id) == before
        assert len(mailbox()) == 1

    def test_stores_nothing_if_the_user_is_deleted_during_the_export(self, app, user, monkeypatch):
        export = request_export(user.id)
        late = PersonalData('late', {}, lambda _: _deleting(user.id), lambda _: None)
        monkeypatch.setattr('project.users.service.exports.personal_data_registry', lambda: [late])

        make_export(str(export.id), user.id)

        run_pending_tasks(app)
        assert stored_ids() == set()

    def test_stores_nothing_if_the_user_is_disabled_during_the_export(self, app, user, monkeypatch):
        export = request_export(user.id)
        late = PersonalData('late', {}, lambda _: _disabling(user.id), lambda _: None)
        monkeypatch.setattr('project.users.service.exports.personal_data_registry', lambda: [late])

        make_export(str(export.id), user.id)

        with pytest.raises(ExportNotFound):
            get_export(user.id, export.id)
        assert stored_ids() == set()

    def test_raises_slot_unavailable_while_another_export_is_made(self, app, user):
        export = request_export(user.id)
        with export_slot.acquire(1, timeout=0), pytest.raises(SlotUnavailable):
            make_export(str(export.id), user.id)

        assert get_export(user.id, export.id).state == 'pending'

    def test_gives_each_entry_the_time_of_its_content(self, app, user, monkeypatch):
        moment = datetime(2026, 7, 1, 12, 34, 56, tzinfo=UTC)
        part = ExportFile('old/a', [b'a' * 100], is_packed=True, modified_at=moment)
        old = PersonalData('old', {}, lambda _: [part], print)
        monkeypatch.setattr('project.users.service.exports.personal_data_registry', lambda: [old])
        export = request_export(user.id)

        run_pending_tasks(app)

        with closing(open_export(user.id, export.id)[1]) as stream, ZipFile(stream) as archive:
            [entry] = archive.infolist()
            assert archive.read(entry) == b'a' * 100
        assert entry.date_time == (2026, 7, 1, 12, 34, 56)

    def test_streams_large_parts_to_the_disk(self, app, user, monkeypatch):
        taken = []

        def blocks():
            for _ in range(64):
                taken.append(storage_size())
                yield bytes(1024 * 1024)

        def storage_size():
            return sum(path.stat().st_size for path in (storage().root / 'incoming').iterdir())

        large = PersonalData(
            'large', {}, lambda _: [ExportFile('large/zeros', blocks(), True)], print
        )
        monkeypatch.setattr('project.users.service.exports.personal_data_registry', lambda: [large])
        export = request_export(user.id)

        run_pending_tasks(app)

        assert get_export(user.id, export.id).size > 64 * 1024 * 1024
        # Each block was in the staging file before the next block was generated.
        assert taken[-1] >= 62 * 1024 * 1024


def _deleting(user_id):
    service.delete_user(user_id)
    yield ExportFile('late/nothing', [])


def _disabling(user_id):
    service.disable_user(user_id)
    yield ExportFile('late/nothing', [])


class TestDeleteExpiredExports:
    def test_deletes_expired_exports_and_their_objects(self, app, user):
        export, other = request_export(user.id), UserFactory()
        staying = request_export(other.id)
        run_pending_tasks(app)
        backdate(export.id, timedelta(days=7))

        with pytest.raises(ExportNotFound):
            get_export(user.id, export.id)
        delete_expired_exports()
        collect_released()

        assert stored_ids() == {staying.id.hex}
        assert db.session.scalars(select(Export.id)).all() == [staying.id]


class TestDeleteUser:
    def test_deletes_the_exports_of_the_user(self, app, user):
        request_export(user.id)
        run_pending_tasks(app)
        assert len(stored_ids()) == 1

        service.delete_user(user.id)

        collect_released()
        assert stored_ids() == set()
