"""Routes for users and profiles."""

from typing import NotRequired, TypedDict, cast

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.errors import ReauthenticationRequired, Unauthorized
from project.core.web.endpoints.access import (
    authenticated,
    current_principal,
    owner_or,
    public,
    requires,
)
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import EmailAddress, Text
from project.core.web.requests.pagination import ListQuery, sort_by
from project.core.web.responses.etags import version_precondition
from project.users import service
from project.users.errors import (
    EmailTaken,
    LastAdmin,
    NoSuchUsername,
    OwnEmailAddress,
    PrivilegeEscalation,
    RoleUnknown,
    UserChanged,
    UsernameReserved,
    UsernameTaken,
    UserNotFound,
)
from project.users.name_patterns import RESERVED_USERNAMES, USERNAME
from project.users.permissions import (
    DELETE,
    MEMBER,
    PROFILE_READ,
    PROFILE_WRITE,
    READ,
    WRITE,
)
from project.users.rows import ProfileRow, UserRow
from project.users.schemas import Username, UserProfileSchema, UserSchema

from . import blueprint

# A username is never a number. So a path segment below `/users` is either a username or an id.
USERNAME_ARGUMENT = {
    'username': {
        'description': 'The name of the user.',
        'pattern': USERNAME,
        'maxLength': 32,
        'not': {'enum': sorted(RESERVED_USERNAMES)},
    }
}

TAKEN_ERRORS = (UsernameTaken, EmailTaken, UsernameReserved)
CHANGE_ERRORS = (PrivilegeEscalation, OwnEmailAddress, ReauthenticationRequired)


class UserListQuery(ListQuery):
    """Query of the list of users."""

    email = fields.Str(validate=validate.Length(max=254))
    username = fields.Str(validate=validate.Length(max=32))
    role = fields.Str(
        validate=validate.Length(max=32), metadata={'description': 'Only users with this role.'}
    )
    status = fields.Str(validate=validate.OneOf(('active', 'disabled')))
    sort = sort_by('id', 'username', 'created_at')


class UserReplaceRequest(Schema):
    """The replaceable fields of a user."""

    username = Username(required=True, metadata={'example': 'emmy'})
    email = EmailAddress(required=True, metadata={'example': 'emmy@example.com'})
    name = Text(max=80, load_default='', metadata={'example': 'Emmy Noether'})
    bio = Text(max=1000, lines=True, load_default='')


class UserReplaceBody(TypedDict):
    """The values of an `UserReplaceRequest`."""

    username: str
    email: str
    name: str
    bio: str


class UserCreateRequest(UserReplaceRequest):
    """A new user."""

    # The examples differ from those for PUT, so that both requests succeed.
    username = Username(required=True, metadata={'example': 'rosalind'})
    email = EmailAddress(required=True, metadata={'example': 'rosalind@example.com'})
    name = Text(max=80, load_default='', metadata={'example': 'Rosalind Franklin'})
    roles = fields.List(
        fields.Str(validate=validate.Length(1, 32)),
        load_default=lambda: [MEMBER],
        validate=validate.Length(1, 50),
        metadata={'description': 'The names of existing roles.'},
    )


class UserCreateBody(TypedDict):
    """The values of an `UserCreateRequest`."""

    username: str
    email: str
    name: str
    bio: str
    roles: list[str]


class UsersView(MethodView):
    """Routes `/users`: the list of users."""

    init_every_request = False

    @endpoint(
        allow=requires(READ),
        query=UserListQuery,
        returns=UserSchema,
        many=True,
        errors=[CursorInvalid],
    )
    def get(self, page: PageRequest) -> Page[UserRow]:
        """List users."""
        return service.list_users(page)

    @endpoint(
        allow=requires(WRITE), body=UserCreateRequest, returns=UserSchema, code=201, versioned=True,
        limit='120/hour', idempotent=True,
        errors=[*TAKEN_ERRORS, RoleUnknown, PrivilegeEscalation], location=('.user', 'user_id'),
    )  # fmt: skip
    def post(self, body: UserCreateBody) -> UserRow:
        """Create a user.

        The user gets an invitation by mail, with a code to set a password. A role with a permission
        that you do not hold returns 403.
        """
        return service.create_user(**body, invite=True, by=current_principal())


class UserPatchRequest(Schema):
    """The fields of a user to change."""

    username = Username()
    email = EmailAddress()
    name = Text(max=80, metadata={'example': 'Ada Lovelace'})
    bio = Text(max=1000, lines=True)


class UserPatchBody(TypedDict):
    """The values of an `UserPatchRequest`."""

    username: NotRequired[str]
    email: NotRequired[str]
    name: NotRequired[str]
    bio: NotRequired[str]


