"""Release of stored objects that no row needs, and their deletion after a delay."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.errors import ServiceUnavailable
from project.core.storage import storage
from project.core.stored_objects import (
    collect_released_objects,
    pause_collection,
    release_objects,
    released_objects,
)
from project.core.stored_objects.released_objects import ReleasedObject
from tests.kit.storage import put
from tests.object_sizes import collect_released

KEYS = [f'avatars/{number}' for number in range(5)]


@pytest.fixture
def released():
    """Store objects without a row, and mark them as released."""
    for key in KEYS:
        put(storage(), key, b'bytes')
    with atomic():
        release_objects(KEYS)


def waiting():
    """Return the keys of the released objects that still exist."""
    return set(db.session.scalars(select(ReleasedObject.key)))


class TestReleaseObjects:
    def test_restarts_the_delay(self, released):
        with atomic():
            long_ago = now() - timedelta(hours=1)
            db.session.execute(update(ReleasedObject).values(released_at=long_ago))
            release_objects(KEYS[:1])

        collect_released_objects()

        assert storage().exists(KEYS[0])
        assert waiting() == set(KEYS[:1])


class TestCollectReleasedObjects:
    def test_keeps_objects_for_a_minute(self, released):
        collect_released_objects()

        assert all(map(storage().exists, KEYS))

    def test_deletes_the_others_if_one_cannot_be_deleted(self, released, storage_failing):
        with (
            storage_failing(operations={'delete'}, keys={KEYS[1]}),
            pytest.raises(ServiceUnavailable, match='1 released objects'),
        ):
            collect_released()

        assert [key for key in KEYS if storage().exists(key)] == [KEYS[1]]
        assert waiting() == {KEYS[1]}

    def test_keeps_the_row_of_an_object_that_a_new_pause_keeps(self, released, monkeypatch):
        real = released_objects.collect_object

        def pause_first(key):
            pause_collection(now() + timedelta(hours=1))
            return real(key)

        monkeypatch.setattr(released_objects, 'collect_object', pause_first)
        collect_released()

        assert all(map(storage().exists, KEYS))
        assert waiting() == set(KEYS)

    def test_stops_if_the_storage_fails_and_starts_with_others_the_next_time(
        self, released, storage_failing
    ):
        with storage_failing(operations={'delete'}) as failed:
            with pytest.raises(ServiceUnavailable):
                collect_released()
            with pytest.raises(ServiceUnavailable):
                collect_released_objects()

        assert failed == [f'delete {key}' for key in KEYS]

    def test_raises_for_an_object_of_a_removed_feature_and_deletes_the_others(self, released):
        with atomic():
            release_objects(['gone/1'])

        with pytest.raises(ServiceUnavailable):
            collect_released()

        assert waiting() == {'gone/1'}
        assert not any(map(storage().exists, KEYS))
