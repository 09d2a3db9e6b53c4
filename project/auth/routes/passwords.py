"""Routes that change and reset passwords."""

from typing import TypedDict

from marshmallow import Schema

from project.auth import service
from project.auth.errors import PasswordTooWeak, WrongPassword, WrongPin
from project.auth.schemas import DeviceSchema
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import authenticated, current_principal, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import EmailAddress, Password, PinCode

from . import blueprint


class PasswordReplaceRequest(Schema):
    """The current and the new password."""

    current_password = Password(required=True)
    new_password = Password(required=True, min=8)


class PasswordReplaceBody(TypedDict):
    """The values of a `PasswordReplaceRequest`."""

    current_password: str
    new_password: str


@blueprint.put('/password')
@endpoint(
    operation_id='changePassword',
    allow=authenticated(), body=PasswordReplaceRequest, limit='20/15 minutes',
    hashes_password=True,
    errors=[WrongPassword, PasswordTooWeak, TooManyAttempts],
)  # fmt: skip
def password_replace(body: PasswordReplaceBody) -> None:
    """Change your password. Your other sessions end, and a mail notifies you.

    After ten wrong passwords in this session within 15 minutes, the response is 429 `attempts`.
    """
    service.change_password(current_principal(), **body)


class PasswordResetCreateRequest(Schema):
    """The email address of an account."""

    email = EmailAddress(required=True)


class PasswordResetCreateBody(TypedDict):
    """The values of a `PasswordResetCreateRequest`."""

    email: str


@blueprint.post('/password-resets')
@endpoint(
    operation_id='requestPasswordReset',
    allow=public, body=PasswordResetCreateRequest, code=202, limit='20/15 minutes',
)  # fmt: skip
def password_reset_create(body: PasswordResetCreateBody) -> None:
    """Mail a PIN for a new password to an email address, if a user has it.

    The response is always the same. After ten mails a day to one email address, a further mail is
    sent only if no code is valid.
    """
    service.request_reset(body['email'])


class PasswordResetReplaceRequest(Schema):
    """The PIN for a new password, and the new password."""

    email = EmailAddress(required=True)
    pin = PinCode(required=True)
    new_password = Password(required=True, min=8)


class PasswordResetReplaceBody(TypedDict):
    """The values of a `PasswordResetReplaceRequest`."""

    email: str
    pin: str
    new_password: str


@blueprint.put('/password-resets')
@endpoint(
    operation_id='resetPassword',
    allow=public, body=PasswordResetReplaceRequest, returns=DeviceSchema, limit='60/15 minutes',
    hashes_password=True, errors=[WrongPin, PasswordTooWeak, TooManyAttempts],
)  # fmt: skip
def password_reset_replace(body: PasswordResetReplaceBody) -> dict[str, str]:
    """Set a new password with a PIN.

    All your sessions end, your API keys are deleted, and a mail notifies you. A wrong, used,
    expired or replaced PIN returns 422 `pin`. Log in afterwards, with your second factor if you
    have one. Send the returned `device` with that login, so that failed logins from other devices
    do not block it.
    """
    return {'device': service.reset_password(**body)}
