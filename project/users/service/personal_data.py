"""What users itself holds about a user: how it is shown, and how it is let go of."""

from collections.abc import Iterator

from sqlalchemy import delete

from project.core.database.session import db, read
from project.core.tasks import forget_subject
from project.users import object_storage
from project.users.models import SHOWN, Export, User, UserRole
from project.users.personal_data import Part, holds, json_part

from .avatars import forget_avatar
from .exports import forget_exports

BLOCK = 1024 * 1024

WHOLE = SHOWN.add_columns(User.last_login)


def export_user(user_id: int) -> Iterator[Part]:
    """Yield who a user is to others, their picture, and the exports they asked for."""
    yield json_part('users/user.json', read(WHOLE.where(User.id == user_id)))
    if key := User.avatar_of(user_id):
        with object_storage.open_stored(key) as picture:
            yield Part('users/avatar.webp', iter(lambda: picture.read(BLOCK), b''), is_packed=True)
    yield json_part('users/exports.json', Export.find_all(user_id))


@holds(
    'users',
    tables={
        'users': 'users/user.json',
        'users_roles': 'users/user.json',
        'users_exports': 'users/exports.json',
        # What is about to be done, with the secrets that it takes.
        'core_tasks': None,
    },
    export=export_user,
)
def forget_user(user_id: int) -> None:
    """Let go of a user's roles, picture and exports, and of what waits to be done about them."""
    db.session.execute(delete(UserRole).where(UserRole.user_id == user_id))
    forget_subject(user_id)
    forget_avatar(user_id, User.avatar_of(user_id))
    forget_exports(Export.user_id == user_id)
