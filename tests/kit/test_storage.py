"""Failures of the storage in the kit: the fixture `storage_failing`."""

import errno

import pytest

from project.core.errors import Conflict, InsufficientStorage, ServiceUnavailable
from project.core.storage import LocalStorage, storage
from tests.kit.storage import contents, put, read

FULL = OSError(errno.ENOSPC, 'No space left on device')


class TestStorageFailing:
    def test_lets_every_operation_fail(self, storage_failing):
        put(storage(), 'ab/1', b'one')

        with storage_failing() as failed:
            for run in (storage().create_staged, lambda: read(storage(), 'ab/1')):
                with pytest.raises(ServiceUnavailable):
                    run()
            with pytest.raises(ServiceUnavailable):
                storage().delete('ab/1')

        assert failed == ['create_staged', 'open ab/1', 'delete ab/1']
        assert contents(storage()) == {'ab/1': b'one'}

    def test_fails_after_some_operations(self, storage_failing):
        with storage_failing(after=3, error=FULL):
            put(storage(), 'ab/1', b'one')  # create_staged, prepare, save
            with pytest.raises(InsufficientStorage):
                put(storage(), 'ab/2', b'two')

        assert contents(storage()) == {'ab/1': b'one'}

    def test_fails_after_some_bytes(self, storage_failing):
        with storage_failing(after_bytes=5, error=FULL) as failed:
            put(storage(), 'ab/1', b'one')
            with storage().create_staged() as staged:
                with pytest.raises(InsufficientStorage):
                    staged.write(b'two')
                assert staged._path.stat().st_size == 2

        assert failed == ['write']

    def test_lets_only_the_given_operations_and_keys_fail(self, storage_failing):
        with storage_failing(operations={'delete'}, keys={'ab/1'}):
            put(storage(), 'ab/1', b'one')
            put(storage(), 'ab/2', b'two')
            storage().delete('ab/2')
            with pytest.raises(ServiceUnavailable):
                storage().delete('ab/1')

    def test_raises_an_error_of_the_api_unchanged(self, storage_failing):
        with storage_failing(error=Conflict('mine')), pytest.raises(Conflict, match='mine'):
            storage().size('ab/1')

    def test_restores_the_storage(self, storage_failing):
        before = storage()
        with storage_failing():
            assert isinstance(storage(), LocalStorage)
            assert storage() is not before

        assert storage() is before

    def test_raises_for_a_wrong_use(self, storage_failing):
        for options, message in (
            ({'after': -1}, 'negative'),
            ({'after_bytes': -1}, 'negative'),
            ({'after': 1, 'after_bytes': 1}, 'not both'),
            ({'operations': {'write'}}, "unknown operation 'write'"),
        ):
            with pytest.raises(ValueError, match=message), storage_failing(**options):
                pass
