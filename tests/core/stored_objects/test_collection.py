"""Garbage collection of stored objects, and its pause for a backup."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest

from project.core.clock import now
from project.core.errors import ServiceUnavailable
from project.core.storage import LocalStorage, storage
from project.core.stored_objects import (
    collect_object,
    collect_storage,
    collection,
    pause_collection,
)
from tests.concurrency import separate_app
from tests.kit.storage import put

KEYS = [f'avatars/{number}' for number in range(5)]
HOUR = timedelta(hours=1)


@pytest.fixture
def objects():
    """Store objects to which no row refers."""
    for key in KEYS:
        put(storage(), key, b'bytes')


def stored():
    """Return the keys whose objects exist."""
    return [key for key in KEYS if storage().exists(key)]


@pytest.fixture
def pause_after_deletion(monkeypatch):
    """Make the garbage collection pause as soon as it has deleted its first object."""
    real = LocalStorage.delete

    def delete(self, key):
        real(self, key)
        collection._set_pause(now() + HOUR)

    monkeypatch.setattr(LocalStorage, 'delete', delete)


@pytest.mark.usefixtures('objects')
class TestCollectObject:
    def test_keeps_the_object_during_a_pause(self):
        pause_collection(now() + HOUR)
        assert not collect_object(KEYS[0])
        assert stored() == KEYS

        pause_collection(now())
        assert collect_object(KEYS[0])
        assert stored() == KEYS[1:]


@pytest.mark.usefixtures('objects')
class TestCollectStorage:
    @pytest.mark.usefixtures('pause_after_deletion')
    def test_stops_within_a_batch_and_examines_it_again_after_the_pause(self):
        assert [found.name for found in collect_storage()] == KEYS[:1]
        assert stored() == KEYS[1:]

        pause_collection(now())
        assert [found.name for found in collect_storage()] == KEYS[1:2]


class TestPauseCollection:
    @pytest.fixture
    def slow_deletion(self, tmp_path, monkeypatch):
        """Begin to delete an object; yield the application and an event that lets it end."""
        begun, may_end = Event(), Event()
        real = LocalStorage.delete

        def delete(self, key):
            begun.set()
            assert may_end.wait(10)
            real(self, key)

        def collect():
            with app.app_context():
                return collect_object(KEYS[0])

        with separate_app(tmp_path) as app, ThreadPoolExecutor(1) as threads:
            put(storage(), KEYS[0], b'bytes')
            monkeypatch.setattr(LocalStorage, 'delete', delete)
            running = threads.submit(collect)
            try:
                assert begun.wait(10)
                yield app, may_end
            finally:
                may_end.set()
            assert running.result() is True

    def test_returns_after_the_end_of_a_running_deletion(self, slow_deletion):
        app, may_end = slow_deletion

        def pause():
            with app.app_context():
                pause_collection(now() + HOUR)
                return storage().exists(KEYS[0])

        with ThreadPoolExecutor(1) as threads:
            pausing = threads.submit(pause)
            with pytest.raises(TimeoutError):
                pausing.result(timeout=0.3)
            may_end.set()

            assert pausing.result(timeout=10) is False

    def test_raises_if_a_deletion_does_not_end(self, monkeypatch):
        monkeypatch.setattr(collection, 'MAX_DELETION_SECONDS', 0.2)
        monkeypatch.setattr(collection, '_is_deleting', lambda: True)

        with pytest.raises(ServiceUnavailable, match='still being deleted'):
            pause_collection(now() + HOUR)

        assert collection.pause_end()
