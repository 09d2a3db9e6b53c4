"""The published folder on the disk: how a file gets there, whole and once."""

import os
import shutil
from pathlib import Path
from uuid import uuid4

from project.core.storage import make_folder, sync_folder

from .errors import AlreadyPublished, NotPublished

# Of the published folder: a web server of another user reads it.
PUBLIC_FILE_MODE, PUBLIC_FOLDER_MODE = 0o644, 0o755


def add(source: Path, target: Path, *, folder: Path) -> None:
    """Copy a file, durably, to a place in the folder; refuses with AlreadyPublished a taken one."""
    make_folder(folder, mode=PUBLIC_FOLDER_MODE)
    _ensure_target_free(target, folder)
    draft = target.with_name(f'.{uuid4().hex}.part')
    try:
        _copy(source, draft)
        # Nobody downloads half of it, and of two who publish at once one is refused.
        os.link(draft, target)
    except FileExistsError:
        raise AlreadyPublished from None
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)


def exists(target: Path) -> bool:
    """Tell whether a file is published there."""
    return target.is_file()


def delete(target: Path) -> None:
    """Take a file out of the folder, or refuse with NotPublished when somebody was faster."""
    try:
        target.unlink()
    except FileNotFoundError:
        raise NotPublished from None


def _ensure_target_free(target: Path, folder: Path) -> None:
    try:
        for above in reversed(target.relative_to(folder).parents):
            make_folder(folder / above, mode=PUBLIC_FOLDER_MODE)
    except (FileExistsError, NotADirectoryError):
        # Below a file, there is no room for a folder.
        raise AlreadyPublished from None
    if target.exists():
        # Known before gigabytes are copied.
        raise AlreadyPublished


def _copy(source: Path, draft: Path) -> None:
    with source.open('rb') as read, draft.open('xb') as written:
        os.fchmod(written.fileno(), PUBLIC_FILE_MODE)
        shutil.copyfileobj(read, written)
        written.flush()
        os.fsync(written.fileno())
