"""Security events and mails about second factors."""

from project.auth.models import RecoveryCode
from project.core.database.session import atomic
from project.core.mail import send_mail
from project.core.request_context import current_request_context
from project.users import service as users

from ..attempt_counters import SECOND_FACTOR_MAIL, account_target, is_within_limit
from ..security_events import FAILURE, record_security_event

# The possible changes of a second factor: for each kind of event, the text of the mail.
CHANGE_DESCRIPTIONS = {
    'totp_enabled': 'A second factor was turned on',
    'totp_disabled': 'The second factor was turned off',
    'recovery_codes_created': 'New recovery codes were made',
    'recovery_code_used': 'A recovery code was used',
}


def record_and_notify(user_id: int, change: str, actor: str | None = None) -> None:
    """Record a change of a second factor and notify the user.

    Call it inside `atomic`. ASVS 6.3.7 requires the mail.
    """
    record_security_event(change, user_id, actor=actor)
    user = users.get_user(user_id)
    send_mail(
        'second_factor_changed',
        to=user.email,
        about=user.id,
        username=user.username,
        name=user.name,
        what=CHANGE_DESCRIPTIONS[change],
        left=RecoveryCode.count_of(user_id),
    )


@atomic()
def record_failure(user_id: int, factor: str) -> None:
    """Record a wrong second factor."""
    record_security_event('second_factor', user_id, outcome=FAILURE, factor=factor)


@atomic()
def record_and_notify_failure(user_id: int, factor: str) -> None:
    """Record a wrong second factor with a right password, and notify the user.

    ASVS 6.3.5 requires the mail. A user gets at most three such mails a day.
    """
    record_failure(user_id, factor)
    if not is_within_limit(SECOND_FACTOR_MAIL, account_target(user_id)):
        return
    user = users.get_user(user_id)
    send_mail(
        'second_factor_failed',
        to=user.email,
        about=user.id,
        username=user.username,
        name=user.name,
        address=current_request_context().ip_address,
    )
