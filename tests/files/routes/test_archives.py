"""HTTP: download several files as a ZIP archive."""

from datetime import UTC, datetime
from io import BytesIO
from uuid import uuid4
from zipfile import ZIP_STORED, ZipFile

import pytest
from sqlalchemy import update

from project.core.database.session import atomic, db
from project.core.errors import ServiceUnavailable
from project.core.storage import storage
from project.files import blobs, service
from project.files.models import Blob
from tests.files.file_io import store
from tests.kit.responses import fails_with
from tests.users.factories import UserFactory

URL = '/api/v1/files/archives'


def request_archive(client, *file_ids):
    """Request a ZIP archive of these files and read the whole response."""
    return client.post(URL, json={'ids': [str(each) for each in file_ids]}, buffered=True)


def unpacked(response):
    """Return the contents of a ZIP archive by file name; check the checksums."""
    with ZipFile(BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


class TestArchiveCreate:
    def test_returns_the_files_under_their_names(self, client, ada):
        files = [store(ada.id, b'One.', name='one.txt'), store(ada.id, b'', name='Größe 1.txt')]

        response = request_archive(client, *(file.id for file in files))

        assert response.status_code == 200
        assert response.mimetype == 'application/zip'
        assert response.headers['Content-Disposition'] == 'attachment; filename="files.zip"'
        assert 'sandbox' in response.headers['Content-Security-Policy']
        assert unpacked(response) == {'one.txt': b'One.', 'Größe 1.txt': b''}

    def test_sends_its_content_length(self, client, ada):
        response = request_archive(
            client, store(ada.id, b'x' * 100_000).id, store(ada.id, b'y', name='ü').id
        )

        assert response.content_length == len(response.data)

    def test_numbers_files_of_the_same_name(self, client, ada):
        contents = {'a.txt': b'1', 'A.TXT': b'2', 'a (2).txt': b'3', '.rc': b'4'}
        files = [store(ada.id, content, name=name) for name, content in contents.items()]
        files += [store(ada.id, b'5', name='a.txt'), store(ada.id, b'6', name='.rc')]

        found = unpacked(request_archive(client, *(file.id for file in files)))

        assert found == {
            'a.txt': b'1', 'A (2).TXT': b'2', 'a (2) (2).txt': b'3', '.rc': b'4',
            'a (3).txt': b'5', '.rc (2)': b'6',
        }  # fmt: skip

    def test_gives_each_file_the_time_of_its_content(self, client, ada, travel):
        travel(to=datetime(2026, 7, 1, 12, 34, 56, tzinfo=UTC))
        file = store(ada.id, b'One.', name='one.txt')
        travel(days=3)
        service.update_file(ada.id, file.id, {'name': 'two.txt'})

        with ZipFile(BytesIO(request_archive(client, file.id).data)) as archive:
            [entry] = archive.infolist()
        assert (entry.filename, entry.date_time) == ('two.txt', (2026, 7, 1, 12, 34, 56))

    def test_states_size_and_checksum_before_the_bytes(self, client, ada):
        file = store(ada.id, b'One.', name='one.txt')

        with ZipFile(BytesIO(request_archive(client, file.id).data)) as archive:
            [entry] = archive.infolist()
        assert (entry.compress_type, entry.flag_bits) == (ZIP_STORED, 0)

    def test_contains_blobs_of_earlier_releases_which_have_no_checksum(self, client, ada):
        file = store(ada.id, b'x' * 100_000, name='one.txt')
        with atomic():
            db.session.execute(update(Blob).values(crc32=None))

        response = request_archive(client, file.id)

        assert unpacked(response) == {'one.txt': b'x' * 100_000}
        assert response.content_length == len(response.data)

    def test_contains_a_file_once_if_its_id_is_sent_twice(self, client, ada):
        file = store(ada.id, b'One.', name='one.txt')

        assert unpacked(request_archive(client, file.id, file.id)) == {'one.txt': b'One.'}

    def test_returns_404_for_files_of_others_trash_and_unknown_ids(self, client, ada):
        mine, theirs = store(ada.id), store(UserFactory().id)
        trashed = store(ada.id)
        service.trash_file(ada.id, trashed.id)

        for other in (theirs.id, trashed.id, uuid4()):
            response = request_archive(client, mine.id, other)
            fails_with(response, 'file', status=404)

    @pytest.mark.parametrize('ids', [[], ['x'], 'x', None, [None], [str(uuid4())] * 1001])
    def test_rejects_invalid_ids(self, client, ids):
        response = client.post(URL, json={'ids': ids})

        fails_with(response, 'ids')

    def test_raises_when_bytes_are_missing(self, client, ada):
        file = store(ada.id, b'One.')
        storage().delete(blobs.key_of(file.sha256))
        response = client.post(URL, json={'ids': [str(file.id)]})

        # The response must break off. A shorter archive would look complete to the client.
        with pytest.raises(ServiceUnavailable):
            response.get_data()
