"""The request context: client, user and id of the current request."""

from contextvars import Context

from project.core.request_context import (
    NO_CONTEXT,
    RequestContext,
    current_request_context,
    set_request_context,
)


class TestCurrentRequestContext:
    def test_returns_an_empty_context_by_default(self):
        assert Context().run(current_request_context) is NO_CONTEXT
        assert NO_CONTEXT.request_id == '-'


class TestSetRequestContext:
    def test_applies_only_to_the_current_context(self):
        def work():
            set_request_context(RequestContext('abc', '192.0.2.1', 'curl'))
            return current_request_context()

        assert Context().run(work) == RequestContext('abc', '192.0.2.1', 'curl')
        assert Context().run(current_request_context) is NO_CONTEXT
