"""How much of a request has arrived, determined from its bytes alone."""

import re
from enum import Enum, auto

MAX_HEAD_BYTES = 32 * 1024
# The longest request line that gunicorn accepts, including the line break. gunicorn rejects longer
# lines with 414.
MAX_REQUEST_LINE_BYTES = 8192
# A body up to this size must arrive within `BODY_TIMEOUT`.
MAX_TIMED_BODY_BYTES = 32 * 1024
# A body up to this size is received without a thread.
MAX_BUFFERED_BODY_BYTES = 64 * 1024
# For a larger body, the request gets a thread only after this number of bytes, so that a client
# that announces a body and does not send it occupies no thread.
MIN_STREAM_START_BYTES = 32 * 1024
MAX_BUFFERED_CHUNKS = 64
# If `Content-Length` has more digits, gunicorn or the application rejects the request.
MAX_LENGTH_DIGITS = 18

HEAD_END = b'\r\n\r\n'
UNKNOWN_LENGTH_PATTERN = re.compile(rb'\r\n(?:transfer-encoding|expect):', re.IGNORECASE)
CONTENT_LENGTH_PATTERN = re.compile(rb'\r\ncontent-length:[ \t]*([^\r]*)', re.IGNORECASE)
TRANSFER_ENCODING_PATTERN = re.compile(rb'\r\ntransfer-encoding:[ \t]*([^\r]*)', re.IGNORECASE)
EXPECT_PATTERN = re.compile(rb'\r\nexpect:[ \t]*([^\r]*)', re.IGNORECASE)
CHUNK_SIZE_PATTERN = re.compile(rb'[0-9a-fA-F]{1,8}')
# Requests of resumable uploads. The service stores each byte of them that arrives, so the
# application must receive each byte immediately.
RESUMABLE_PATTERN = re.compile(
    rb'\r\ncontent-type:[ \t]*application/offset\+octet-stream', re.IGNORECASE
)
# In the syntax that Werkzeug accepts. If there are several such headers, gunicorn passes on the
# last one; here it is sufficient that one of them matches.
JSON_PATTERN = re.compile(rb'\r\ncontent-type:[ \t]*application/json', re.IGNORECASE)


class RequestState(Enum):
    """The state of a request: how much of it has arrived. A stream is read while it arrives."""

    GONE = auto()
    PARTIAL_HEAD = auto()
    LONG_HEAD = auto()
    PARTIAL_BODY = auto()
    PARTIAL_STREAM = auto()
    WHOLE = auto()
    STREAM = auto()


def request_state(received: bytes) -> RequestState:
    """Return the state of the request that begins with these bytes.

    A malformed request does not wait for more bytes, because gunicorn will reject it: it is
    `WHOLE`, or `STREAM` if reading it may block. The body of a resumable upload is a `STREAM` as
    soon as its first byte has arrived.
    """
    state = _arrived_state(received)
    is_partial = state in (RequestState.PARTIAL_BODY, RequestState.PARTIAL_STREAM)
    if (
        is_partial
        and body_bytes(received)
        and RESUMABLE_PATTERN.search(received, 0, received.find(HEAD_END))
    ):
        return RequestState.STREAM
    return state


def _arrived_state(received: bytes) -> RequestState:
    end = received.find(HEAD_END)
    if end < 0 or end > MAX_HEAD_BYTES:
        return _head_state(received)
    start = end + len(HEAD_END)
    if UNKNOWN_LENGTH_PATTERN.search(received, 0, end):
        encodings = [found.strip() for found in TRANSFER_ENCODING_PATTERN.findall(received, 0, end)]
        if not _is_supported(received, end, encodings):
            return RequestState.STREAM
        if encodings:
            return _chunked_state(received, start)
    length = content_length(received)
    if length is None:
        return RequestState.STREAM
    return _sized_state(length, len(received) - start)


def content_length(received: bytes) -> int | None:
    """Return the `Content-Length` of a request, or 0; None if it is not a number."""
    measure = CONTENT_LENGTH_PATTERN.search(received, 0, received.find(HEAD_END))
    length = measure[1].strip() if measure else b'0'
    return int(length) if length.isdigit() and len(length) <= MAX_LENGTH_DIGITS else None


