"""What moves from one storage to another, and what does not."""

import pytest

from project.core.storage import FallbackStorage, LocalStorage, copy_all
from tests.storage_io import contents, put


@pytest.fixture
def source(tmp_path):
    """A storage that has something."""
    source = LocalStorage(tmp_path / 'source')
    put(source, 'ab/1', b'one')
    put(source, 'ab/2', b'two')
    return source


class Damaging(LocalStorage):
    """A storage that keeps other bytes than it was given."""

    def prepare(self, path, key):
        path.write_bytes(b'other')
        super().prepare(path, key)


class RecordingSource(LocalStorage):
    """A storage from which somebody removes whatever was just seen there."""

    def open(self, key):
        self.delete(key)
        return super().open(key)


class TestMove:
    def test_keeps_nothing_that_arrived_damaged(self, source, tmp_path):
        target = Damaging(tmp_path / 'target')

        assert {moved.outcome for moved in copy_all(source, target)} == {'failed'}
        assert contents(target) == {}

    def test_passes_over_what_is_deleted_before_it_is_copied(self, source, tmp_path):
        target = LocalStorage(tmp_path / 'target')

        assert list(copy_all(RecordingSource(source.root), target)) == []
        assert contents(target) == {}

    def test_brings_again_what_has_another_size_there(self, source, tmp_path):
        target = LocalStorage(tmp_path / 'target')
        put(target, 'ab/1', b'on')

        assert [moved.outcome for moved in copy_all(source, target)] == ['moved', 'moved']
        assert contents(target) == contents(source)

    def test_leaves_what_has_no_key_yet(self, source, tmp_path):
        target = LocalStorage(tmp_path / 'target')
        source.partial_folder.mkdir()
        (source.partial_folder / 'piece').touch()

        with source.create_staged() as staged:
            staged.write(b'on its way')
            moved = {each.key for each in copy_all(source, target)}

        assert moved == {'ab/1', 'ab/2'}


class TestPathForProxy:
    def test_is_the_key_where_the_proxy_sees_the_folder(self, source):
        assert source.path_for_proxy('ab/1') == 'ab/1'

    def test_is_none_of_what_still_lies_in_the_storage_before(self, source, tmp_path):
        new = LocalStorage(tmp_path / 'target')
        put(new, 'ab/1', b'moved')
        both = FallbackStorage(new, source)

        assert both.path_for_proxy('ab/1') == 'ab/1'
        assert both.path_for_proxy('ab/2') is None
