"""Reading of a request body with `Transfer-Encoding: chunked` while it arrives."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.errors import InvalidChunkSize, NoMoreData
from gunicorn.http.unreader import IterUnreader

from project.core.server.body_reader import is_body_unread, use_direct_body_reader


def body_of(*arrivals: bytes) -> Any:
    """Return the body of a request; each argument contains the bytes of one `recv` call."""
    unreader = IterUnreader(iter(arrivals))
    return use_direct_body_reader(Body(ChunkedReader(SimpleNamespace(), unreader)), unreader)


class TestReadinto:
    def test_returns_the_bytes_that_have_arrived(self) -> None:
        body = body_of(b'a\r\n01234', b'56789\r\n', b'0\r\n\r\n')

        assert [body.read1(100) for _ in range(3)] == [b'01234', b'56789', b'']

    def test_returns_no_more_bytes_than_requested(self) -> None:
        body = body_of(b'a\r\n0123456789\r\n0\r\n\r\n')

        assert [body.read1(4), body.read()] == [b'0123', b'456789']

    def test_returns_all_of_several_chunks(self) -> None:
        assert body_of(b'2\r\n01\r\n3\r\n234\r\n', b'0\r\n\r\n').read() == b'01234'

    @pytest.mark.parametrize(
        ('end', 'error'), [((), NoMoreData), ((b'56789\r\nxyz\r\n',), InvalidChunkSize)]
    )
    def test_raises_on_every_read_after_an_error(self, end: Any, error: type[Exception]) -> None:
        body = body_of(b'a\r\n01234', *end)
        body.read1(100)

        for _ in range(2):
            with pytest.raises(error):
                body.read()

    def test_is_unread_until_its_end_is_read(self) -> None:
        body = body_of(b'2\r\n01\r\n', b'0\r\n\r\n')

        found = [(body.read1(100), is_body_unread(body)) for _ in range(2)]

        assert found == [(b'01', True), (b'', False)]

    def test_is_buffered_like_other_bodies(self) -> None:
        assert isinstance(body_of(b'0\r\n\r\n'), io.BufferedReader)
