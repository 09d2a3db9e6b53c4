"""Values that all processes share in the database, each under a name.

One of them is the write probe: a health check writes it to see whether the database accepts writes.
"""

from datetime import timedelta

import time_machine
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
    def probe(self, **later):
        """Run the write probe at a later time.

        :returns: the time of the last write, since `began`, and the bytes that it wrote.
        """
        with time_machine.travel(self.began + timedelta(**later), tick=False):
            probe_write()
        statement = select(SharedValue.changed_at, SharedValue.value)
        row = execute_select(statement.where(SharedValue.name == PROBE_NAME)).one()
        return row.changed_at - self.began, row.value

    def setup_method(self):
        self.began = now()

    def test_writes_other_bytes_after_the_interval_only(self):
        first, first_bytes = self.probe()
        second, _ = self.probe(seconds=5)
        third, third_bytes = self.probe(seconds=6)

        assert (first, second, third) == (timedelta(), timedelta(), timedelta(seconds=6))
        assert len(first_bytes) == len(third_bytes) == PROBE_BYTES
        assert first_bytes != third_bytes

    def test_writes_after_the_clock_went_back(self):
        self.probe()

        found, _ = self.probe(seconds=-PROBE_INTERVAL.total_seconds() - 1)

        assert found == timedelta(seconds=-6)
