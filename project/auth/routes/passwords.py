"""Passwords over HTTP."""

from typing import Any

from marshmallow import Schema

from project.auth import service
from project.auth.errors import PasswordTooWeak, WrongPassword
from project.core.data.guesses import GuessesSpent
from project.core.web.access import current, member
from project.core.web.endpoint import endpoint
from project.core.web.fields import Password

from .mount import blueprint


class PasswordReplaceRequest(Schema):
    """The old and the new."""

    current_password = Password(required=True)
    new_password = Password(required=True, min=8)


@blueprint.put('/password')
@endpoint(
    allow=member(), body=PasswordReplaceRequest, limit='20/hour',
    refuses=[WrongPassword, PasswordTooWeak, GuessesSpent],
)  # fmt: skip
def password_replace(body: dict[str, Any]) -> None:
    """Change your password. Your other sessions end, and a mail tells you."""
    service.change_password(current(), **body)
