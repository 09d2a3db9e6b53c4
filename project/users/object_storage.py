"""What users has in the kernel's storage, under its own prefixes: pictures, and exports."""

from uuid import UUID, uuid4

from project.core.storage import Staged, Stored, storage


def new_picture_key(user_id: int) -> str:
    """Return where a new picture of a user will lie; no other ever does."""
    return f'avatars/{user_id}/{uuid4().hex}'


def export_key(export_id: UUID) -> str:
    """Return where the ZIP of an export lies."""
    return f'exports/{export_id.hex}'


def keep(key: str, data: bytes) -> None:
    """Put bytes under a key, durably. Slow, so never inside `atomic`."""
    with storage().stage() as staged:
        staged.write(data)
        staged.prepare(key)
        staged.keep(key)


def stage() -> Staged:
    """Return a place for bytes of which nobody knows yet how many there will be."""
    return storage().stage()


def open_stored(key: str) -> Stored:
    """Open what lies under a key."""
    return storage().open(key)


def remove(key: str) -> None:
    """Forget what lies under a key; forgetting nothing is fine."""
    storage().remove(key)
