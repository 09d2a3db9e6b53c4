"""The published folder: files that operators publish for download without login."""

from pathlib import Path

from flask import current_app
from werkzeug.security import safe_join

from project.core.errors import NotFound
from project.files import public_folder
from project.files.errors import NotPublished, PublishedNameInvalid

MAX_NAME_BYTES = 255  # the limit of common file systems


def published_folder() -> Path:
    """Return the absolute path of the folder. Flask resolves relative paths differently."""
    return Path(current_app.config['FILES_PUBLIC_FOLDER']).absolute()


def get_published_path(name: str) -> Path:
    """Return the path of a published file.

    :raises NotFound: if no file is published under this name. Drafts are not published.
    """
    target = _inside(name)
    if target is None or not public_folder.exists(target):
        raise NotFound
    return target


def publish_file(source: Path, name: str) -> None:
    """Copy a file into the published folder. An existing file is never replaced.

    :raises PublishedNameInvalid: if the name is outside of the folder, hidden or too long.
    :raises AlreadyPublished: if the name is taken.
    """
    target = _inside(name)
    if target is None:
        raise PublishedNameInvalid
    public_folder.add(source, target, folder=published_folder())


def unpublish_file(name: str, *, dry_run: bool = False) -> None:
    """Delete a file from the published folder, or raise NotPublished."""
    target = _inside(name)
    if target is None or not public_folder.exists(target):
        raise NotPublished
    if not dry_run:
        public_folder.delete(target)


def _inside(name: str) -> Path | None:
    joined = safe_join(str(published_folder()), name)
    parts = Path(name).parts
    if joined is None or not parts or _is_hidden(name):
        return None
    return Path(joined) if all(len(part.encode()) <= MAX_NAME_BYTES for part in parts) else None


def _is_hidden(name: str) -> bool:
    return any(part.startswith('.') for part in Path(name).parts)
