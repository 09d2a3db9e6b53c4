"""Misspelt names of the feature `files`; the type checker must report each.

`tests/users/misspellings.py` explains how this is checked.
"""

from uuid import UUID

from project.files import permissions
from project.files import service as files
from project.files.models import File, Link
from project.files.routes.files import FilePatchBody


def columns(user_id: int, file_id: UUID) -> list[object]:
    """Misspelt columns of rows, from models and services."""
    file, link = files.get_file(user_id, file_id), Link.find_live('hash')
    assert link is not None
    return [
        file.sha265,  # type: ignore[attr-defined]
        link.ownerid,  # type: ignore[attr-defined]
        File.find_owned(user_id, file_id).nmae,  # type: ignore[union-attr]
    ]


def bodies(change: FilePatchBody) -> object:
    """Misspelt fields of request bodies."""
    return change['tag']  # type: ignore[typeddict-item]


def names() -> object:
    """Misspelt permissions."""
    return permissions.RAED  # type: ignore[attr-defined]
