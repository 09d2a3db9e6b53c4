"""The folder of published files on the disk. Its changes are atomic and durable."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from project.core.checks import DoctorCheck, Finding, Situation, State, register_check
from project.core.storage import find_status, is_file, is_folder, make_folder, sync_folder

from .errors import AlreadyPublished, NotPublished

# Other users may read the published folder, because a web server that runs as another user sends
# it.
PUBLIC_FILE_MODE, PUBLIC_FOLDER_MODE = 0o644, 0o755


def add(source: Path, target: Path, *, folder: Path) -> None:
    """Copy the file `source` durably to the path `target` in the folder.

    :raises AlreadyPublished: if the path is taken, or one of its folders is a file.
    """
    make_folder(folder, mode=PUBLIC_FOLDER_MODE)
    _ensure_target_free(target, folder)
    draft = target.with_name(f'.{uuid4().hex}.part')
    try:
        _copy(source, draft)
        # Linking is atomic: no client downloads half a file. If two calls have the same target, the
        # second one fails.
        os.link(draft, target)
    except FileExistsError:
        raise AlreadyPublished from None
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)


def exists(target: Path) -> bool:
    """Return whether a file is published at a path."""
    return is_file(target)


def delete(target: Path) -> None:
    """Delete a file from the folder.

    :raises NotPublished: if the file does not exist, for example because another process deleted
        it.
    """
    try:
        target.unlink()
    except FileNotFoundError:
        raise NotPublished from None


def check_folder(situation: Situation) -> Iterator[Finding]:
    """Check that the service can publish files, and that a web server can read them."""
    folder = Path(situation.config['FILES_PUBLIC_FOLDER'])
    place = next((path for path in (folder, *folder.parents) if find_status(path)), folder)
    mode = place.stat().st_mode
    if not is_folder(place) or not os.access(place, os.W_OK | os.X_OK):
        yield Finding(State.FAILED, f'{place} cannot be written')
    elif place != folder:
        yield Finding(State.OK, f'{folder} is created with the first published file')
    elif mode & stat.S_IWOTH:
        remedy = f'`chmod o-w {folder}`'
        yield Finding(State.FAILED, f'{folder}: any user may publish ({mode & 0o777:o})', remedy)
    elif mode & PUBLIC_FOLDER_MODE != PUBLIC_FOLDER_MODE:
        seen = f'{folder}: a web server that runs as another user cannot read it ({mode & 0o777:o})'
        yield Finding(State.WARNING, seen, f'`chmod {PUBLIC_FOLDER_MODE:o} {folder}`')
    else:
        yield Finding(State.OK, str(folder))


def _ensure_target_free(target: Path, folder: Path) -> None:
    try:
        for above in reversed(target.relative_to(folder).parents):
            make_folder(folder / above, mode=PUBLIC_FOLDER_MODE)
    except (FileExistsError, NotADirectoryError):
        # One of the folders in the path exists as a file.
        raise AlreadyPublished from None
    if find_status(target):
        # `os.link` would also fail, but only after gigabytes were copied.
        raise AlreadyPublished


def _copy(source: Path, draft: Path) -> None:
    with source.open('rb') as read, draft.open('xb') as written:
        os.fchmod(written.fileno(), PUBLIC_FILE_MODE)
        shutil.copyfileobj(read, written)
        written.flush()
        os.fsync(written.fileno())


register_check(
    'public_folder',
    DoctorCheck(
        function=check_folder,
        remedy='Correct FILES_PUBLIC_FOLDER, or give the folder to the user of the service.',
    ),
    owner=__name__,
)
