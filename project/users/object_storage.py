"""Storage keys of avatars and exports."""

from uuid import UUID, uuid4

from project.core.storage import StoredObject, storage


def new_avatar_key(user_id: int) -> str:
    """Return a unique key for a new avatar of a user."""
    return f'avatars/{user_id}/{uuid4().hex}'


def new_export_key(export_id: UUID) -> str:
    """Return a unique key for the ZIP that one attempt of the export task writes."""
    return f'exports/{export_id.hex}/{uuid4().hex}'


def open_object(key: str) -> StoredObject:
    """Open the object with a key.

    :raises ServiceUnavailable: if it is missing, or the storage fails.
    """
    return storage().open(key)