class UserView(MethodView):
    """Routes `/users/<user_id>`: one user."""

    init_every_request = False

    @endpoint(
        allow=owner_or(READ, scope=PROFILE_READ), returns=UserSchema, versioned=True,
        errors=[UserNotFound],
    )  # fmt: skip
    def get(self, user_id: int) -> UserRow:
        """Show your own user. With `users:read`, you can show any user."""
        return service.get_user(user_id)

    @endpoint(
        allow=requires(WRITE), body=UserReplaceRequest, returns=UserSchema, versioned=True,
        limit='600/hour',
        errors=[*TAKEN_ERRORS, UserNotFound, UserChanged, *CHANGE_ERRORS],
    )  # fmt: skip
    def put(self, user_id: int, body: UserReplaceBody) -> UserRow:
        """Replace username, email address, name and bio of a user.

        A missing name or bio becomes empty.
        """
        return service.update_user(
            user_id, body, by=current_principal(), expected=version_precondition()
        )

    @endpoint(
        allow=owner_or(WRITE, scope=PROFILE_WRITE), body=UserPatchRequest, returns=UserSchema,
        versioned=True, limit='600/hour',
        errors=[*TAKEN_ERRORS, UserNotFound, UserChanged, *CHANGE_ERRORS],
    )  # fmt: skip
    def patch(self, user_id: int, body: UserPatchBody) -> UserRow:
        """Change those fields of a user that the request contains.

        You can change your own `name` and `bio`; all other changes need `users:write`. To change
        your own email address, use `POST /auth/email-changes`.
        """
        return service.update_user(
            user_id, body, by=current_principal(), expected=version_precondition()
        )

    @endpoint(
        allow=requires(DELETE), versioned=True,
        errors=[
            UserNotFound, UserChanged, LastAdmin, PrivilegeEscalation, ReauthenticationRequired,
        ],
    )  # fmt: skip
    def delete(self, user_id: int) -> None:
        """Delete a user and all their data. Deleting yourself requires a fresh login.

        The account is closed immediately. Its username and email address become available, and
        requests can no longer access its data. A task erases the data later.
        """
        service.delete_user(user_id, by=current_principal(), expected=version_precondition())


blueprint.add_url_rule('', view_func=UsersView.as_view('users'))
blueprint.add_url_rule('/<int:user_id>', view_func=UserView.as_view('user'))


@blueprint.get('/me')
@endpoint(
    operation_id='getCurrentUser', allow=authenticated(PROFILE_READ), returns=UserSchema,
    versioned=True,
)  # fmt: skip
def user_me() -> UserRow:
    """Show your user."""
    return cast(UserRow, current_principal().user)


@blueprint.patch('/me')
@endpoint(
    operation_id='updateCurrentUser',
    allow=authenticated(PROFILE_WRITE), body=UserPatchRequest, returns=UserSchema, versioned=True,
    limit='120/hour',
    errors=[*TAKEN_ERRORS, UserNotFound, UserChanged, *CHANGE_ERRORS],
)  # fmt: skip
def user_me_update(body: UserPatchBody) -> UserRow:
    """Change your own user.

    All users can change their `name` and `bio`; a new username needs `users:write` and a fresh
    login. To change your email address, use `POST /auth/email-changes`.
    """
    asker = current_principal()
    return service.update_user(asker.user_id, body, by=asker, expected=version_precondition())


@blueprint.delete('/me')
@endpoint(
    operation_id='deleteCurrentUser', allow=authenticated(fresh=True), versioned=True,
    errors=[UserNotFound, UserChanged, LastAdmin],
)  # fmt: skip
def user_me_delete() -> None:
    """Delete your account and all your data. Requires a fresh login.

    The account is closed immediately, and requests can no longer access its data. A task erases the
    data later.
    """
    service.delete_user(
        current_principal().user_id, by=current_principal(), expected=version_precondition()
    )


@blueprint.get('/me/profile')
@endpoint(
    operation_id='getCurrentUserProfile', allow=authenticated(PROFILE_READ),
    returns=UserProfileSchema, errors=[NoSuchUsername],
)  # fmt: skip
def user_me_profile() -> ProfileRow:
    """Show your profile."""
    return service.get_profile(current_principal().username)


@blueprint.get('/<string:username>')
@endpoint(
    allow=public, limit='120/minute', arguments=USERNAME_ARGUMENT,
    # The error Unauthorized: if the path segment is a number, the request matches the route for
    # user ids, which requires a login.
    errors=[NoSuchUsername, Unauthorized],
)  # fmt: skip
def username_show(username: str) -> None:
    """Return whether a username exists: success with `null`, or 404."""
    service.require_username_exists(username)


@blueprint.get('/<string:username>/profile')
@endpoint(
    operation_id='getUserProfile', allow=public, returns=UserProfileSchema,
    errors=[NoSuchUsername], arguments=USERNAME_ARGUMENT, limit='120/minute',
)  # fmt: skip
def user_profile(username: str) -> ProfileRow:
    """Show the public profile of a user."""
    return service.get_profile(username)
