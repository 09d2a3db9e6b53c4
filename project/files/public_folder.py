"""The published folder on the disk: atomic and durable changes of its files."""

import os
import shutil
from pathlib import Path
from uuid import uuid4

from project.core.storage import make_folder, sync_folder

from .errors import AlreadyPublished, NotPublished

# A web server that runs as another user reads the published folder.
PUBLIC_FILE_MODE, PUBLIC_FOLDER_MODE = 0o644, 0o755


def add(source: Path, target: Path, *, folder: Path) -> None:
    """Copy a file durably to a path in the folder.

    :raises AlreadyPublished: if the path is taken, or one of its folders is a file.
    """
    make_folder(folder, mode=PUBLIC_FOLDER_MODE)
    _ensure_target_free(target, folder)
    draft = target.with_name(f'.{uuid4().hex}.part')
    try:
        _copy(source, draft)
        # A link is atomic: no client downloads half a file, and the second of two calls fails.
        os.link(draft, target)
    except FileExistsError:
        raise AlreadyPublished from None
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)


def exists(target: Path) -> bool:
    """Return whether a file is published at a path."""
    return target.is_file()


def delete(target: Path) -> None:
    """Delete a file from the folder.

    :raises NotPublished: if the file does not exist, perhaps deleted by another process.
    """
    try:
        target.unlink()
    except FileNotFoundError:
        raise NotPublished from None


def _ensure_target_free(target: Path, folder: Path) -> None:
    try:
        for above in reversed(target.relative_to(folder).parents):
            make_folder(folder / above, mode=PUBLIC_FOLDER_MODE)
    except (FileExistsError, NotADirectoryError):
        # A part of the path is a file, so it cannot be a folder.
        raise AlreadyPublished from None
    if target.exists():
        # `os.link` would fail as well, but only after gigabytes are copied.
        raise AlreadyPublished


def _copy(source: Path, draft: Path) -> None:
    with source.open('rb') as read, draft.open('xb') as written:
        os.fchmod(written.fileno(), PUBLIC_FILE_MODE)
        shutil.copyfileobj(read, written)
        written.flush()
        os.fsync(written.fileno())
