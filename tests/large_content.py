"""Bytes for large uploads."""

import os

MIB = 1024 * 1024


def large_content(size: int) -> bytes:
    """Return bytes of which no two parts are equal, whatever power of two the parts' size is.

    Random bytes throughout would take 2 ms per MiB in every process that only collects the tests.
    """
    block = os.urandom(MIB + 1)
    return (block * (size // MIB + 1))[:size]
