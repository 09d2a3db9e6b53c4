"""The ways users says no."""

from project.core.errors import (
    Conflict,
    ContentTooLarge,
    Forbidden,
    NotFound,
    PreconditionFailed,
    UnprocessableContent,
)


class UserNotFound(NotFound):
    """Nobody has that id."""

    field, reason = 'user', 'No such user'


class NoSuchUsername(NotFound):
    """Nobody has that username."""

    field, reason = 'username', 'No such user'


class UsernameTaken(Conflict):
    """Somebody has that username."""

    field, reason = 'username', 'Already taken'


class UsernameInvalid(UnprocessableContent):
    """The word cannot be a username."""

    field, reason = 'username', '3 to 32 of a-z 0-9 _ -, beginning with a letter'


class UsernameReserved(UnprocessableContent):
    """The word is a path, or would pass for an official."""

    field, reason = 'username', 'This name is reserved'


class EmailTaken(Conflict):
    """Somebody has that address."""

    field, reason = 'email', 'Already registered'


class UserChanged(PreconditionFailed):
    """Somebody changed the user since the version in `If-Match`."""


class LastAdmin(Conflict):
    """Without an admin nobody could ever make one."""

    field, reason = 'user', 'The last admin stays'


class PrivilegeEscalation(Forbidden):
    """It concerns a permission, or a field, that the asker does not hold."""

    reason = 'Needs a permission that you do not hold'


class OwnEmailAddress(Forbidden):
    """Users change their own address only with a PIN sent to the new one."""

    reason = 'Change your own email address at POST /auth/email-changes'


class RoleNotFound(NotFound):
    """There is no such role."""

    field, reason = 'role', 'No such role'


class RoleUnknown(UnprocessableContent):
    """One of the roles is none."""

    field, reason = 'roles', 'No such role'


class RoleInvalid(UnprocessableContent):
    """The word cannot be the name of a role."""

    field, reason = 'role', '2 to 32 of a-z 0-9 _ -, beginning with a letter'


class RoleBuiltIn(Conflict):
    """The code decides what this role allows."""

    field, reason = 'role', 'Built in'


class RoleChanged(PreconditionFailed):
    """Somebody changed the role since the version in `If-Match`, or just now."""


class PermissionUnknown(UnprocessableContent):
    """No feature knows this permission."""

    field, reason = 'permissions', 'No such permission'


class AvatarNotFound(NotFound):
    """The user has no picture."""

    field, reason = 'avatar', 'No picture'


class AvatarTooLarge(ContentTooLarge):
    """The image is larger, as a file, than we take."""

    reason = 'More than 5 MiB'


class ExportNotFound(NotFound):
    """There is no such export of theirs, or not any more."""

    field, reason = 'export', 'No such export'


class ExportNotReady(Conflict):
    """It is not made yet, or could not be."""

    field, reason = 'export', 'Not made yet, or failed'


class ExportUnderWay(Conflict):
    """One at a time is made."""

    field, reason = 'export', 'Another one is being made'
