"""Moving all bytes, of every feature, to another storage."""

from collections.abc import Iterator

from flask import current_app

from project.core.errors import ServiceUnavailable
from project.core.storage import CopyResult, FallbackStorage, copy_all, storage, storage_from_url
from project.files import partial_uploads
from project.files.errors import UploadNotFound
from project.files.partial_uploads import PartialFile


def move_storage(to: str) -> Iterator[CopyResult]:
    """Copy everything to the storage at an address, and yield each key with what became of it.

    From the storage in use; from the one before it where the address is that of the one in use.
    Uploads under way come along once new ones lie elsewhere.

    Stops with SystemExit at what is no address.
    """
    source, target = storage(), storage_from_url(current_app, to, name='--to')
    if isinstance(source, FallbackStorage):
        source = source.old if to == current_app.config['STORAGE_URL'] else source.new
    yield from _move_uploads()
    yield from copy_all(source, target)


def _move_uploads() -> Iterator[CopyResult]:
    """Bring what is under way to where new uploads are, where the storage is another by now."""
    for upload_id in partial_uploads.in_previous_storage():
        partial = PartialFile(upload_id)
        try:
            with partial.exclusive():
                partial.relocate_and_unshare()
        except UploadNotFound:  # It has its end, or was given up.
            continue
        except ServiceUnavailable:
            yield CopyResult(upload_id.hex, 'failed')
        else:
            yield CopyResult(upload_id.hex, 'moved')
