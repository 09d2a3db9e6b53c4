"""Changing the email address over HTTP."""

from typing import Any

from marshmallow import Schema

from project.auth import service
from project.auth.errors import WrongPin
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import EmailAddress, PinCode
from project.users.errors import EmailTaken
from project.users.schemas import UserSchema

from . import blueprint


class EmailChangeCreateRequest(Schema):
    """The new email address."""

    new_email = EmailAddress(required=True)


@blueprint.post('/email-changes')
@endpoint(
    allow=authenticated(fresh=True), body=EmailChangeCreateRequest, code=202,
    limit='20/15 minutes',
    errors=[TooManyAttempts],
)  # fmt: skip
def email_change_create(body: dict[str, Any]) -> None:
    """Request another email address. A PIN goes there by mail; the answer is always the same.

    An owner of the email address gets a notice instead. You can ask ten times a day. After ten
    mails a day to one email address, the newest code that you requested stays valid.
    """
    service.request_email_change(current_principal(), body['new_email'])


class EmailChangeReplaceRequest(Schema):
    """The proof that the new email address is yours."""

    pin = PinCode(required=True)


@blueprint.put('/email-changes')
@endpoint(
    allow=authenticated(), body=EmailChangeReplaceRequest, returns=UserSchema,
    limit='60/15 minutes',
    errors=[WrongPin, TooManyAttempts, EmailTaken],
)  # fmt: skip
def email_change_replace(body: dict[str, Any]) -> Any:
    """Replace your email address by the new one. A mail goes to both.

    Wrong, used, expired and replaced PINs look the same: 422 `pin`.
    """
    return service.confirm_email_change(current_principal(), body['pin'])
