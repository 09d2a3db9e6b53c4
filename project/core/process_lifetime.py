"""The announcement that the service will stop, which all its processes see."""

import mmap

# One byte that all processes of the service share: gunicorn imports this module before it forks.
_is_stopping = mmap.mmap(-1, 1)


def announce_stop() -> None:
    """Tell all processes of this service that it will close its listeners (`SHUTDOWN_DELAY`)."""
    _is_stopping[0] = 1


def is_stopping() -> bool:
    """Return whether the service will close its listeners: it is no longer ready."""
    return bool(_is_stopping[0])
