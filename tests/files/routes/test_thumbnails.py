"""HTTP: request a thumbnail of an image. A task makes it; it is deleted with the image."""

import io
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update

from project.core import images
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.errors import ServiceUnavailable
from project.core.images import ImageDecodingFailed, decoder_slots
from project.core.semaphore import SlotUnavailable
from project.core.storage import storage
from project.core.tasks.outbox import DEAD, OutboxTask
from project.files import service
from project.files.models import Thumbnail
from project.files.service import thumbnails
from project.files.service.thumbnails import make_thumbnail
from project.users import service as users
from tests.core.images.decoders import decode_in_process, disguised
from tests.core.images.sample_images import decoded, encoded, halves, sides
from tests.files.file_io import store
from tests.kit.responses import fails_with
from tests.kit.tasks import run_pending_tasks, run_tasks_later
from tests.object_sizes import collect_released
from tests.users.factories import UserFactory

URL = '/api/v1/files'
PICTURE = encoded(halves(400, 200), 'JPEG').getvalue()


@pytest.fixture(autouse=True)
def free_decoders(app, monkeypatch):
    """Allow 64 concurrent decoders, so that parallel test runs do not wait for each other."""
    monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 64)
    decode_in_process(monkeypatch)


@pytest.fixture
def image(ada):
    """A file of Ada that is an image."""
    return store(ada.id, PICTURE)


def show(client, file_id, size=None):
    """Request the thumbnail of a file."""
    query = {'size': size} if size else None
    return client.get(f'{URL}/{file_id}/thumbnail', query_string=query, buffered=True)


def pending():
    """Return the owner and the number of attempts of each enqueued task."""
    return db.session.execute(select(OutboxTask.owner_id, OutboxTask.attempts)).all()


def kept():
    """Return the number of thumbnails in the storage."""
    return len([p for p in (storage().root / 'thumbnails').rglob('*') if p.is_file()])


class TestThumbnailShow:
    def test_rejects_a_file_larger_than_any_readable_image(self, client, image, monkeypatch):
        monkeypatch.setattr(thumbnails, 'MAX_THUMBNAIL_SOURCE_BYTES', len(PICTURE) - 1)

        response = show(client, image.id)

        fails_with(response, 'type')
        assert db.session.scalars(select(Thumbnail.state)).all() == []

    @pytest.mark.parametrize(
        ('size', 'shown'), [(64, (64, 32)), (None, (256, 128)), (1024, (400, 200))]
    )
    def test_is_made_after_the_first_request(self, app, client, image, size, shown):
        first = show(client, image.id, size)
        assert (first.status_code, first.headers['Retry-After']) == (202, '1')
        assert first.json == {'status': 'success', 'data': None}
        run_pending_tasks(app)

        response = show(client, image.id, size)

        assert (response.status_code, response.mimetype) == (200, 'image/webp')
        made = decoded(response.data)
        assert (made.format, made.size, sides(made)) == ('WEBP', shown, ('red', 'blue'))
        assert response.headers['Cache-Control'] == 'private, no-cache'
        again = client.get(
            f'{URL}/{image.id}/thumbnail', query_string={'size': size or 256},
            headers={'If-None-Match': response.headers['ETag']}, buffered=True,
        )  # fmt: skip
        assert again.status_code == 304

    @pytest.mark.parametrize('content', [b'text', b'%PDF-1.7', b'<svg/>'])
    def test_rejects_other_types_at_once(self, client, ada, content):
        response = show(client, store(ada.id, content).id)

        fails_with(response, 'type')
        assert db.session.scalars(select(OutboxTask.id)).all() == []

    @pytest.mark.parametrize('broken', [PICTURE[:400], b'\x89PNG\r\n\x1a\n' + bytes(99)])
    def test_returns_422_for_an_unreadable_image(self, app, client, ada, broken):
        file = store(ada.id, broken)
        assert show(client, file.id).status_code == 202
        run_pending_tasks(app)

        response = show(client, file.id)

        fails_with(response, 'type')
        # The task has succeeded, so no dead letter is left.
        assert db.session.scalars(select(OutboxTask.id)).all() == []

    def test_returns_503_for_ten_minutes_after_its_task_was_given_up(self, client, image, travel):
        show(client, image.id)
        with atomic():
            dead = {'state': DEAD, 'available_at': None, 'started_at': now()}
            db.session.execute(update(OutboxTask).values(dead))

        response = show(client, image.id)
        assert (response.status_code, response.headers['Retry-After']) == (503, '600')

        with travel(minutes=11):
            assert show(client, image.id).status_code == 202
        assert db.session.scalars(select(OutboxTask.state)).all() == ['waiting']

    def test_is_requested_again_if_an_operator_discarded_its_task(self, app, client, image):
        show(client, image.id)
        with atomic():
            db.session.execute(delete(OutboxTask))

        assert show(client, image.id).status_code == 202
        run_pending_tasks(app)
        assert show(client, image.id).status_code == 200

    def test_enqueues_nothing_for_a_user_with_many_pending(
        self, app, client, ada, image, monkeypatch
    ):
        monkeypatch.setattr(thumbnails, 'MAX_PENDING_THUMBNAILS_PER_USER', 2)
        sizes = ['64', '256', '1024']

        assert [show(client, image.id, size).status_code for size in sizes] == [202] * 3
        assert {row.owner_id for row in pending()} == {ada.id}
        assert len(pending()) == 2

        run_pending_tasks(app)
        assert [show(client, image.id, size).status_code for size in sizes] == [200, 200, 202]

    @pytest.mark.parametrize('size', ['63', '0', '-64', 'large', '100000'])
    def test_rejects_other_sizes(self, client, image, size):
        response = show(client, image.id, size)

        fails_with(response, 'size')

    def test_enqueues_one_task_for_repeated_requests(self, client, image):
        for _ in range(5):
            show(client, image.id)

        assert len(db.session.scalars(select(OutboxTask.id)).all()) == 1

    def test_returns_404_for_other_users(self, as_user, client, image):
        other = as_user()
        for file_id in (image.id, uuid4()):
            response = show(other, file_id)
            fails_with(response, 'file', status=404)

    def test_does_not_reveal_that_another_user_has_the_bytes(self, app, as_user, client, image):
        show(client, image.id)
        run_pending_tasks(app)
        eve = UserFactory()

        response = show(as_user(eve), store(eve.id, PICTURE).id)

        assert response.status_code == 202

    def test_shows_the_newest_version(self, app, client, ada, image):
        show(client, image.id)
        run_pending_tasks(app)
        other = encoded(halves(100, 100), 'PNG')
        service.replace_content(ada.id, image.id, io.BytesIO(other.getvalue()))

        assert show(client, image.id).status_code == 202
        run_pending_tasks(app)
        assert decoded(show(client, image.id).data).size == (100, 100)