def has_unknown_coding(received: bytes) -> bool:
    """Return whether `Transfer-Encoding` has another coding than `chunked`.

    The server does not decode it, so the application would take the coded bytes for the content.
    """
    found = TRANSFER_ENCODING_PATTERN.findall(received, 0, max(0, received.find(HEAD_END)))
    codings = [coding.strip(b' \t').lower() for coding in b','.join(found).split(b',')]
    return any(coding not in (b'', b'chunked') for coding in codings)


def expects_continue(received: bytes) -> bool:
    """Return whether the client sends the body only after a response `100 Continue`."""
    end = received.find(HEAD_END)
    expected = EXPECT_PATTERN.search(received, 0, end)
    return expected is not None and _is_http_1_1(received) and end + len(HEAD_END) == len(received)


def is_json(received: bytes) -> bool:
    """Return whether the `Content-Type` of a request is JSON."""
    return JSON_PATTERN.search(received, 0, received.find(HEAD_END)) is not None


def body_bytes(received: bytes) -> int:
    """Return how many bytes of the body, after the head, have arrived."""
    return len(received) - received.find(HEAD_END) - len(HEAD_END)


def _head_state(received: bytes) -> RequestState:
    if received.count(b'\n') != received.count(b'\r\n'):
        return RequestState.WHOLE
    if len(received) <= MAX_HEAD_BYTES:
        return RequestState.PARTIAL_HEAD
    has_line = received.find(b'\r\n', 0, MAX_REQUEST_LINE_BYTES) >= 0
    return RequestState.LONG_HEAD if has_line else RequestState.WHOLE


def _is_supported(received: bytes, end: int, encodings: list[bytes]) -> bool:
    """Return whether the server supports the values of `Expect` and `Transfer-Encoding`."""
    expected = [found.strip().lower() for found in EXPECT_PATTERN.findall(received, 0, end)]
    if any(found != b'100-continue' for found in expected):
        return False
    if not encodings:
        return True
    is_measured = CONTENT_LENGTH_PATTERN.search(received, 0, end) is not None
    are_known = [found.lower() for found in encodings] == [b'chunked']
    return are_known and not is_measured and _is_http_1_1(received)


def _is_http_1_1(received: bytes) -> bool:
    return received[: received.find(b'\r\n')].endswith(b' HTTP/1.1')


def _sized_state(length: int, arrived: int) -> RequestState:
    if arrived >= length and length <= MAX_BUFFERED_BODY_BYTES:
        return RequestState.WHOLE
    if length <= MAX_TIMED_BODY_BYTES:
        return RequestState.PARTIAL_BODY
    if length <= MAX_BUFFERED_BODY_BYTES or arrived < MIN_STREAM_START_BYTES:
        return RequestState.PARTIAL_STREAM
    return RequestState.STREAM


def _chunked_state(received: bytes, start: int) -> RequestState:
    """Return the state of a request with a chunked body.

    A body with chunk extensions or trailers is a `STREAM`.
    """
    arrived = len(received) - start
    is_started = arrived >= MIN_STREAM_START_BYTES
    partial = RequestState.STREAM if is_started else RequestState.PARTIAL_STREAM
    position = start
    for _ in range(MAX_BUFFERED_CHUNKS):
        line_end = received.find(b'\r\n', position)
        line = (
            received[position:line_end]
            if line_end >= 0
            else received[position:].removesuffix(b'\r')
        )
        if line and not CHUNK_SIZE_PATTERN.fullmatch(line):
            return RequestState.STREAM
        if line_end < 0:
            return partial
        if not line:
            return RequestState.STREAM
        size = int(line, 16)
        position = line_end + 2 + size + 2
        if position > len(received):
            return partial
        if received[position - 2 : position] != b'\r\n':
            return RequestState.STREAM
        if size == 0:
            return RequestState.WHOLE
    return RequestState.STREAM
