"""How much of a request has arrived, told from its bytes alone."""

import re
from enum import Enum, auto

MAX_BUFFERED_BODY_BYTES = 32 * 1024
HEAD_END = b'\r\n\r\n'
UNKNOWN_LENGTH_PATTERN = re.compile(rb'\r\n(?:transfer-encoding|expect):', re.IGNORECASE)
CONTENT_LENGTH_PATTERN = re.compile(rb'\r\ncontent-length:[ \t]*([^\r]*)', re.IGNORECASE)


class RequestState(Enum):
    """How much of a request is here."""

    GONE = auto()
    PARTIAL_HEAD = auto()
    PARTIAL_BODY = auto()
    WHOLE = auto()
    STREAM = auto()
    COSTLY = auto()


def request_state(held: bytes) -> RequestState:
    """Say how much of the next request these bytes are: to wait for, to run, or to run as a stream.

    A stream is what cannot be waited for: a large body, one of unknown length, one that a client
    holds back until it hears `100 Continue`, or a head without end. No request is judged here:
    what is malformed counts as arrived, and gunicorn refuses it.
    """
    end = held.find(HEAD_END)
    if end < 0:
        if held.count(b'\n') != held.count(b'\r\n'):
            return RequestState.WHOLE
        is_too_long = len(held) > MAX_BUFFERED_BODY_BYTES
        return RequestState.STREAM if is_too_long else RequestState.PARTIAL_HEAD
    if UNKNOWN_LENGTH_PATTERN.search(held, 0, end):
        return RequestState.STREAM
    measure = CONTENT_LENGTH_PATTERN.search(held, 0, end)
    length = measure[1].strip() if measure else b'0'
    if (
        not length.isdigit()
        or len(length) > len(str(MAX_BUFFERED_BODY_BYTES))
        or int(length) > MAX_BUFFERED_BODY_BYTES
    ):
        return RequestState.STREAM
    return (
        RequestState.WHOLE
        if len(held) - end - len(HEAD_END) >= int(length)
        else RequestState.PARTIAL_BODY
    )
