"""Copying of all stored objects, of all features, to another storage."""

from collections.abc import Iterator

from flask import current_app

from project.core.errors import ServiceUnavailable
from project.core.storage import CopyResult, FallbackStorage, copy_all, storage, storage_from_url
from project.files import partial_uploads
from project.files.errors import UploadNotFound
from project.files.partial_uploads import PartialFile


def move_storage(to: str) -> Iterator[CopyResult]:
    """Copy all objects to another storage, and yield the result of each.

    The source is the storage in use. If the target is in use already, the source is the fallback
    storage instead. Files of partial uploads in the folder of the fallback storage are moved, too.

    :param to: the URL of the target, in the form of STORAGE_URL.
    :raises SystemExit: if the URL is invalid.
    """
    source, target = storage(), storage_from_url(current_app, to, name='--to')
    if isinstance(source, FallbackStorage):
        source = source.old if to == current_app.config['STORAGE_URL'] else source.new
    yield from _move_uploads()
    yield from copy_all(source, target)


def _move_uploads() -> Iterator[CopyResult]:
    """Move files of partial uploads from the fallback storage to the storage in use."""
    for upload_id in partial_uploads.in_previous_storage():
        partial = PartialFile(upload_id)
        try:
            with partial.exclusive():
                partial.relocate_and_unshare()
        except UploadNotFound:  # It was completed or cancelled in the meantime.
            continue
        except ServiceUnavailable:
            yield CopyResult(upload_id.hex, 'failed')
        else:
            yield CopyResult(upload_id.hex, 'moved')
