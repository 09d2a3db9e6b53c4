"""Moving all bytes, of every feature, to another storage."""

from collections.abc import Iterator

from flask import current_app

from project.core.errors import Unavailable
from project.core.storage import Moved, Succession, move, storage, storage_at
from project.files import partial_uploads
from project.files.errors import UploadNotFound
from project.files.partial_uploads import Partial


def move_storage(to: str) -> Iterator[Moved]:
    """Copy everything to the storage at an address, and yield each key with what became of it.

    From the storage in use; from the one before it where the address is that of the one in use.
    Uploads under way come along once new ones lie elsewhere.

    Stops with SystemExit at what is no address.
    """
    source, target = storage(), storage_at(current_app, to, name='--to')
    if isinstance(source, Succession):
        source = source.old if to == current_app.config['STORAGE_URL'] else source.new
    yield from _move_uploads()
    yield from move(source, target)


def _move_uploads() -> Iterator[Moved]:
    """Bring what is under way to where new uploads are, where the storage is another by now."""
    for upload_id in partial_uploads.left_behind():
        partial = Partial(upload_id)
        try:
            with partial.alone():
                partial.settle()
        except UploadNotFound:  # It has its end, or was given up.
            continue
        except Unavailable:
            yield Moved(upload_id.hex, 'failed')
        else:
            yield Moved(upload_id.hex, 'moved')
