"""Bytes for large uploads."""

import os

MIB = 1024 * 1024


def large_content(size: int) -> bytes:
    """Return bytes of which no two chunks are equal, if the chunk size is a power of two.

    Only the first block is random: random bytes take 2 ms per MiB, in each process that collects
    the tests.
    """
    block = os.urandom(MIB + 1)
    return (block * (size // MIB + 1))[:size]
