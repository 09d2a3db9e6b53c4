"""Erasure: nothing of auth is left of a user who goes."""

from typing import Any

from sqlalchemy import delete

from project.auth.models import (
    ApiKey,
    Credential,
    Device,
    EmailChange,
    Event,
    Invitation,
    Pin,
    RecoveryCode,
    Registration,
    Session,
    Totp,
)
from project.core.data.database import db
from project.users import service as users
from project.users.holdings import holds
from project.users.models import email_key

from .email_changes import change_of

# Sessions before the devices that they were opened from.
OF_USER: tuple[Any, ...] = (
    Session, Device, ApiKey, Totp, RecoveryCode, EmailChange, Event, Credential,
)  # fmt: skip
AT_ADDRESS: tuple[Any, ...] = (Pin, Registration, Invitation)


@holds('auth', tables=[model.__tablename__ for model in (*OF_USER, *AT_ADDRESS)])
def forget_account(user_id: int) -> None:
    """Let go of all that a user could prove themselves with, and of what was written down.

    And of what waits at their address, and of the invitations that they have sent.
    """
    key = email_key(users.get_user(user_id).email)
    for model in OF_USER:
        db.session.execute(delete(model).where(model.user_id == user_id))
    for model in AT_ADDRESS:
        db.session.execute(delete(model).where(model.email_key == key))
    db.session.execute(delete(Invitation).where(Invitation.invited_by == user_id))
    db.session.execute(delete(Pin).where(Pin.purpose == change_of(user_id)))
