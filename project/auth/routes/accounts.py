"""Accounts over HTTP: registering, and confirming the email address."""

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
    allow=public, body=AccountCreateRequest, code=202, limit='20/15 minutes', hashes_password=True,
    errors=[UsernameTaken, UsernameReserved, PasswordTooWeak, TooManyAttempts],
)  # fmt: skip
def account_create(body: dict[str, Any]) -> None:
    """Register. The answer is the same whether or not the email address is known.

    A PIN of six digits goes there by mail, for `PUT /auth/verifications`. An owner of the email
    address gets a notice instead. The registration is kept for 24 hours, and registering again with
    the same password begins them anew. Ten times a day per email address.
    """
    service.register(**body)


class VerificationCreateRequest(Schema):
    """An email address that waits for its PIN."""

    email = EmailAddress(required=True)


@blueprint.post('/verifications')
@endpoint(
    allow=public,
    body=VerificationCreateRequest,
    code=202,
    limit='20/15 minutes',
)
def verification_create(body: dict[str, Any]) -> None:
    """Mail a new PIN if there is a registration to verify; the answer is always the same.

    Older PINs are void. An owner of the email address gets a notice instead. After ten mails a day
    to one email address, the newest code stays valid.
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
    hashes_password=True,
    location=('api_v1.users.user', 'user_id'),
)  # fmt: skip
def verification_replace(body: dict[str, Any]) -> Any:
    """Confirm an email address with its PIN and the password of the registration; create the user.

    Wrong, used, expired and replaced PINs look the same: 422 `pin`. A PIN has five tries. The third
    mail of a day and later ones have a code of 16 characters with unlimited tries.
    """
    return service.verify_account(**body)
