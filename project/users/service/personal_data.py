"""Export and erasure of the personal data of the feature `users`."""

from collections.abc import Iterator

from sqlalchemy import delete

from project.core.database.session import db, execute_select
from project.core.deprecated_calls import delete_calls_of, export_calls
from project.core.idempotency import delete_idempotency_keys_of, export_idempotency_keys
from project.core.tasks import delete_tasks_of_subject
from project.users import object_storage
from project.users.models import USER_SELECT, Export, User, UserRole
from project.users.personal_data import ExportFile, json_part, register_personal_data

from .exports import delete_exports

READ_CHUNK_BYTES = 1024 * 1024

EXPORTED_USER = USER_SELECT.add_columns(User.last_login)


def export_user(user_id: int) -> Iterator[ExportFile]:
    """Yield the export files of a user.

    They contain the user's row, avatar, exports, calls of deprecated routes and idempotency keys.
    """
    yield json_part('users/user.json', execute_select(EXPORTED_USER.where(User.id == user_id)))
    if key := User.find_avatar_key(user_id):
        with object_storage.open_object(key) as picture:
            yield ExportFile(
                'users/avatar.webp',
                iter(lambda: picture.read(READ_CHUNK_BYTES), b''),
                is_packed=True,
            )
    yield json_part('users/exports.json', Export.find_all(user_id))
    yield json_part('users/deprecated_calls.json', export_calls(user_id))
    yield json_part('users/idempotency_keys.json', export_idempotency_keys(user_id))


@register_personal_data(
    'users',
    tables={
        'users': 'users/user.json',
        'users_roles': 'users/user.json',
        'users_exports': 'users/exports.json',
        'core_deprecated_calls': 'users/deprecated_calls.json',
        'core_idempotency_keys': 'users/idempotency_keys.json',
        # Tasks are not exported, because their arguments contain secrets.
        'core_tasks': None,
    },
    export=export_user,
)
def erase_user_data(user_id: int) -> None:
    """Delete a user's roles, exports, pending tasks, counts of deprecated routes and keys.

    These rows are few. So this function deletes all of them in the transaction that closes the
    account.
    """
    db.session.execute(delete(UserRole).where(UserRole.user_id == user_id))
    delete_tasks_of_subject(user_id)
    delete_calls_of(user_id)
    delete_idempotency_keys_of(user_id)
    delete_exports(Export.user_id == user_id)
