"""Accounts over HTTP: registering, and confirming the address."""

from typing import Any

from marshmallow import Schema

from project.auth import service
from project.auth.errors import PasswordTooWeak, WrongPin
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import EmailAddress, Password, PinCode, Text
from project.users.errors import EmailTaken, UsernameReserved, UsernameTaken
from project.users.schemas import Username, UserSchema

from . import blueprint


class AccountCreateRequest(Schema):
    """A registration."""

    username = Username(required=True)
    email = EmailAddress(required=True)
    password = Password(required=True, min=8)
    name = Text(max=80, load_default='')


@blueprint.post('/accounts')
@endpoint(
    allow=public, body=AccountCreateRequest, code=202, limit='20/15 minutes',
    errors=[UsernameTaken, UsernameReserved, PasswordTooWeak, TooManyAttempts],
)  # fmt: skip
def account_create(body: dict[str, Any]) -> None:
    """Register. The answer is the same whether or not the address is known.

    A PIN of six digits goes to the address by mail, for `PUT /auth/verifications`; a known address
    gets a notice instead. The registration is kept for 24 hours, and registering again with the
    same password begins them anew. Ten times a day per address.
    """
    service.register(**body)


class VerificationCreateRequest(Schema):
    """An address that waits for its PIN."""

    email = EmailAddress(required=True)


@blueprint.post('/verifications')
@endpoint(
    allow=public,
    body=VerificationCreateRequest,
    code=202,
    limit='20/15 minutes',
    errors=[TooManyAttempts],
)
def verification_create(body: dict[str, Any]) -> None:
    """Mail a new PIN, if there is something to verify; the answer does not tell. Older ones die.

    A known address gets a notice instead. Ten mails a day per address; then the newest stays valid.
    """
    service.resend_verification(body['email'])


class VerificationReplaceRequest(Schema):
    """What confirms a registration."""

    email = EmailAddress(required=True)
    pin = PinCode(required=True)
    password = Password(required=True)


@blueprint.put('/verifications')
@endpoint(
    allow=public, body=VerificationReplaceRequest, returns=UserSchema, code=201,
    limit='60/15 minutes', errors=[WrongPin, TooManyAttempts, UsernameTaken, EmailTaken],
    location=('api_v1.users.user', 'user_id'),
)  # fmt: skip
def verification_replace(body: dict[str, Any]) -> Any:
    """Confirm an address with its PIN and the registration's password: only now there is a user.

    Wrong, used, expired and replaced PINs look the same: 422 `pin`. A PIN has five tries. The mail
    of somebody who asked for several on one day has a code of 16 characters instead, without tries.
    """
    return service.verify_account(**body)
