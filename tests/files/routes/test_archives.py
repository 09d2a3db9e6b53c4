"""HTTP: download several files as one ZIP archive."""

from io import BytesIO
from uuid import uuid4
from zipfile import ZipFile

import pytest

from project.core.errors import ServiceUnavailable
from project.core.storage import storage
from project.files import blobs, service
from tests.client import reasons
from tests.files.file_io import store
from tests.users.factories import UserFactory

URL = '/api/v1/files/archives'


def ask(client, *file_ids):
    """Ask for an archive, and read it to its end."""
    return client.post(URL, json={'ids': [str(each) for each in file_ids]}, buffered=True)


def unpacked(response):
    """Return what is in an archive, by name, having checked it."""
    with ZipFile(BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


class TestArchiveCreate:
    def test_has_the_files_under_their_names(self, client, ada):
        files = [store(ada.id, b'One.', name='one.txt'), store(ada.id, b'', name='Größe 1.txt')]

        response = ask(client, *(file.id for file in files))

        assert response.status_code == 200
        assert response.mimetype == 'application/zip'
        assert response.headers['Content-Disposition'] == 'attachment; filename="files.zip"'
        assert 'sandbox' in response.headers['Content-Security-Policy']
        assert unpacked(response) == {'one.txt': b'One.', 'Größe 1.txt': b''}

    def test_says_how_long_it_is(self, client, ada):
        response = ask(client, store(ada.id, b'x' * 100_000).id, store(ada.id, b'y', name='ü').id)

        assert response.content_length == len(response.data)

    def test_numbers_what_has_the_same_name(self, client, ada):
        contents = {'a.txt': b'1', 'A.TXT': b'2', 'a (2).txt': b'3', '.rc': b'4'}
        files = [store(ada.id, content, name=name) for name, content in contents.items()]
        files += [store(ada.id, b'5', name='a.txt'), store(ada.id, b'6', name='.rc')]

        found = unpacked(ask(client, *(file.id for file in files)))

        assert found == {
            'a.txt': b'1', 'A (2).TXT': b'2', 'a (2) (2).txt': b'3', '.rc': b'4',
            'a (3).txt': b'5', '.rc (2)': b'6',
        }  # fmt: skip

    def test_has_what_is_asked_for_twice_once(self, client, ada):
        file = store(ada.id, b'One.', name='one.txt')

        assert unpacked(ask(client, file.id, file.id)) == {'one.txt': b'One.'}

    def test_rejects_what_is_not_theirs_or_not_there(self, client, ada):
        mine, theirs = store(ada.id), store(UserFactory().id)
        trashed = store(ada.id)
        service.trash_file(ada.id, trashed.id)

        for other in (theirs.id, trashed.id, uuid4()):
            response = ask(client, mine.id, other)
            assert (response.status_code, set(reasons(response))) == (404, {'file'})

    @pytest.mark.parametrize('ids', [[], ['x'], 'x', None, [None], [str(uuid4())] * 1001])
    def test_rejects_what_names_no_files(self, client, ids):
        response = client.post(URL, json={'ids': ids})

        assert (response.status_code, set(reasons(response))) == (422, {'ids'})

    def test_breaks_off_where_bytes_are_gone_by_then(self, client, ada):
        file = store(ada.id, b'One.')
        storage().delete(blobs.key_of(file.sha256))
        response = client.post(URL, json={'ids': [str(file.id)]})

        # No end, where a shorter archive would look whole.
        with pytest.raises(ServiceUnavailable):
            response.get_data()
