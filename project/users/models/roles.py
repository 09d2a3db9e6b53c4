"""Table of roles. A role is a named set of permissions, which features declare."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, Table, event, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.keyset_pagination import Keyset
from project.core.database.rows import select_row
from project.core.database.session import Base, execute_select
from project.core.database.types import UTCDateTime, WordList
from project.core.security.permissions import all_permissions
from project.core.version_preconditions import digest_of
from project.users.permissions import (
    ADMIN,
    BUILT_IN,
    built_in_permissions,
    permissions_of_role,
)
from project.users.rows import RoleRow


class RoleDefinition(Base):
    """A role and its permissions.

    Those of built-in roles are defined in the code, not in the row.
    """

    __tablename__ = 'users_role_permissions'

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    permissions: Mapped[list[str]] = mapped_column(WordList)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    @classmethod
    def find(cls, name: str) -> RoleRow | None:
        """Return the role with a name, or None."""
        return select_row(RoleRow, ROLE_SELECT.where(cls.name == name))

    @classmethod
    def lock(cls, name: str) -> None:
        """Lock a role until the transaction ends.

        In the meantime, it can still be granted to users.
        """
        execute_select(select(cls.name).where(cls.name == name).with_for_update(key_share=True))

    @classmethod
    def lock_for_share(cls, names: Iterable[str]) -> set[str]:
        """Return the existing ones of these roles; share-lock them until the transaction ends."""
        there = select(cls.name).where(cls.name.in_(set(names)))
        return set(execute_select(there.with_for_update(read=True)).scalars())


def role_etag(role: RoleRow) -> str:
    """Return the ETag of a role.

    A role that is deleted and created again has the versions of the old one again, but another time
    of creation. A new release may change the permissions of a role without a change of its row.
    """
    created = int(role.created_at.timestamp() * 1_000_000)
    held = permissions_of_role(role.name, role.permissions)
    return f'{created:x}-{role.version}-{digest_of(held)}'


ROLE_SELECT = select(
    RoleDefinition.name, RoleDefinition.permissions, RoleDefinition.version,
    RoleDefinition.created_at, RoleDefinition.updated_at,
)  # fmt: skip

ROLES = Keyset(
    RoleRow,
    'users_roles',
    sorts={'name': RoleDefinition.name},
    key=RoleDefinition.name,
    default='name',
)


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """Return the current permissions of a user who has these roles.

    It queries the database only for roles that are not built-in. Permissions that features no
    longer declare are left out.
    """
    roles = set(roles)
    held = built_in_permissions(roles)
    own = roles.difference(BUILT_IN)
    if not own or ADMIN in roles:
        return held
    given = execute_select(select(RoleDefinition.permissions).where(RoleDefinition.name.in_(own)))
    return held.union(*given.scalars()) & all_permissions()


@event.listens_for(RoleDefinition.__table__, 'after_create')
def add_built_in(table: Table, connection: Connection, **_: Any) -> None:
    """Insert the built-in roles when the table is created, as the migration does."""
    connection.execute(insert(table), [{'name': name, 'permissions': []} for name in BUILT_IN])
