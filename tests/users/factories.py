"""Factories of users."""

from datetime import timedelta
from typing import Any

from factory import LazyAttribute, LazyFunction, Sequence, SubFactory, Trait, post_generation

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.security.principal import Principal
from project.core.version_preconditions import Precondition
from project.users.models import (
    DISABLED,
    Export,
    RoleDefinition,
    User,
    UserRole,
    email_key,
    permissions_of,
)
from project.users.schemas import UserSchema
from tests.factories import ModelFactory


class UserFactory(ModelFactory):
    """A user, by default an active member.

    `roles=['member', 'admin']` creates an admin, `disabled=True` a disabled user, and
    `veteran=True` a user created three years ago.
    """

    class Meta:
        model = User

    class Params:
        disabled = Trait(status=DISABLED)
        veteran = Trait(created_at=LazyFunction(lambda: now() - timedelta(days=3 * 365)))

    # A counter makes names unique. Random names would collide in some runs.
    username = Sequence(lambda n: f'user{n}')
    email = LazyAttribute(lambda user: f'{user.username}@example.com')
    email_key = LazyAttribute(lambda user: email_key(user.email))
    name = 'Ada Lovelace'
    bio = ''

    @post_generation
    def roles(user: Any, create: bool, names: Any, **_: Any) -> None:
        """Add the roles after the user is saved."""
        if create:
            with atomic():
                for name in names or ['member']:
                    db.session.add(UserRole(user_id=user.id, role=name))


class AdminFactory(UserFactory):
    """A user with the role `admin`, which has all permissions."""

    class Meta:
        model = User

    username = Sequence(lambda n: f'admin{n}')

    @post_generation
    def roles(user: Any, create: bool, _names: Any, **__: Any) -> None:
        """Add the roles `member` and `admin`."""
        if create:
            with atomic():
                for name in ('member', 'admin'):
                    db.session.add(UserRole(user_id=user.id, role=name))


class RoleDefinitionFactory(ModelFactory):
    """Role without permissions."""

    class Meta:
        model = RoleDefinition

    name = Sequence(lambda n: f'role{n}')
    permissions: list[str] = []


class ExportFactory(ModelFactory):
    """Pending export of a user's data."""

    class Meta:
        model = Export

    class Params:
        user = SubFactory(UserFactory)

    user_id = LazyAttribute(lambda export: export.user.id)
    expires_at = LazyFunction(lambda: now() + timedelta(days=7))


def user_etag(user: Any, version: int | None = None) -> str:
    """Return the `ETag` of a user; with `version`, that of another version of the same user."""
    found = User.find(user.id)
    assert found is not None
    return f'"{UserSchema.etag(found._replace(version=version or found.version))}"'


def condition_on(user: Any, *versions: int) -> Precondition:
    """Return the condition that a user has one of these versions, by default the present one."""
    etags = [user_etag(user, version).strip('"') for version in versions or [None]]
    return Precondition(must_exist=True, accepted=frozenset(etags))


def principal_of(user: Any, **changes: Any) -> Principal:
    """Return the principal of a user, as the guard creates it.

    :param changes: fields that differ from those of the user, such as `permissions`.
    """
    found = User.find(user.id)
    assert found is not None
    known = {
        'user_id': found.id,
        'username': found.username,
        'permissions': permissions_of(found.roles),
        'session_id': None,
        'authenticated_at': now(),
    }
    return Principal(**{**known, **changes})
