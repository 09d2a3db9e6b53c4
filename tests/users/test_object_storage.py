"""Keys of avatars in the object storage."""

from sqlalchemy import select

from project.core.database.session import db
from project.users import object_storage
from project.users.models import User


def test_new_avatar_key_is_unique(picture):
    keys = {object_storage.new_avatar_key(1) for _ in range(1000)}

    assert len(keys) == 1000
    assert db.session.scalars(select(User.avatar).where(User.avatar.is_not(None))).all() == []
