"""How much of a request has arrived, decided from its bytes alone."""

import re
from enum import Enum, auto

MAX_HEAD_BYTES = 32 * 1024
# The request line that gunicorn accepts, and its end; a longer one is answered with 414.
MAX_REQUEST_LINE_BYTES = 8192
# A body up to this size must arrive within `BODY_TIMEOUT`.
MAX_TIMED_BODY_BYTES = 32 * 1024
# A body up to this size is collected without a thread. A larger one gets a thread once so much of
# it has arrived: clients that only announce a body hold none.
MAX_BUFFERED_BODY_BYTES = 64 * 1024
MIN_STREAM_START_BYTES = 32 * 1024
MAX_BUFFERED_CHUNKS = 64
# No length has more digits; gunicorn answers others with 400.
MAX_LENGTH_DIGITS = 18

HEAD_END = b'\r\n\r\n'
UNKNOWN_LENGTH_PATTERN = re.compile(rb'\r\n(?:transfer-encoding|expect):', re.IGNORECASE)
CONTENT_LENGTH_PATTERN = re.compile(rb'\r\ncontent-length:[ \t]*([^\r]*)', re.IGNORECASE)
TRANSFER_ENCODING_PATTERN = re.compile(rb'\r\ntransfer-encoding:[ \t]*([^\r]*)', re.IGNORECASE)
EXPECT_PATTERN = re.compile(rb'\r\nexpect:[ \t]*([^\r]*)', re.IGNORECASE)
CHUNK_SIZE_PATTERN = re.compile(rb'[0-9a-fA-F]{1,8}')
# Of the chunk of a resumable upload each byte counts, so that the service must see it at once.
RESUMABLE_PATTERN = re.compile(
    rb'\r\ncontent-type:[ \t]*application/offset\+octet-stream', re.IGNORECASE
)
# As Werkzeug reads it. Any of several headers counts: gunicorn passes on the last one.
JSON_PATTERN = re.compile(rb'\r\ncontent-type:[ \t]*application/json', re.IGNORECASE)


class RequestState(Enum):
    """How much of a request has arrived."""

    GONE = auto()
    PARTIAL_HEAD = auto()
    LONG_HEAD = auto()
    PARTIAL_BODY = auto()
    PARTIAL_STREAM = auto()
    WHOLE = auto()
    STREAM = auto()


def request_state(held: bytes) -> RequestState:
    """Return how much of the next request these bytes are.

    Only well-formed requests wait for more bytes. Any other counts as arrived, as a stream if
    reading it may block, and gunicorn rejects it. The chunk of a resumable upload is a stream as
    soon as its first byte has arrived.
    """
    state = _arrived_state(held)
    is_partial = state in (RequestState.PARTIAL_BODY, RequestState.PARTIAL_STREAM)
    if is_partial and body_bytes(held) and RESUMABLE_PATTERN.search(held, 0, held.find(HEAD_END)):
        return RequestState.STREAM
    return state


def _arrived_state(held: bytes) -> RequestState:
    end = held.find(HEAD_END)
    if end < 0 or end > MAX_HEAD_BYTES:
        return _head_state(held)
    start = end + len(HEAD_END)
    if UNKNOWN_LENGTH_PATTERN.search(held, 0, end):
        encodings = [found.strip() for found in TRANSFER_ENCODING_PATTERN.findall(held, 0, end)]
        if not _is_understood(held, end, encodings):
            return RequestState.STREAM
        if encodings:
            return _chunked_state(held, start)
    measure = CONTENT_LENGTH_PATTERN.search(held, 0, end)
    length = measure[1].strip() if measure else b'0'
    if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS:
        return RequestState.STREAM
    return _sized_state(int(length), len(held) - start)


def expects_continue(held: bytes) -> bool:
    """Return whether the client waits for `100 Continue` before it sends the body."""
    end = held.find(HEAD_END)
    expected = EXPECT_PATTERN.search(held, 0, end)
    return expected is not None and _is_http_1_1(held) and end + len(HEAD_END) == len(held)


def is_json(held: bytes) -> bool:
    """Return whether the body of a request is declared as JSON."""
    return JSON_PATTERN.search(held, 0, held.find(HEAD_END)) is not None


def body_bytes(held: bytes) -> int:
    """Return how many bytes behind the head have arrived."""
    return len(held) - held.find(HEAD_END) - len(HEAD_END)


def _head_state(held: bytes) -> RequestState:
    if held.count(b'\n') != held.count(b'\r\n'):
        return RequestState.WHOLE
    if len(held) <= MAX_HEAD_BYTES:
        return RequestState.PARTIAL_HEAD
    has_line = held.find(b'\r\n', 0, MAX_REQUEST_LINE_BYTES) >= 0
    return RequestState.LONG_HEAD if has_line else RequestState.WHOLE


def _is_understood(held: bytes, end: int, encodings: list[bytes]) -> bool:
    """Return whether the only unusual thing is a chunked body or a client that waits for 100."""
    expected = [found.strip().lower() for found in EXPECT_PATTERN.findall(held, 0, end)]
    if any(found != b'100-continue' for found in expected):
        return False
    if not encodings:
        return True
    is_measured = CONTENT_LENGTH_PATTERN.search(held, 0, end) is not None
    are_known = [found.lower() for found in encodings] == [b'chunked']
    return are_known and not is_measured and _is_http_1_1(held)


def _is_http_1_1(held: bytes) -> bool:
    return held[: held.find(b'\r\n')].endswith(b' HTTP/1.1')


def _sized_state(length: int, arrived: int) -> RequestState:
    if arrived >= length and length <= MAX_BUFFERED_BODY_BYTES:
        return RequestState.WHOLE
    if length <= MAX_TIMED_BODY_BYTES:
        return RequestState.PARTIAL_BODY
    if length <= MAX_BUFFERED_BODY_BYTES or arrived < MIN_STREAM_START_BYTES:
        return RequestState.PARTIAL_STREAM
    return RequestState.STREAM


def _chunked_state(held: bytes, start: int) -> RequestState:
    """Return the state of a chunked body; extensions and trailers make it a stream."""
    arrived = len(held) - start
    is_started = arrived >= MIN_STREAM_START_BYTES
    partial = RequestState.STREAM if is_started else RequestState.PARTIAL_STREAM
    position = start
    for _ in range(MAX_BUFFERED_CHUNKS):
        line_end = held.find(b'\r\n', position)
        line = held[position:line_end] if line_end >= 0 else held[position:].removesuffix(b'\r')
        if line and not CHUNK_SIZE_PATTERN.fullmatch(line):
            return RequestState.STREAM
        if line_end < 0:
            return partial
        if not line:
            return RequestState.STREAM
        size = int(line, 16)
        position = line_end + 2 + size + 2
        if position > len(held):
            return partial
        if held[position - 2 : position] != b'\r\n':
            return RequestState.STREAM
        if size == 0:
            return RequestState.WHOLE
    return RequestState.STREAM
