"""A flag that all processes of the service share: the service is about to stop."""

import mmap

# One byte of shared memory. gunicorn imports this module before it forks its workers.
_is_stopping = mmap.mmap(-1, 1)


def announce_stop() -> None:
    """Set the flag: the service closes its listeners after `SHUTDOWN_DELAY` seconds."""
    _is_stopping[0] = 1


def is_stopping() -> bool:
    """Return whether the flag is set: `/readyz` then returns 503, and the listeners close soon."""
    return bool(_is_stopping[0])
