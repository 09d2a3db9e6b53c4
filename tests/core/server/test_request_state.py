"""Classification of the bytes received so far, such as complete request or incomplete body.

This happens before gunicorn parses the request.
"""

import pytest

from project.core.server.request_state import (
    MAX_BUFFERED_BODY_BYTES,
    MAX_BUFFERED_CHUNKS,
    MAX_HEAD_BYTES,
    MAX_TIMED_BODY_BYTES,
    MIN_STREAM_START_BYTES,
    RequestState,
    body_bytes,
    expects_continue,
    has_unknown_coding,
    request_state,
)

from .serving import get, post

CHUNKED = b'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'
EXPECT = 'Expect: 100-continue'
RESUMABLE = 'Content-Type: application/offset+octet-stream'
LONG_HEAD = get('/', *['X-Many: 1'] * 4000)


class TestRequestState:
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
            post(3, EXPECT) + b'abc',
            CHUNKED + b'0\r\n\r\n',
            CHUNKED + b'3\r\nabc\r\n0\r\n\r\n' + get()[:9],
            CHUNKED.upper() + b'0A\r\n0123456789\r\n0\r\n\r\n',
            get('/', 'X-Content-Length: 5'),
            b'GET / HTTP/1.0\r\n\r\n',
        ],
    )
    def test_is_whole_for_complete_requests(self, held: bytes) -> None:
        assert request_state(held) is RequestState.WHOLE

    @pytest.mark.parametrize('held', [b'\r\n\r\n', b'garbage\r\n\r\n', b'GET / HTTP/1.1\n', b'\n'])
    def test_is_whole_for_malformed_requests(self, held: bytes) -> None:
        assert request_state(held) is RequestState.WHOLE

    @pytest.mark.parametrize(
        'held',
        [b'', b'G', b'GET / HTTP/1.1\r\n', get()[:-1], b'x' * MAX_HEAD_BYTES],
    )
    def test_is_a_partial_head_for_incomplete_heads(self, held: bytes) -> None:
        assert request_state(held) is RequestState.PARTIAL_HEAD

    @pytest.mark.parametrize(
        'held',
        [
            post(3),
            post(3) + b'ab',
            post(3, EXPECT),
            post(MAX_TIMED_BODY_BYTES) + b'x' * (MAX_TIMED_BODY_BYTES - 1),
        ],
    )
    def test_is_a_partial_body_for_incomplete_small_bodies(self, held: bytes) -> None:
        assert request_state(held) is RequestState.PARTIAL_BODY

    @pytest.mark.parametrize(
        'held',
        [
            post(MAX_TIMED_BODY_BYTES + 1),
            post(MAX_BUFFERED_BODY_BYTES) + b'x' * (MAX_BUFFERED_BODY_BYTES - 1),
            post(1 << 40) + b'x' * (MIN_STREAM_START_BYTES - 1),
            post(1 << 40, EXPECT),
            CHUNKED,
            CHUNKED + b'3',
            CHUNKED + b'3\r',
            CHUNKED + b'3\r\nabc\r\n0\r\n\r',
            CHUNKED + b'FFFFFFFF\r\nabc',
        ],
    )
    def test_is_a_partial_stream_for_the_start_of_a_large_body(self, held: bytes) -> None:
        assert request_state(held) is RequestState.PARTIAL_STREAM

    @pytest.mark.parametrize(
        'held',
        [
            post(1 << 40) + b'x' * MIN_STREAM_START_BYTES,
            CHUNKED + b'FFFFFF\r\n' + b'x' * MIN_STREAM_START_BYTES,
            CHUNKED + b'1\r\nx\r\n' * MAX_BUFFERED_CHUNKS,
            post(3, RESUMABLE) + b'ab',
            post(1 << 40, RESUMABLE) + b'a',
            CHUNKED.replace(b'\r\n\r\n', f'\r\n{RESUMABLE}\r\n\r\n'.encode()) + b'3\r\na',
        ],
    )
    def test_is_a_stream_for_enough_bytes_of_a_large_body(self, held: bytes) -> None:
        assert request_state(held) is RequestState.STREAM

    @pytest.mark.parametrize(
        'held',
        [
            CHUNKED + b'3;extension\r\n',
            CHUNKED + b'x\r\n',
            CHUNKED + b'\r\n',
            CHUNKED + b'3\r\nabcde',
            CHUNKED + b'0\r\nTrailer: x\r\n\r\n',
            CHUNKED.replace(b'/1.1', b'/1.0'),
            CHUNKED.replace(b'chunked', b'gzip, chunked'),
            post(3, 'Transfer-Encoding: chunked'),
            post(3, 'Expect: a-miracle'),
            post(3, EXPECT, 'Expect: a-miracle'),
            post(0).replace(b': 0', b': ' + b'9' * 5000),
            post(0).replace(b': 0', b': -1'),
            post(0).replace(b': 0', b':'),
        ],
    )
    def test_is_a_stream_for_requests_that_only_gunicorn_parses(self, held: bytes) -> None:
        assert request_state(held) is RequestState.STREAM

    @pytest.mark.parametrize('held', [LONG_HEAD, LONG_HEAD[:-1]])
    def test_is_a_long_head_for_heads_over_the_limit(self, held: bytes) -> None:
        assert request_state(held) is RequestState.LONG_HEAD

    def test_is_whole_for_a_long_request_line(self) -> None:
        assert request_state(b'x' * (MAX_HEAD_BYTES + 1)) is RequestState.WHOLE

    def test_is_a_partial_body_for_the_announcement_of_an_upload_chunk(self) -> None:
        assert request_state(post(3, RESUMABLE)) is RequestState.PARTIAL_BODY

    def test_is_whole_for_a_complete_upload_chunk(self) -> None:
        chunk = post(3, RESUMABLE) + b'abc'

        assert request_state(chunk) is RequestState.WHOLE

    def test_does_not_read_headers_in_the_body(self) -> None:
        body = b'a\r\nTransfer-Encoding: chunked\r\nContent-Length: 999999\r\n\r\n'

        assert request_state(post(len(body)) + body) is RequestState.WHOLE


class TestHasUnknownCoding:
    @pytest.mark.parametrize(
        'value',
        [
            'gzip, chunked', 'x-gzip,chunked', 'chunked, gzip', 'deflate', 'compress', 'identity',
            'chunked\r\nTransfer-Encoding: GZIP', 'chunked;q=1',
        ],
    )  # fmt: skip
    def test_returns_true_for_any_coding_but_chunked(self, value: str) -> None:
        head = get('/', f'Transfer-Encoding: {value}')

        assert has_unknown_coding(head)
        assert request_state(head) is RequestState.STREAM

    @pytest.mark.parametrize(
        'head', [CHUNKED, CHUNKED.upper(), get(), CHUNKED + b'\r\nTransfer-Encoding: gzip', b'']
    )
    def test_returns_false_for_all_others(self, head: bytes) -> None:
        assert not has_unknown_coding(head)


class TestExpectsContinue:
    @pytest.mark.parametrize(
        ('held', 'expected'),
        [
            (post(3, EXPECT), True),
            (post(3, EXPECT) + b'a', False),
            (post(3), False),
            (post(3, EXPECT).replace(b'/1.1', b'/1.0'), False),
        ],
    )
    def test_returns_whether_the_client_waits_for_100_continue(
        self, held: bytes, expected: bool
    ) -> None:
        assert expects_continue(held) is expected


class TestBodyBytes:
    def test_counts_the_bytes_after_the_head(self) -> None:
        assert body_bytes(post(9) + b'abc') == 3
