"""Values that all processes share in the database, each under a name.

One of them is the write probe: a health check writes it to see whether the database accepts writes.
"""

from datetime import timedelta

import pytest
from sqlalchemy import select

from project.core.clock import now
from project.core.database.session import execute_select
from project.core.database.shared_values import (
    SharedValue,
    find_value,
    has_value_below,
    insert_value,
)
from project.core.database.write_probe import PROBE_BYTES, PROBE_INTERVAL, PROBE_NAME, probe_write


class TestInsertValue:
    def test_keeps_the_first_value_of_a_name(self):
        for value in (b'first', b'second'):
            insert_value('place/here', value)

        assert find_value('place/here') == b'first'
        assert find_value('nothing') is None


class TestHasValueBelow:
    def test_does_not_interpret_wildcards_in_the_prefix(self):
        insert_value('place/here', b'')

        assert has_value_below('place/')
        assert not has_value_below('place_')
        assert not has_value_below('%')


class TestProbeWrite:
    @pytest.fixture
    def probe(self, travel):
        """Return a function that runs the write probe some seconds after the begin of the test.

        It returns the time of the last write, since then, and the bytes that it wrote.
        """
        began = now()

        def run(seconds=0):
            travel(to=began + timedelta(seconds=seconds))
            probe_write()
            statement = select(SharedValue.changed_at, SharedValue.value)
            row = execute_select(statement.where(SharedValue.name == PROBE_NAME)).one()
            return row.changed_at - began, row.value

        return run

    def test_writes_other_bytes_after_the_interval_only(self, probe):
        first, first_bytes = probe()
        second, _ = probe(seconds=5)
        third, third_bytes = probe(seconds=6)

        assert (first, second, third) == (timedelta(), timedelta(), timedelta(seconds=6))
        assert len(first_bytes) == len(third_bytes) == PROBE_BYTES
        assert first_bytes != third_bytes

    def test_writes_after_the_clock_went_back(self, probe):
        probe()

        found, _ = probe(seconds=-PROBE_INTERVAL.total_seconds() - 1)

        assert found == timedelta(seconds=-6)
