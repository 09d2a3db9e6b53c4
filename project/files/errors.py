"""The ways files says no."""

from project.core.errors import Conflict, Invalid, NotFound, PreconditionFailed, TooLarge


class FileNotFound(NotFound):
    """The asker has no such file; whether somebody else has is their secret."""

    field, reason = 'file', 'No such file'


class FileTooLarge(TooLarge):
    """One file of more bytes than any may have."""

    reason = 'Larger than a file may be'


class QuotaExceeded(TooLarge):
    """All files together would have more bytes than their owner may have."""

    field, reason = 'quota', 'No room left in your quota'


class FileChanged(PreconditionFailed):
    """Somebody changed the file's particulars since the version in `If-Match`."""


class NameInvalid(Invalid):
    """Too long for a name."""

    field, reason = 'name', 'Longer than 255 characters'


class PublishedNameInvalid(Invalid):
    """Leads out of the published folder, is hidden, or too long for it."""

    field, reason = 'name', 'Not a name inside the published folder'


class AlreadyPublished(Conflict):
    """Another file was published under that name."""

    field, reason = 'name', 'Already published'


class NotPublished(NotFound):
    """No file was published under that name."""

    field, reason = 'file', 'Nothing published under that name'
