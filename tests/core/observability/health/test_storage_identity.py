"""Identification of the storage: its marker shows that it belongs to this database."""

import shutil
from uuid import uuid4

import pytest
from sqlalchemy import delete

from project.core.database.session import atomic, db
from project.core.database.shared_values import SharedValue
from project.core.errors import ServiceUnavailable
from project.core.observability.health.checks import check_storage
from project.core.storage import storage
from project.core.storage.marker import storage_samples
from tests.databases import create_tables


@pytest.fixture
def start(kernel, tmp_path):
    """Return a function that creates an application, as a new process of the service does.

    It returns the application context. All of these applications use the same database.
    """

    def context(name='storage', **settings):
        file = tmp_path / 'db'
        settings = {'STORAGE_URL': f'file://{tmp_path}/{name}', 'STRICT': True, **settings}
        app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{file}', **settings)
        if not file.exists():
            with app.app_context():
                create_tables()
        return app.app_context()

    return context


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'storage'


def state():
    """Return the result of the storage check for the current application."""
    return check_storage().state


def store(key='blobs/aa'):
    """Store an object in the current storage."""
    with storage().create_staged() as staged:
        staged.write(b'content')
        staged.prepare(key)
        staged.save(key)


def markers(folder):
    """Return the names of the markers in a storage folder."""
    return [path.name for path in (folder / 'marker').iterdir()]


class TestIdentifyStorage:
    def test_marks_an_empty_storage_once(self, start, folder):
        with start():
            assert [state(), state()] == ['ok', 'ok']
        found = markers(folder)
        with start():
            assert state() == 'ok'

        assert len(found) == 1
        assert markers(folder) == found

    def test_marks_a_storage_that_is_older_than_markers(self, start, folder, monkeypatch):
        monkeypatch.setattr(
            storage_samples, 'values', {'blobs': lambda: ['blobs/gone', 'blobs/aa']}
        )
        (folder / 'blobs').mkdir(parents=True)
        (folder / 'blobs' / 'aa').touch()
        with start():
            assert state() == 'ok'
            assert len(markers(folder)) == 1

    def test_does_not_mark_a_storage_whose_objects_are_unknown(self, start, folder):
        """No row refers to these objects, so garbage collection would delete all of them."""
        (folder / 'avatars' / 'aa').mkdir(parents=True)
        (folder / 'avatars' / 'aa' / 'bb').touch()

        with start(STRICT=True):
            assert state() == 'foreign'
            with pytest.raises(ServiceUnavailable):
                storage().create_staged()
        with start(STRICT=False):
            assert state() == 'ok'

    def test_does_not_mark_a_folder_without_any_known_object(self, start, folder, monkeypatch):
        monkeypatch.setattr(storage_samples, 'values', {'blobs': lambda: ['blobs/aa']})

        with start():
            assert state() == 'missing'

        assert not folder.exists()

    def test_is_missing_in_an_empty_folder_and_ok_when_the_volume_is_back(self, start, folder):
        with start():
            assert state() == 'ok'
            folder.rename(folder.with_name('volume'))
            assert state() == 'missing'
        with start():
            assert state() == 'missing'
            assert not folder.exists()
            folder.with_name('volume').rename(folder)
            assert state() == 'ok'

    def test_is_foreign_when_another_storage_is_mounted(self, start, folder):
        with start():
            assert state() == 'ok'
            shutil.rmtree(folder)
            (folder / 'marker').mkdir(parents=True)
            (folder / 'marker' / uuid4().hex).touch()

            assert state() == 'foreign'

    @pytest.mark.parametrize(('strict', 'found'), [(True, 'foreign'), (False, 'ok')])
    def test_rejects_the_storage_of_another_database_in_production(
        self, start, folder, strict, found
    ):
        (folder / 'marker').mkdir(parents=True)
        (folder / 'marker' / uuid4().hex).touch()

        with start(STRICT=strict):
            assert state() == found

    def test_accepts_a_storage_after_an_operator_creates_the_marker(self, start, folder):
        with start():
            assert state() == 'ok'
            [marker] = markers(folder)
            shutil.rmtree(folder)
            key = check_storage().reason.split()[2].rstrip(':')
            assert key == f'marker/{marker}'
            (folder / 'marker').mkdir(parents=True)
            (folder / key).touch()

            assert state() == 'ok'

    def test_is_missing_at_a_new_url_unless_the_old_url_is_configured(
        self, start, tmp_path, folder, monkeypatch
    ):
        with start():
            assert state() == 'ok'
            store('blobs/aa')
        monkeypatch.setattr(storage_samples, 'values', {'blobs': lambda: ['blobs/aa']})
        with start('new'):
            assert state() == 'missing'
        with start('new', STORAGE_OLD_URL=f'file://{folder}'):
            assert state() == 'ok'
        with start('new'):
            assert state() == 'ok'

        assert markers(tmp_path / 'new') == markers(folder)

    def test_is_ok_at_a_new_url_if_no_object_was_stored(self, start):
        """The URL may change as long as the storage is empty: the first one may be misspelt."""
        with start('storag'):
            assert state() == 'ok'

        with start('storage'):
            assert state() == 'ok'

    def test_is_ok_at_a_new_url_after_all_objects_were_copied(self, start, tmp_path, folder):
        with start():
            assert state() == 'ok'
        shutil.copytree(folder, tmp_path / 'new')

        with start('new'):
            assert state() == 'ok'

    def test_runs_no_query_when_the_marker_is_known(self, start, monkeypatch):
        with start():
            assert state() == 'ok'
            with atomic():
                db.session.execute(delete(SharedValue))

            assert state() == 'ok'

    def test_is_ok_when_the_database_does_not_respond(self, kernel):
        app = kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')

        with app.app_context():
            assert state() == 'ok'


class TestFindMarker:
    def test_makes_a_new_process_reject_objects_when_the_volume_is_missing(self, start, folder):
        with start():
            assert state() == 'ok'
        shutil.rmtree(folder)

        with start(), pytest.raises(ServiceUnavailable, match='mount the volume'):
            storage().create_staged()

        assert not folder.exists()

    def test_accepts_objects_before_a_marker_exists(self, start, folder):
        with start():
            store()

        assert (folder / 'blobs' / 'aa').read_bytes() == b'content'
