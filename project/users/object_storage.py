"""What users has in the kernel's storage, under its own prefixes: pictures, and exports."""

from uuid import UUID, uuid4

from project.core.storage import StagedObject, StoredObject, storage


def new_avatar_key(user_id: int) -> str:
    """Return where a new picture of a user will lie; no other ever does."""
    return f'avatars/{user_id}/{uuid4().hex}'


def export_key(export_id: UUID) -> str:
    """Return where the ZIP of an export lies."""
    return f'exports/{export_id.hex}'


def save(key: str, data: bytes) -> None:
    """Put bytes under a key, durably. Slow, so never inside `atomic`."""
    with storage().create_staged() as staged:
        staged.write(data)
        staged.prepare(key)
        staged.save(key)


def create_staged() -> StagedObject:
    """Return a place for bytes of which nobody knows yet how many there will be."""
    return storage().create_staged()


def open_object(key: str) -> StoredObject:
    """Open what lies under a key."""
    return storage().open(key)


def delete(key: str) -> None:
    """Forget what lies under a key; forgetting nothing is fine."""
    storage().delete(key)
