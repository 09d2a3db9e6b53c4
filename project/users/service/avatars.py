"""Avatars: a picture of each user, as we have made it out of what they sent."""

from datetime import timedelta
from typing import IO

from flask import current_app

from project.core.clock import now
from project.core.database.session import AnyRow, atomic, db, locks_user, non_atomic
from project.core.images import resize_to_webp
from project.core.storage import StoredObject
from project.core.tasks import enqueue_at, task
from project.users import object_storage
from project.users.errors import AvatarNotFound, AvatarTooLarge, UserNotFound
from project.users.models import User

from .users import get_profile, get_user

AVATAR_EDGE_PIXELS = 256  # pixels

# Whoever wanted to keep a picture has done so by then, or never will.
UNSAVED_AVATAR_LIFETIME = timedelta(hours=1)

# Whoever has just read where a picture lies has opened it by then.
DELETION_DELAY = timedelta(minutes=1)


@non_atomic
def set_avatar(user_id: int, image: IO[bytes]) -> AnyRow:
    """Make a user's avatar out of an image: the square in its middle, without metadata.

    Returns the profile. Refuses with AvatarTooLarge, and as `resize_to_webp` does.
    """
    if image.seek(0, 2) > current_app.config['USERS_AVATAR_MAX_SIZE']:
        raise AvatarTooLarge
    picture = resize_to_webp(image, edge=AVATAR_EDGE_PIXELS, square=True)
    key = object_storage.new_avatar_key(user_id)
    with atomic():
        # First who cleans up after us, should we die before anybody knows of the bytes.
        enqueue_at(now() + UNSAVED_AVATAR_LIFETIME, delete_avatar_blob, user_id, key)
    object_storage.save(key, picture)
    _replace(user_id, key)
    return get_profile(get_user(user_id).username)


def remove_avatar(user_id: int) -> None:
    """Take a user's avatar away, or refuse with AvatarNotFound."""
    if not _replace(user_id, None):
        raise AvatarNotFound


def open_avatar(username: str) -> tuple[str, StoredObject]:
    """Return what tells an avatar from others, and its open bytes (WebP).

    Refuses with NoSuchUsername, and with AvatarNotFound a user who has none.
    """
    key = get_profile(username).profile_image
    if key is None:
        raise AvatarNotFound
    return key.rpartition('/')[2], object_storage.open_object(key)


@task(unique=['user_id', 'key'])
def delete_avatar_blob(user_id: int, key: str) -> None:
    """Remove a picture that its user does not have (any more). Run twice, it finds none."""
    if User.find_avatar_key(user_id) != key:
        object_storage.delete(key)


@locks_user('user_id')
def _replace(user_id: int, key: str | None) -> bool:
    """Name another picture, or none, as a user's; tell whether there was one before."""
    user = db.session.get(User, user_id)
    if user is None:
        # Deleted while their picture was made.
        raise UserNotFound
    was, user.avatar = user.avatar, key
    enqueue_avatar_deletion(user_id, was)
    return was is not None


def enqueue_avatar_deletion(user_id: int, key: str | None) -> None:
    """Have the bytes of a picture removed soon, that nobody will name any more. In `atomic`."""
    if key is not None:
        enqueue_at(now() + DELETION_DELAY, delete_avatar_blob, user_id, key)
