"""The published folder: files that operators give to everybody, without a login."""

import shutil
from pathlib import Path

from flask import current_app
from werkzeug.security import safe_join

from project.core.errors import NotFound
from project.files.errors import AlreadyPublished, NotPublished

# Bytes of a name: with what a draft adds, still one that every file system takes.
LONGEST = 240


def published_folder() -> Path:
    """Return the folder, absolute: a relative one would be looked for in the package."""
    return Path(current_app.config['FILES_PUBLIC_FOLDER']).absolute()


def check_published_name(name: str) -> str:
    """Return a name that may be asked for; refuses with NotFound what is hidden, such as drafts."""
    if _is_hidden(name):
        raise NotFound
    return name


def publish_file(source: Path, name: str) -> None:
    """Copy a file into the folder; refuses a name outside of it, and one that is there already."""
    target = _inside(name)
    if target is None:
        raise AlreadyPublished('Not a name inside the published folder')
    # Below a file, there is no room for a folder.
    if target.exists() or any(folder.is_file() for folder in target.parents):
        raise AlreadyPublished
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f'.{target.name}.part')
    shutil.copyfile(source, draft)
    # There by rename: nobody downloads half of it.
    draft.rename(target)


def unpublish_file(name: str, *, dry_run: bool = False) -> None:
    """Take a file out of the folder, or refuse with NotPublished."""
    target = _inside(name)
    if target is None or not target.is_file():
        raise NotPublished
    if not dry_run:
        target.unlink()


def _inside(name: str) -> Path | None:
    joined = safe_join(str(published_folder()), name)
    parts = Path(name).parts
    if joined is None or not parts or _is_hidden(name):
        return None
    return Path(joined) if all(len(part.encode()) <= LONGEST for part in parts) else None


def _is_hidden(name: str) -> bool:
    return any(part.startswith('.') for part in Path(name).parts)
