"""Routes for invitations."""

from typing import NotRequired, TypedDict

from marshmallow import Schema, fields, validate

from project.auth import service
from project.auth.errors import InvitationInvalid, PasswordTooWeak, UsernameMissing
from project.core.web.endpoints.access import current_principal, public, requires
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import EmailAddress, Password, Text
from project.users.errors import (
    EmailTaken,
    PrivilegeEscalation,
    RoleUnknown,
    UsernameReserved,
    UsernameTaken,
)
from project.users.permissions import INVITE, MEMBER
from project.users.rows import UserRow
from project.users.schemas import Username, UserSchema

from . import blueprint

# The example of an email address that no user has.
INVITED_EMAIL = 'chien-shiung@example.com'


class InvitationCreateRequest(Schema):
    """The email address to invite, and the roles of the new user."""

    email = EmailAddress(required=True, metadata={'example': INVITED_EMAIL})
    roles = fields.List(
        fields.Str(validate=validate.Length(1, 32)),
        load_default=lambda: [MEMBER],
        validate=validate.Length(1, 50),
        metadata={'description': 'The names of existing roles.'},
    )


class InvitationCreateBody(TypedDict):
    """The values of an `InvitationCreateRequest`."""

    email: str
    roles: list[str]


@blueprint.post('/invitations')
@endpoint(
    allow=requires(INVITE), body=InvitationCreateRequest, code=202, limit='60/15 minutes',
    errors=[RoleUnknown, PrivilegeEscalation],
)  # fmt: skip
def invitation_create(body: InvitationCreateBody) -> None:
    """Invite a person by mail.

    The response is the same for known and unknown email addresses. The code is valid for seven
    days; a new invitation voids the previous one. A role with a permission that you do not hold
    returns 403. After ten mails a day to one email address, no further mail is sent that day, and
    the newest code stays valid.
    """
    service.invite(current_principal(), **body)


class InvitationReplaceRequest(Schema):
    """The acceptance of an invitation: code, password, and username if the user is new."""

    email = EmailAddress(required=True, metadata={'example': INVITED_EMAIL})
    code = Text(
        required=True,
        min=1,
        max=32,
        metadata={'description': 'The code of the mail.', 'example': 'ABCD-EFGH-IJKL-MNOP'},
    )
    password = Password(required=True, min=8)
    username = Username()


class InvitationReplaceBody(TypedDict):
    """The values of an `InvitationReplaceRequest`."""

    email: str
    code: str
    password: str
    username: NotRequired[str]


@blueprint.put('/invitations')
@endpoint(
    operation_id='acceptInvitation',
    allow=public, body=InvitationReplaceRequest, returns=UserSchema, code=201,
    limit='60/15 minutes', hashes_password=True,
    errors=[
        InvitationInvalid, UsernameMissing, UsernameTaken, UsernameReserved, EmailTaken,
        PasswordTooWeak,
    ],
    location=('api_v1.users.user', 'user_id'), versioned=True,
)  # fmt: skip
def invitation_replace(body: InvitationReplaceBody) -> UserRow:
    """Accept an invitation: choose a password, and a username if you have none yet.

    Case and dashes of the code do not matter. A wrong, used, expired or replaced code returns 422
    `code`.
    """
    return service.accept_invitation(**body)
