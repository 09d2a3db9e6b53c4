"""Routes for the second factor: authenticator and recovery codes."""

from typing import TypedDict

from marshmallow import Schema

from project.auth import service
from project.auth.errors import OtpInvalid, TotpAlreadyEnabled, TotpNotEnabled
from project.auth.schemas import EnrolmentSchema, RecoveryCodesSchema
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import OtpCode

from . import blueprint


@blueprint.post('/totp')
@endpoint(
    operation_id='startTotp',
    allow=authenticated(fresh=True), returns=EnrolmentSchema, code=201, limit='20/15 minutes',
    location=('.totp_replace',), errors=[TotpAlreadyEnabled],
)  # fmt: skip
def totp_create() -> service.Enrolment:
    """Start to enrol an authenticator.

    Returns its secret as text, URI and QR code (SVG). The secret is shown only once. Confirm the
    authenticator within an hour: send one of its codes to `PUT /auth/totp`.
    """
    return service.start_totp_enrolment(current_principal())


class TotpReplaceRequest(Schema):
    """The first code of a new authenticator."""

    otp = OtpCode(required=True)


class TotpReplaceBody(TypedDict):
    """The values of a `TotpReplaceRequest`."""

    otp: str


@blueprint.put('/totp')
@endpoint(
    operation_id='confirmTotp',
    allow=authenticated(fresh=True), body=TotpReplaceRequest, returns=RecoveryCodesSchema,
    limit='60/15 minutes', errors=[OtpInvalid, TooManyAttempts],
)  # fmt: skip
def totp_replace(body: TotpReplaceBody) -> dict[str, list[str]]:
    """Enable the second factor with a code of the authenticator.

    The response contains ten recovery codes, which are shown only once. Each recovery code can be
    used once, instead of a code of the authenticator.
    """
    return {'recovery_codes': service.confirm_totp(current_principal(), body['otp'])}


@blueprint.delete('/totp')
@endpoint(allow=authenticated(fresh=True), limit='20/15 minutes', errors=[TotpNotEnabled])
def totp_delete() -> None:
    """Disable the second factor and delete its recovery codes. A mail notifies you."""
    service.disable_totp(current_principal())


@blueprint.post('/recovery-codes')
@endpoint(
    allow=authenticated(fresh=True), returns=RecoveryCodesSchema, code=201, limit='20/15 minutes',
    without_location='The codes have no URL: no other response contains them.',
    errors=[TotpNotEnabled],
)  # fmt: skip
def recovery_codes_create() -> dict[str, list[str]]:
    """Create ten new recovery codes, shown only once. They void the old codes."""
    return {'recovery_codes': service.renew_recovery_codes(current_principal())}
