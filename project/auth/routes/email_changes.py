"""Routes that change the email address of a user."""

from typing import TypedDict

from marshmallow import Schema

from project.auth import service
from project.auth.errors import WrongPin
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import EmailAddress, PinCode
from project.users.errors import EmailTaken
from project.users.rows import UserRow
from project.users.schemas import UserSchema

from . import blueprint


class EmailChangeCreateRequest(Schema):
    """The new email address."""

    new_email = EmailAddress(required=True, metadata={'example': 'lovelace@example.com'})


class EmailChangeCreateBody(TypedDict):
    """The values of an `EmailChangeCreateRequest`."""

    new_email: str


@blueprint.post('/email-changes')
@endpoint(
    operation_id='requestEmailChange',
    allow=authenticated(fresh=True), body=EmailChangeCreateRequest, code=202,
    limit='20/15 minutes',
    errors=[TooManyAttempts],
)  # fmt: skip
def email_change_create(body: EmailChangeCreateBody) -> None:
    """Mail a PIN to a new email address. The response is always the same.

    If another user has the email address, a notice is mailed to that user instead. You can send ten
    requests a day. From the third mail of a day to an email address on, the mail has a longer code
    instead of a PIN. After ten mails a day to an email address, another one is sent only if no code
    that was mailed there for you is still valid.
    """
    service.request_email_change(current_principal(), body['new_email'])


class EmailChangeReplaceRequest(Schema):
    """The PIN that confirms the new email address."""

    pin = PinCode(required=True)


class EmailChangeReplaceBody(TypedDict):
    """The values of an `EmailChangeReplaceRequest`."""

    pin: str


@blueprint.put('/email-changes')
@endpoint(
    operation_id='confirmEmailChange',
    allow=authenticated(), body=EmailChangeReplaceRequest, returns=UserSchema, versioned=True,
    limit='60/15 minutes',
    errors=[WrongPin, TooManyAttempts, EmailTaken],
)  # fmt: skip
def email_change_replace(body: EmailChangeReplaceBody) -> UserRow:
    """Replace your email address with the new one.

    A mail notifies both email addresses. A wrong, used, expired or replaced PIN returns 422 `pin`.
    """
    return service.confirm_email_change(current_principal(), body['pin'])
