"""What bytes are taken for, before anybody reads them as a request."""

import pytest

from project.core.server.request_state import MAX_BUFFERED_BODY_BYTES, RequestState, request_state

from .serving import get, post

CHUNKED = b'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'


class TestArrivalOf:
    @pytest.mark.parametrize(
        'held',
        [
            get(),
            get() + get()[:10],
            post(0),
            post(3) + b'abc',
            post(3) + b'abcdef',
            post(3).lower() + b'abc',
            post(MAX_BUFFERED_BODY_BYTES) + b'x' * MAX_BUFFERED_BODY_BYTES,
            get('/', 'X-Content-Length: 5'),
            b'GET / HTTP/1.0\r\n\r\n',
        ],
    )
    def test_is_whole_for(self, held: bytes) -> None:
        assert request_state(held) is RequestState.WHOLE

    @pytest.mark.parametrize('held', [b'\r\n\r\n', b'garbage\r\n\r\n', b'GET / HTTP/1.1\n', b'\n'])
    def test_is_whole_for_what_will_be_rejected_anyway(self, held: bytes) -> None:
        assert request_state(held) is RequestState.WHOLE

    @pytest.mark.parametrize(
        'held',
        [b'', b'G', b'GET / HTTP/1.1\r\n', get()[:-1], b'x' * MAX_BUFFERED_BODY_BYTES],
    )
    def test_is_a_partial_head_for(self, held: bytes) -> None:
        assert request_state(held) is RequestState.PARTIAL_HEAD

    @pytest.mark.parametrize(
        'held',
        [
            post(3),
            post(3) + b'ab',
            post(MAX_BUFFERED_BODY_BYTES) + b'x' * (MAX_BUFFERED_BODY_BYTES - 1),
        ],
    )
    def test_is_a_partial_body_for(self, held: bytes) -> None:
        assert request_state(held) is RequestState.PARTIAL_BODY

    @pytest.mark.parametrize(
        'held',
        [
            CHUNKED,
            CHUNKED.upper(),
            CHUNKED + b'0\r\n\r\n',
            post(3, 'Expect: 100-continue'),
            post(MAX_BUFFERED_BODY_BYTES + 1),
            post(MAX_BUFFERED_BODY_BYTES + 1) + b'x' * (MAX_BUFFERED_BODY_BYTES + 1),
            post(0).replace(b': 0', b': ' + b'9' * 5000),
            post(0).replace(b': 0', b': -1'),
            post(0).replace(b': 0', b':'),
            b'x' * (MAX_BUFFERED_BODY_BYTES + 1),
        ],
    )
    def test_is_a_stream_for(self, held: bytes) -> None:
        assert request_state(held) is RequestState.STREAM

    def test_does_not_take_a_body_for_headers(self) -> None:
        body = b'a\r\nTransfer-Encoding: chunked\r\nContent-Length: 999999\r\n\r\n'

        assert request_state(post(len(body)) + body) is RequestState.WHOLE
