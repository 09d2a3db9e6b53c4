"""Errors of the feature `users`, each with the key and the reason of its response."""

from project.core.errors import (
    Conflict,
    ContentTooLarge,
    Forbidden,
    NotFound,
    PreconditionFailed,
    UnprocessableContent,
)


class UserNotFound(NotFound):
    """No user has this id."""

    field, reason = 'user', 'No such user'


class NoSuchUsername(NotFound):
    """No user has this username."""

    field, reason = 'username', 'No such user'


class UsernameTaken(Conflict):
    """Another user has this username, or a pending registration reserves it."""

    field, reason = 'username', 'Already taken'


class UsernameInvalid(UnprocessableContent):
    """The word is not a valid username."""

    field, reason = 'username', '3 to 32 characters of a-z 0-9 _ -, beginning with a letter'


class UsernameReserved(UnprocessableContent):
    """The username is a path segment below `/users`, or a name that suggests an operator."""

    field, reason = 'username', 'This name is reserved'


class EmailTaken(Conflict):
    """Another user has this email address."""

    field, reason = 'email', 'Already registered'


class UserChanged(PreconditionFailed):
    """The user was changed since the client read the version in `If-Match`."""


class LastAdmin(Conflict):
    """The user is the last active admin, who must not be disabled, deleted or demoted."""

    field, reason = 'user', 'The last admin cannot be removed'


class PrivilegeEscalation(Forbidden):
    """The request needs, grants or removes a permission that the caller does not have."""

    reason = 'Needs a permission that you do not hold'


class OwnEmailAddress(Forbidden):
    """Users can change their own email address only with a PIN sent to the new one."""

    reason = 'Change your own email address at POST /auth/email-changes'


class RoleNotFound(NotFound):
    """No role has this name."""

    field, reason = 'role', 'No such role'


class RoleUnknown(UnprocessableContent):
    """One of the given roles does not exist."""

    field, reason = 'roles', 'No such role'


class RoleInvalid(UnprocessableContent):
    """The word is not a valid role name."""

    field, reason = 'role', '2 to 32 characters of a-z 0-9 _ -, beginning with a letter'


class RoleBuiltIn(Conflict):
    """The permissions of this role are defined in the code and cannot be changed."""

    field, reason = 'role', 'A built-in role cannot be changed'


class RoleChanged(PreconditionFailed):
    """Another request has changed the role, for example since the version in `If-Match`."""


class PermissionUnknown(UnprocessableContent):
    """No feature declares this permission."""

    field, reason = 'permissions', 'No such permission'


class AvatarNotFound(NotFound):
    """The user has no avatar."""

    field, reason = 'avatar', 'No such avatar'


class AvatarChanged(PreconditionFailed):
    """The avatar was changed since the client read the `ETag` in `If-Match`."""


class AvatarTooLarge(ContentTooLarge):
    """The image file is larger than `USERS_AVATAR_MAX_SIZE`."""

    reason = 'More than 5 MiB: send a smaller image'


class ExportNotFound(NotFound):
    """The user has no such export, or it has expired."""

    field, reason = 'export', 'No such export'


class ExportNotReady(Conflict):
    """The export is pending or has failed."""

    field, reason = 'export', 'Not ready: the export is pending or has failed'


class ExportUnderWay(Conflict):
    """Another export of the user is pending."""

    field, reason = 'export', 'Another export is pending: wait until it is ready'