class TestMakeThumbnail:
    @pytest.mark.parametrize(
        'failure',
        [ServiceUnavailable('out of memory'), ImageDecodingFailed(), OSError('read-only')],
    )
    def test_stores_no_failure_if_the_image_is_not_at_fault(
        self, app, client, image, monkeypatch, failure
    ):
        def fail(*_, **__):
            raise failure

        show(client, image.id)
        with monkeypatch.context() as patch:
            patch.setattr(thumbnails, 'resize_to_webp', fail)
            run_pending_tasks(app)
        assert [row.attempts for row in pending()] == [1]
        assert show(client, image.id).status_code == 202

        run_tasks_later(app)
        assert show(client, image.id).status_code == 200

    def test_waits_in_the_outbox_while_no_decoder_is_free(self, app, client, image, monkeypatch):
        monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 1)
        show(client, image.id)

        with decoder_slots.acquire(1, timeout=30):
            assert run_pending_tasks(app) == 0
            with pytest.raises(SlotUnavailable):
                make_thumbnail(str(image.id), 1, 256)

        assert [row.attempts for row in pending()] == [0]

    def test_replaces_the_thumbnail_in_a_second_run(self, app, client, image):
        show(client, image.id)
        run_pending_tasks(app)
        before = show(client, image.id)

        make_thumbnail(str(image.id), 1, 256)

        after = show(client, image.id)
        assert after.status_code == 200
        # Another version of the image library makes other bytes.
        assert after.headers['ETag'] != before.headers['ETag']
        collect_released()
        assert kept() == 1

    def test_is_retried_after_a_decoder_failed(self, app, client, image, monkeypatch, tmp_path):
        show(client, image.id)
        with monkeypatch.context() as once:
            once.setattr(images, 'DECODER', disguised(tmp_path, 'raise MemoryError'))
            run_pending_tasks(app)
        assert show(client, image.id).status_code == 202

        run_tasks_later(app)

        assert show(client, image.id).status_code == 200

    def test_leaves_nothing_if_the_file_is_deleted_during_the_task(
        self, app, client, ada, image, monkeypatch
    ):
        show(client, image.id)
        real = service.thumbnails.create_object

        def gone():
            service.delete_file(ada.id, image.id)
            return real()

        monkeypatch.setattr('project.files.service.thumbnails.create_object', gone)
        make_thumbnail(str(image.id), 1, 256)

        assert kept() == 0


class TestThumbnailsOfAnEarlierRelease:
    def test_are_made_again_without_a_key(self, app, client, image):
        show(client, image.id)
        run_pending_tasks(app)
        with atomic():
            db.session.execute(update(Thumbnail).values(storage_key=None, size=None))

        assert show(client, image.id).status_code == 202
        run_pending_tasks(app)
        assert show(client, image.id).status_code == 200
        kinds = {fault.kind for fault in service.check_integrity() if fault}
        assert 'thumbnail' not in kinds


class TestThumbnailDeletion:
    @pytest.mark.parametrize('how', ['file', 'trash', 'user', 'version'])
    def test_deletes_the_row_and_the_object(self, app, client, ada, image, monkeypatch, how):
        show(client, image.id)
        run_pending_tasks(app)
        assert kept() == 1
        if how == 'file':
            service.delete_file(ada.id, image.id)
        elif how == 'trash':
            service.trash_file(ada.id, image.id)
            service.empty_trash(ada.id)
        elif how == 'user':
            users.delete_user(ada.id)
        else:
            monkeypatch.setitem(app.config, 'FILES_VERSIONS_KEPT', 1)
            service.replace_content(ada.id, image.id, io.BytesIO(b'text'))

        run_pending_tasks(app)
        # A deleted thumbnail stays in the storage for a minute: another request may be about to
        # open it.
        assert kept() == 1
        collect_released()
        assert kept() == 0
        assert db.session.scalars(select(Thumbnail.state)).all() == []
