"""Known devices: clients that logged in before, identified by a token.

Each device has separate attempt counters, so that strangers with wrong passwords cannot lock the
owner out. A device token is not a factor: a login still needs all credentials.
"""

from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import delete, update

from project.auth.models import Device
from project.auth.rows import DeviceRow
from project.core.clock import now
from project.core.database.session import db
from project.core.mail import send_mail
from project.core.request_context import current_request_context
from project.core.security.tokens import new_token, token_hash
from project.users.rows import UserRow

from ..attempt_counters import network_target

DEVICE_TOKEN = 'pdv'

# If a user has this number of devices, a new device replaces the least recently used one.
MAX_DEVICES_PER_USER = 20


def find_device(user_id: int, token: str | None) -> DeviceRow | None:
    """Return a user's device by its token, or None.

    Runs one query even if the user does not exist or `token` is None, so that all logins take the
    same time.
    """
    return Device.find_live(user_id, token_hash(token or ''))


def register_device_login(
    user: UserRow, known: UUID | None, token: str | None, *, with_factor: bool
) -> tuple[UUID, str]:
    """Record a login from a device; return the device's id and token. Call it inside `atomic`.

    If the device is new, a mail notifies the user. Exceptions: the user's first device, and a
    device with the same network and user agent as a known one.

    :param known: the id of the device, or None if it is new.
    :param with_factor: whether the login had a right second factor.
    """
    passed = {'has_passed_second_factor': True} if with_factor else {}
    if known and token:
        used = update(Device).where(Device.id == known).values(**_seen(), **passed)
        if db.session.execute(used.returning(Device.id)).one_or_none():
            return known, token
    before = Device.find_all(user.id)
    made = add_device(user.id, **passed)
    if before and not any((d.network, d.user_agent) == _looks() for d in before):
        _send_new_device_notice(user)
    if surplus := [device.id for device in before[MAX_DEVICES_PER_USER - 1 :]]:
        db.session.execute(delete(Device).where(Device.id.in_(surplus)))
    return made


def add_device(user_id: int, *, has_passed_second_factor: bool = False) -> tuple[UUID, str]:
    """Create a known device for the current client; return its id and token.

    Call it inside `atomic`.
    """
    token, device_id = new_token(DEVICE_TOKEN), uuid4()
    device = Device(
        id=device_id,
        user_id=user_id,
        token_hash=token_hash(token),
        has_passed_second_factor=has_passed_second_factor,
        **_seen(),
    )
    db.session.add(device)
    db.session.flush()
    return device_id, token


def _send_new_device_notice(user: UserRow) -> None:
    context = current_request_context()
    send_mail(
        'new_device',
        to=user.email,
        about=user.id,
        username=user.username,
        name=user.name,
        address=context.ip_address,
        user_agent=context.user_agent[:255],
    )


def _looks() -> tuple[str, str]:
    context = current_request_context()
    return network_target(context.ip_address), context.user_agent[:255]


def _seen() -> dict[str, object]:
    network, user_agent = _looks()
    lifetime = current_app.config['AUTH_DEVICE_LIFETIME']
    return {
        'network': network,
        'user_agent': user_agent,
        'last_used_at': now(),
        'expires_at': now() + lifetime,
    }
