"""The thorough checks of `flask doctor`: storage and free space."""

import pytest

from project.core.checks import checks
from project.core.errors import ServiceUnavailable
from project.core.observability.health import inspections
from project.core.observability.health.checks import inspect_storage
from project.core.observability.health.inspections import (
    inspect_free_space,
    round_trip_fault,
    space_finding,
)
from project.core.storage import DiskReserve, LocalStorage, storage


class TestInspectStorage:
    def test_leaves_nothing_behind(self, service):
        with service.app_context():
            [found] = inspect_storage()

            names = [listed.name for listed in storage().iterate_names()]

        assert found.state == 'ok'
        assert [name for name in names if not name.startswith('marker/')] == []

    def test_stores_nothing_in_another_storage(self, service, monkeypatch):
        monkeypatch.setattr(inspections, 'round_trip_fault', pytest.fail)
        with service.app_context():
            assert [found.state for found in inspect_storage()] == ['ok']
            storage().marker = 'marker/other'

            [found] = inspect_storage()

        assert (found.state, found.seen.split(':')[0]) == ('failed', 'foreign')


class Damaged(LocalStorage):
    """A storage with a fault.

    :param fault: `content`, `range`, `stays` or `lost`.
    """

    def __init__(self, root, fault):
        super().__init__(root)
        self.fault = fault

    def save(self, path, key, *, stays=False):
        if self.fault == 'content':
            path.write_bytes(b'other')
        super().save(path, key, stays=stays)
        if self.fault == 'lost':
            self.path(key).unlink()

    def open(self, key):
        found = super().open(key)
        if self.fault == 'range':
            found.seek = lambda _start: 0
        return found

    def exists(self, key):
        return self.fault == 'stays' or super().exists(key)


class TestRoundTripFault:
    @pytest.mark.parametrize(
        ('fault', 'seen'),
        [
            ('content', 'an object has another content than was stored'),
            ('range', 'a range of an object is wrong'),
            ('stays', 'a deleted object still exists'),
        ],
    )
    def test_finds_a_damaged_storage(self, tmp_path, fault, seen):
        assert round_trip_fault(Damaged(tmp_path, fault)) == seen
        assert [path for path in tmp_path.rglob('*') if path.is_file()] == []

    def test_raises_if_an_object_is_lost(self, tmp_path):
        with pytest.raises(ServiceUnavailable):
            round_trip_fault(Damaged(tmp_path, 'lost'))


class TestInspectFreeSpace:
    @pytest.mark.parametrize(
        ('part', 'state'), [(0, 'ok'), (0.1, 'ok'), (0.9, 'warning'), (2, 'failed')]
    )
    def test_compares_with_the_reserve(self, tmp_path, part, state):
        free = DiskReserve(0).measure(tmp_path).bytes
        reserve = DiskReserve(int(free * part), [tmp_path])

        found = space_finding(reserve, tmp_path)

        assert found.state == state
        assert f'{tmp_path}: ' in found.seen

    def test_measures_each_folder(self, service):
        with service.app_context():
            assert len(list(inspect_free_space())) == len({*storage().reserve.folders})


class TestRegistry:
    def test_replaces_the_functions_of_readyz_in_the_doctor_only(self):
        assert checks.values['storage'].inspect is inspect_storage
        assert checks.values['storage'].function is not inspect_storage
