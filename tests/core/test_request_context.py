"""Where the work at hand comes from."""

from contextvars import Context

from project.core.request_context import NOWHERE, Origin, current_origin, set_origin


class TestCurrentOrigin:
    def test_is_nowhere_until_somebody_says(self):
        assert Context().run(current_origin) is NOWHERE
        assert NOWHERE.request_id == '-'


class TestSetOrigin:
    def test_is_known_to_what_runs_in_the_same_context_alone(self):
        def work():
            set_origin(Origin('abc', '192.0.2.1', 'curl'))
            return current_origin()

        assert Context().run(work) == Origin('abc', '192.0.2.1', 'curl')
        assert Context().run(current_origin) is NOWHERE
