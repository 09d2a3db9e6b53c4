"""Where the work at hand comes from."""

from contextvars import Context

from project.core.request_context import (
    NO_CONTEXT,
    RequestContext,
    current_request_context,
    set_request_context,
)


class TestCurrentRequestContext:
    def test_is_nowhere_until_somebody_says(self):
        assert Context().run(current_request_context) is NO_CONTEXT
        assert NO_CONTEXT.request_id == '-'


class TestSetRequestContext:
    def test_is_known_to_what_runs_in_the_same_context_alone(self):
        def work():
            set_request_context(RequestContext('abc', '192.0.2.1', 'curl'))
            return current_request_context()

        assert Context().run(work) == RequestContext('abc', '192.0.2.1', 'curl')
        assert Context().run(current_request_context) is NO_CONTEXT
