"""The clock."""

from datetime import UTC, datetime

import time_machine

from project.core.clock import now


class TestNow:
    @time_machine.travel(datetime(2026, 11, 23, 8, 30, tzinfo=UTC), tick=False)
    def test_is_aware_and_in_utc(self):
        assert now() == datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
        assert now().tzinfo is UTC
