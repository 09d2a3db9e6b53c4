"""The ways auth says no."""

from project.core.errors import Conflict, Forbidden, NotFound, Unauthorized, UnprocessableContent


class WrongCredentials(Unauthorized):
    """Nobody has this name with this password; which of the two is wrong stays untold."""

    field, reason = 'credentials', 'Wrong username, address or password'


class WrongPassword(UnprocessableContent):
    """The current password is another one."""

    field, reason = 'current_password', 'Wrong password'


class WrongRefreshToken(Unauthorized):
    """It is none of ours, was used before, or its session is over; which, stays untold."""

    field, reason = 'refresh_token', 'Invalid, used or expired'


class OtpRequired(Unauthorized):
    """The password is right, and a second factor is on."""

    field, reason = 'otp', 'Wants the code of your authenticator, or a recovery code'


class WrongOtp(Unauthorized):
    """The code is wrong, too old, or was used before."""

    field, reason = 'otp', 'Wrong or used'


class WrongRecoveryCode(Unauthorized):
    """The code is none of the user's, or was used before."""

    field, reason = 'recovery_code', 'Wrong or used'


class OtpInvalid(UnprocessableContent):
    """The code does not confirm an enrolment: wrong, used, or of one begun too long ago."""

    field, reason = 'otp', 'Wrong or expired'


class TotpAlreadyEnabled(Conflict):
    """There is a second factor; it is turned off before another is enrolled."""

    field, reason = 'totp', 'Already on'


class TotpNotEnabled(NotFound):
    """There is no second factor."""

    field, reason = 'totp', 'Not on'


class EmailNotVerified(Forbidden):
    """The registration waits for the PIN that was mailed."""

    field, reason = 'email', 'Not verified yet'


class AccountDisabled(Forbidden):
    """Told only to those who know the password."""

    field, reason = 'status', 'This account is disabled'


class WrongPin(UnprocessableContent):
    """The PIN is wrong, used, expired or replaced by a newer one; which, stays untold."""

    field, reason = 'pin', 'Wrong or expired'


class InvitationInvalid(UnprocessableContent):
    """The code is wrong, used, expired or replaced by a newer one; which, stays untold."""

    field, reason = 'code', 'Wrong or expired'


class UsernameMissing(UnprocessableContent):
    """Nobody has the invited address yet, so whoever gets it must choose a name."""

    field, reason = 'username', 'Choose one'


class PasswordTooWeak(UnprocessableContent):
    """The password would be guessed."""

    reason = 'Too easy to guess: choose several uncommon words, or a longer password'

    def __init__(self, reason: str | None = None, *, field: str = 'password'):
        super().__init__(reason)
        self.field = field


class KeyNotFound(NotFound):
    """The asker has no such API key."""

    field, reason = 'key', 'No such key'


class TooManyKeys(Conflict):
    """The asker has as many API keys as one may have."""

    field, reason = 'key', 'You have too many keys: delete one'


class ScopeUnknown(UnprocessableContent):
    """There is no such permission that a key could be given."""

    field, reason = 'scopes', 'No such scope'


class ExpiryPast(UnprocessableContent):
    """A key that is over already would open nothing."""

    field, reason = 'expires_at', 'Must lie in the future'


class TokenNotFound(NotFound):
    """It is no token of ours, or opens nothing any more."""

    field, reason = 'token', 'Opens nothing'


class SessionNotFound(NotFound):
    """The asker has no such session."""

    field, reason = 'session', 'No such session'
