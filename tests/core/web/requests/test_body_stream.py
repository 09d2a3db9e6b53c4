"""`BodyStream`, which reads a request body while it arrives."""

from io import BytesIO, RawIOBase

import pytest
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from project.core.web.requests.body_stream import BodyStream

ENDED = {'wsgi.input_terminated': True}


class SlowBody(BytesIO):
    """An input stream of which three bytes arrive at a time."""

    def read1(self, size=-1):
        return super().read1(min(size, 3))


class Broken(BytesIO):
    def read1(self, size=-1):
        raise ConnectionResetError


class WithoutRead1(RawIOBase):
    """An input stream of a WSGI server that lacks the method `read1`."""

    def read(self, size=-1):
        return b'x' * size


@pytest.fixture
def stream(app):
    """Return a function that creates a `BodyStream` for a request with the given body."""

    def opened(body, length=None, **environ):
        overrides = {'wsgi.input': body, 'CONTENT_LENGTH': '' if length is None else str(length)}
        with app.test_request_context('/', environ_overrides={**overrides, **environ}):
            return BodyStream()

    return opened


class TestRead1:
    def test_returns_the_bytes_that_have_arrived(self, stream):
        body = stream(SlowBody(b'01234'), 5, **ENDED)

        assert [body.read1(100) for _ in range(3)] == [b'012', b'34', b'']

    def test_ends_at_the_announced_length(self, stream):
        body = stream(SlowBody(b'01234next'), 5)

        assert [body.read1(100) for _ in range(3)] == [b'012', b'34', b'']

    def test_reads_nothing_without_a_length(self, stream):
        assert stream(SlowBody(b'endless')).read1(100) == b''

    def test_reads_from_a_stream_without_read1(self, stream):
        assert stream(WithoutRead1(), 5).read1(100) == b'xxxxx'

    @pytest.mark.parametrize('environ', [{}, ENDED])
    def test_raises_when_the_connection_breaks(self, stream, environ):
        with pytest.raises(ClientDisconnected):
            stream(Broken(), 5, **environ).read1(100)

    def test_raises_when_the_connection_ends_early(self, stream):
        body = stream(BytesIO(b'012'), 5)
        body.read1(100)

        with pytest.raises(ClientDisconnected):
            body.read1(100)

    def test_rejects_a_body_larger_than_the_limit(self, app, stream):
        with pytest.raises(RequestEntityTooLarge):
            stream(BytesIO(), app.config['MAX_CONTENT_LENGTH'] + 1)
