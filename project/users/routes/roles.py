"""Routes for roles."""

from typing import TypedDict

from marshmallow import Schema, fields, validate

from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.web.endpoints.access import current_principal, requires
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.locations import PutResult
from project.core.web.requests.fields import PermissionName
from project.core.web.requests.pagination import ListQuery, sort_by
from project.core.web.responses.etags import version_precondition
from project.users import service
from project.users.errors import (
    LastAdmin,
    PermissionUnknown,
    PrivilegeEscalation,
    RoleBuiltIn,
    RoleChanged,
    RoleInvalid,
    RoleNotFound,
    RoleUnknown,
    UserChanged,
    UserNotFound,
)
from project.users.permissions import ROLES_READ, ROLES_WRITE
from project.users.rows import RoleRow, UserRow
from project.users.schemas import RoleSchema, UserSchema

from . import blueprint

NAME_ARGUMENT = {'name': {'description': 'The name of the role.'}}


class RoleListQuery(ListQuery):
    """Query of the list of roles."""

    sort = sort_by('name')


@blueprint.get('/roles')
@endpoint(
    allow=requires(ROLES_READ), query=RoleListQuery, returns=RoleSchema, many=True,
    errors=[CursorInvalid],
)  # fmt: skip
def role_list(page: PageRequest) -> Page[RoleRow]:
    """List the roles and their permissions."""
    return service.list_roles(page)


@blueprint.get('/roles/<string:name>')
@endpoint(
    allow=requires(ROLES_READ), arguments=NAME_ARGUMENT, returns=RoleSchema, versioned=True,
    errors=[RoleNotFound],
)  # fmt: skip
def role_show(name: str) -> RoleRow:
    """Show a role and its permissions."""
    return service.get_role(name)


class RoleReplaceRequest(Schema):
    """The permissions of a role."""

    permissions = fields.List(
        PermissionName(),
        required=True,
        validate=validate.Length(max=500),
        metadata={
            'description': 'All permissions that the role gives.',
            'example': ['profile:read'],
        },
    )


class RoleReplaceBody(TypedDict):
    """The values of a `RoleReplaceRequest`."""

    permissions: list[str]


@blueprint.put('/roles/<string:name>')
@endpoint(
    allow=requires(ROLES_WRITE), arguments=NAME_ARGUMENT,
    body=RoleReplaceRequest, returns=RoleSchema, versioned=True,
    limit='600/hour', may_create=True,
    errors=[RoleInvalid, RoleBuiltIn, RoleChanged, PermissionUnknown, PrivilegeEscalation],
)  # fmt: skip
def role_replace(name: str, body: RoleReplaceBody) -> PutResult:
    """Set the permissions of a role, or create it: 201. With `If-None-Match: *`, only create it.

    The change applies to the next request of each user with the role. If you lack one of the old or
    new permissions of the role, the response is 403.
    """
    role = service.define_role(
        name, body['permissions'], by=current_principal(), expected=version_precondition()
    )
    # Each change of an existing role increments its version.
    return PutResult(role, is_new=role.version == 1)


@blueprint.delete('/roles/<string:name>')
@endpoint(
    allow=requires(ROLES_WRITE), arguments=NAME_ARGUMENT, versioned=True,
    errors=[RoleBuiltIn, RoleNotFound, RoleChanged, PrivilegeEscalation],
)  # fmt: skip
def role_delete(name: str) -> None:
    """Delete a role. All users lose it."""
    service.delete_role(name, by=current_principal(), expected=version_precondition())


class UserRolesReplaceRequest(Schema):
    """The roles of a user."""

    roles = fields.List(
        fields.Str(validate=validate.Length(1, 32)),
        required=True,
        validate=validate.Length(max=50),
        metadata={
            'description': 'The names of all roles of the user, which must exist.',
            'example': ['member'],
        },
    )


class UserRolesReplaceBody(TypedDict):
    """The values of an `UserRolesReplaceRequest`."""

    roles: list[str]


@blueprint.put('/<int:user_id>/roles')
@endpoint(
    allow=requires(ROLES_WRITE), body=UserRolesReplaceRequest, returns=UserSchema, versioned=True,
    limit='600/hour',
    errors=[UserNotFound, UserChanged, RoleUnknown, LastAdmin, PrivilegeEscalation],
)  # fmt: skip
def user_roles_replace(user_id: int, body: UserRolesReplaceBody) -> UserRow:
    """Replace the roles of a user.

    All users have the default permissions, even without a role. If the user has, loses or gets a
    permission that you do not hold, the response is 403.
    """
    return service.set_roles(
        user_id, body['roles'], by=current_principal(), expected=version_precondition()
    )
