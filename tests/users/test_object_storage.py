"""Keys of avatars in the object storage."""

from sqlalchemy import select

from project.core.database.session import db
from project.users import object_storage
from project.users.models import User


def test_no_picture_lies_where_another_could(picture):
    keys = {object_storage.new_avatar_key(1) for _ in range(1000)}

    assert len(keys) == 1000
    assert db.session.scalars(select(User.avatar).where(User.avatar.is_not(None))).all() == []
