"""Copying of all objects from one storage to another."""

import pytest

from project.core.storage import FallbackStorage, LocalStorage, copy_all
from tests.kit.storage import contents, put


@pytest.fixture
def source(tmp_path):
    """Return a storage with two objects."""
    source = LocalStorage(tmp_path / 'source')
    put(source, 'ab/1', b'one')
    put(source, 'ab/2', b'two')
    return source


class Damaging(LocalStorage):
    """A target storage that stores other bytes than it receives."""

    def prepare(self, path, key):
        path.write_bytes(b'other')
        super().prepare(path, key)


class VanishingSource(LocalStorage):
    """A source storage in which another process deletes each object before it is opened."""

    def open(self, key):
        self.delete(key)
        return super().open(key)


class TestCopyAll:
    def test_deletes_damaged_copies(self, source, tmp_path):
        target = Damaging(tmp_path / 'target')

        assert {moved.outcome for moved in copy_all(source, target)} == {'failed'}
        assert contents(target) == {}

    def test_skips_objects_that_are_deleted_before_they_are_copied(self, source, tmp_path):
        target = LocalStorage(tmp_path / 'target')

        assert list(copy_all(VanishingSource(source.root), target)) == []
        assert contents(target) == {}

    def test_copies_objects_again_whose_size_differs(self, source, tmp_path):
        target = LocalStorage(tmp_path / 'target')
        put(target, 'ab/1', b'on')

        assert [moved.outcome for moved in copy_all(source, target)] == ['moved', 'moved']
        assert contents(target) == contents(source)

    def test_ignores_staging_files_and_partial_uploads(self, source, tmp_path):
        target = LocalStorage(tmp_path / 'target')
        source.partial_folder.mkdir()
        (source.partial_folder / 'piece').touch()

        with source.create_staged() as staged:
            staged.write(b'on its way')
            moved = {each.key for each in copy_all(source, target)}

        assert moved == {'ab/1', 'ab/2'}


class TestPathForProxy:
    def test_returns_the_key_in_local_storage(self, source):
        assert source.path_for_proxy('ab/1') == 'ab/1'

    def test_returns_none_for_an_object_in_the_old_storage(self, source, tmp_path):
        new = LocalStorage(tmp_path / 'target')
        put(new, 'ab/1', b'moved')
        both = FallbackStorage(new, source)

        assert both.path_for_proxy('ab/1') == 'ab/1'
        assert both.path_for_proxy('ab/2') is None
