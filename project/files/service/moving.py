"""Moving all bytes, of every feature, to another storage."""

from collections.abc import Iterator

from flask import current_app

from project.core.data.storage import Moved, Succession, move, storage, storage_at


def move_storage(to: str) -> Iterator[Moved]:
    """Copy everything to the storage at an address, and yield each key with what became of it.

    From the storage in use; from the one before it where the address is that of the one in use.
    Stops with SystemExit at what is no address.
    """
    source, target = storage(), storage_at(current_app, to, name='--to')
    if isinstance(source, Succession):
        source = source.old if to == current_app.config['STORAGE_URL'] else source.new
    yield from move(source, target)
