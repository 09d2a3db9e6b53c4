"""Errors of the feature `auth`, each with the key and the reason of its response."""

from project.core.errors import Conflict, Forbidden, NotFound, Unauthorized, UnprocessableContent


class WrongCredentials(Unauthorized):
    """Wrong username or password; the response does not say which."""

    field, reason = 'credentials', 'Wrong username, email address or password'


class WrongPassword(UnprocessableContent):
    """The given current password is wrong."""

    field, reason = 'current_password', 'Wrong password'


class WrongRefreshToken(Unauthorized):
    """Unknown or used refresh token, or an ended session; the response does not say which."""

    field, reason = 'refresh_token', 'Invalid, used or expired: log in again'


class OtpRequired(Unauthorized):
    """The password is right, and the user has a second factor, but the request contains no code."""

    field, reason = 'otp', 'Second factor required: send `otp` or `recovery_code`'


class WrongOtp(Unauthorized):
    """The code of the authenticator is wrong, too old or already used."""

    field, reason = 'otp', 'Wrong or used: send the current code of your authenticator'


class WrongRecoveryCode(Unauthorized):
    """The user has no such recovery code, or it was used before."""

    field, reason = 'recovery_code', 'Wrong or used: send an unused recovery code'


class OtpInvalid(UnprocessableContent):
    """The code does not confirm the new authenticator.

    The code is wrong or was used before, or the enrolment has expired.
    """

    field, reason = 'otp', 'Wrong or expired'


class TotpAlreadyEnabled(Conflict):
    """The user has a second factor, which must be disabled before a new enrolment."""

    field, reason = 'totp', 'Already enabled: disable it first'


class TotpNotEnabled(NotFound):
    """The user has no second factor that could be disabled or used."""

    field, reason = 'totp', 'Not enabled'


class EmailNotVerified(Forbidden):
    """The user has not confirmed the registration with the mailed PIN yet."""

    field, reason = 'email', 'Not verified yet: send the PIN that you received by mail'


class AccountDisabled(Forbidden):
    """The account is disabled. Raised only if the password was right."""

    field, reason = 'status', 'This account is disabled'


class WrongPin(UnprocessableContent):
    """Wrong, used, expired or replaced PIN; the response does not say which."""

    field, reason = 'pin', 'Wrong or expired'


class InvitationInvalid(UnprocessableContent):
    """Wrong, used, expired or replaced invitation code; the response does not say which."""

    field, reason = 'code', 'Wrong or expired'


class UsernameMissing(UnprocessableContent):
    """The username in the acceptance of an invitation is missing, or is not the user's.

    Raised if the user is new and the request has no username, or if the user exists and has another
    username than the request.
    """

    field, reason = 'username', 'Required: choose a username'


class PasswordTooWeak(UnprocessableContent):
    """The password is too easy to guess."""

    reason = 'Too easy to guess: choose several uncommon words, or a longer password'

    def __init__(self, reason: str | None = None, *, field: str = 'password'):
        super().__init__(reason)
        self.field = field


class KeyNotFound(NotFound):
    """The user has no such API key."""

    field, reason = 'key', 'No such key'


class TooManyKeys(Conflict):
    """The user has the maximum number of API keys."""

    field, reason = 'key', 'You have too many keys: delete one'


class ScopeUnknown(UnprocessableContent):
    """One of the scopes is not the name of a permission."""

    field, reason = 'scopes', 'No such scope'


class ExpiryPast(UnprocessableContent):
    """The expiry of a new API key is not in the future."""

    field, reason = 'expires_at', 'Must be in the future'


class TokenNotFound(NotFound):
    """Unknown, revoked or expired token. Raised when a leaked token is looked up."""

    field, reason = 'token', 'Unknown or expired token'


class SessionNotFound(NotFound):
    """The user has no such session."""

    field, reason = 'session', 'No such session'
