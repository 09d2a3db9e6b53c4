"""Routes that register an account and verify its email address."""

from typing import TypedDict

from marshmallow import Schema

from project.auth import service
from project.auth.errors import PasswordTooWeak, WrongPin
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import EmailAddress, Password, PinCode, Text
from project.users.errors import EmailTaken, UsernameReserved, UsernameTaken
from project.users.rows import UserRow
from project.users.schemas import Username, UserSchema

from . import blueprint

# The example of an email address that no user has.
NEW_EMAIL = 'sofia@example.com'


class AccountCreateRequest(Schema):
    """A registration."""

    username = Username(required=True, metadata={'example': 'sofia'})
    email = EmailAddress(required=True, metadata={'example': NEW_EMAIL})
    password = Password(required=True, min=8)
    name = Text(
        max=80,
        load_default='',
        metadata={'description': 'The name that others see.', 'example': 'Sofia Kovalevskaya'},
    )


class AccountCreateBody(TypedDict):
    """The values of an `AccountCreateRequest`."""

    username: str
    email: str
    password: str
    name: str


@blueprint.post('/accounts')
@endpoint(
    allow=public, body=AccountCreateRequest, code=202, limit='20/15 minutes', hashes_password=True,
    errors=[UsernameTaken, UsernameReserved, PasswordTooWeak, TooManyAttempts],
)  # fmt: skip
def account_create(body: AccountCreateBody) -> None:
    """Register. The response is the same whether or not the email address is known.

    A mail to the email address contains a PIN of six digits for `PUT /auth/verifications`. If a
    user has the email address, the mail is a notice instead. The registration expires after 24
    hours. Registering again with the same username, email address and password restarts this time.
    Limit: ten registrations a day per email address.
    """
    service.register(**body)


class VerificationCreateRequest(Schema):
    """The email address of a pending registration."""

    email = EmailAddress(required=True, metadata={'example': NEW_EMAIL})


class VerificationCreateBody(TypedDict):
    """The values of a `VerificationCreateRequest`."""

    email: str


@blueprint.post('/verifications')
@endpoint(
    operation_id='resendVerification',
    allow=public,
    body=VerificationCreateRequest,
    code=202,
    limit='20/15 minutes',
)
def verification_create(body: VerificationCreateBody) -> None:
    """Mail a new PIN to a pending registration. The response is always the same.

    The new PIN voids older ones. If a user has the email address, the mail is a notice instead.
    After ten mails a day to one email address, a further mail is sent only if no code is valid.
    """
    service.resend_verification(body['email'])


class VerificationReplaceRequest(Schema):
    """The confirmation of a registration: email address, PIN and password."""

    email = EmailAddress(required=True, metadata={'example': NEW_EMAIL})
    pin = PinCode(required=True)
    password = Password(required=True)


class VerificationReplaceBody(TypedDict):
    """The values of a `VerificationReplaceRequest`."""

    email: str
    pin: str
    password: str


@blueprint.put('/verifications')
@endpoint(
    operation_id='verifyAccount',
    allow=public, body=VerificationReplaceRequest, returns=UserSchema, code=201,
    limit='60/15 minutes', errors=[WrongPin, TooManyAttempts, UsernameTaken, EmailTaken],
    hashes_password=True,
    location=('api_v1.users.user', 'user_id'), versioned=True,
)  # fmt: skip
def verification_replace(body: VerificationReplaceBody) -> UserRow:
    """Create the user after a check of the PIN and the password of the registration.

    A wrong, used, expired or replaced PIN returns 422 `pin`. A PIN allows five attempts. The third
    and later mails of a day contain a code of 16 characters with unlimited attempts.
    """
    return service.verify_account(**body)
