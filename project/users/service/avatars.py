"""Avatars, which the service makes from uploaded images."""

from typing import IO

from flask import current_app

from project.core.database.session import db, locks_user, non_atomic
from project.core.images import resize_to_webp
from project.core.storage import StoredObject
from project.core.stored_objects import (
    NewObject,
    ObjectKind,
    create_object,
    register_object_kind,
    release_objects,
)
from project.core.version_preconditions import ANY_VERSION, Precondition
from project.users import object_storage
from project.users.errors import AvatarChanged, AvatarNotFound, AvatarTooLarge, UserNotFound
from project.users.models import DELETED, User
from project.users.rows import StoredAvatar

from .users import get_profile, get_user

AVATAR_EDGE_PIXELS = 256

register_object_kind(
    ObjectKind(prefix='avatars', reference=User.avatar, size=User.avatar_size), owner=__name__
)


@non_atomic
def set_avatar(
    user_id: int, image: IO[bytes], *, expected: Precondition = ANY_VERSION
) -> StoredAvatar:
    """Set a user's avatar to the square in the middle of an image.

    :param expected: the condition on the ETag of the present avatar (`If-Match`).
    :raises AvatarChanged: if it does not meet the condition.
    :raises AvatarTooLarge: if the file is larger than `USERS_AVATAR_MAX_SIZE`.
    :raises ApiError: if the image cannot be decoded; see `resize_to_webp`.
    :raises UserNotFound: if the user was deleted in the meantime.
    """
    if image.seek(0, 2) > current_app.config['USERS_AVATAR_MAX_SIZE']:
        raise AvatarTooLarge
    picture = resize_to_webp(image, edge=AVATAR_EDGE_PIXELS, square=True)
    key = object_storage.new_avatar_key(user_id)
    with create_object() as new:
        new.write(picture)
        new.prepare(key)
        previous = _replace(user_id, key, new, expected=expected)
    profile = get_profile(get_user(user_id).username)
    return StoredAvatar(profile, _etag(key), is_new=previous is None)


def remove_avatar(user_id: int, *, expected: Precondition = ANY_VERSION) -> None:
    """Delete a user's avatar.

    :param expected: the condition on its ETag (`If-Match`).
    :raises AvatarNotFound: if the user has no avatar.
    :raises AvatarChanged: if it does not meet the condition.
    """
    if User.find_avatar_key(user_id) is None or _replace(user_id, None, expected=expected) is None:
        raise AvatarNotFound


def open_avatar(username: str) -> tuple[str, StoredObject]:
    """Return the ETag of an avatar, and its bytes (WebP) opened for reading.

    :raises NoSuchUsername: if no active user has this username.
    :raises AvatarNotFound: if the user has no avatar.
    """
    key = get_profile(username).profile_image
    if key is None:
        raise AvatarNotFound
    return _etag(key), object_storage.open_object(key)


def _etag(key: str) -> str:
    """Return the ETag of the avatar under a key. Each avatar has its own key."""
    return key.rpartition('/')[2]


@locks_user('user_id')
def _replace(
    user_id: int, key: str | None, new: NewObject | None = None, *, expected: Precondition
) -> str | None:
    """Replace a user's avatar by `new`, or delete it; return the key of the one before."""
    user = db.session.get(User, user_id)
    if user is None or user.status == DELETED:
        # The user was deleted while the avatar was made from the image.
        raise UserNotFound
    previous = user.avatar
    # The transaction has locked the user, so no other one can replace the avatar.
    if not expected.allows(_etag(previous) if previous else None):
        raise AvatarChanged
    user.avatar = key
    user.avatar_size = new.size if new else None
    if new and key:
        new.publish(key)
    if previous:
        release_objects([previous])
    return previous
