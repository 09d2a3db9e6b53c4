"""The ways files says no."""

from project.core.errors import (
    ApiError,
    BadRequest,
    Conflict,
    ContentTooLarge,
    Forbidden,
    NotFound,
    PreconditionFailed,
    UnprocessableContent,
    UnsupportedMediaType,
)


class FileNotFound(NotFound):
    """The asker has no such file; whether somebody else has is their secret."""

    field, reason = 'file', 'No such file'


class FileTooLarge(ContentTooLarge):
    """One file of more bytes than any may have."""

    reason = 'Larger than a file may be'


class QuotaExceeded(ContentTooLarge):
    """All files together would have more bytes than their owner may have."""

    field, reason = 'quota', 'No room left in your quota'


class FileChanged(PreconditionFailed):
    """Somebody changed the file's particulars since the version in `If-Match`."""


class NameInvalid(UnprocessableContent):
    """Too long for a name."""

    field, reason = 'name', 'Longer than 255 characters'


class PublishedNameInvalid(UnprocessableContent):
    """Leads out of the published folder, is hidden, or too long for it."""

    field, reason = 'name', 'Not a name inside the published folder'


class AlreadyPublished(Conflict):
    """Another file was published under that name."""

    field, reason = 'name', 'Already published'


class NotPublished(NotFound):
    """No file was published under that name."""

    field, reason = 'file', 'Nothing published under that name'


class UploadNotFound(NotFound):
    """The asker has no such upload, or not any more."""

    field, reason = 'upload', 'No such upload'


class OffsetMismatch(Conflict):
    """Another byte is the next one: ask which by HEAD (tus 1.0.0)."""

    field, reason = 'offset', 'Not where the upload has come to'


class UploadLeaseLost(Conflict):
    """A newer request goes on with the upload."""

    field, reason = 'upload', 'Another request goes on with it'


class UploadLengthExceeded(ContentTooLarge):
    """More bytes than the upload was to have."""

    reason = 'More than was announced'


class ChecksumMismatch(ApiError):
    """What came is not what was sent; none of it was kept (tus 1.0.0)."""

    http_code, field, reason = 460, 'checksum', 'Not what was sent'


class ChecksumUnknown(BadRequest):
    """No checksum, or by an algorithm that is not announced."""

    reason = 'Upload-Checksum must be sha1 or sha256, a space, and the digest in base64'


class TusVersionUnknown(PreconditionFailed):
    """A version of the protocol that is not spoken here, or none."""

    field, reason = 'tus_resumable', 'Tus-Resumable must be 1.0.0'

    def __init__(self) -> None:
        super().__init__(headers={'Tus-Version': '1.0.0'})


class NotAnUploadChunk(UnsupportedMediaType):
    """A piece of an upload is of one type only."""

    reason = 'Must be application/offset+octet-stream'


class NotAnImage(UnprocessableContent):
    """No image, or none that can be read."""

    field, reason = 'type', 'Not an image that a thumbnail can be made of'


class LinkNotFound(NotFound):
    """No such link, or it opens nothing any more."""

    field, reason = 'link', 'No such link'


class LinkPasswordWrong(Forbidden):
    """The link has a password, and this is not it."""

    field, reason = 'password', 'Wrong or missing; send it as X-Link-Password'


class ExpiryPast(UnprocessableContent):
    """It would have ended before it began."""

    field, reason = 'expires_at', 'Must be in the future'


class TooManyLinks(Conflict):
    """More than anybody keeps in mind."""

    field, reason = 'link', 'A file has at most 50 links'


class ScanPending(Conflict):
    """The scanner has not seen it yet."""

    field, reason = 'scan', 'Not scanned yet'

    def __init__(self) -> None:
        super().__init__(headers={'Retry-After': '5'})


class ScanInfected(Forbidden):
    """The scanner found something in it."""

    field, reason = 'scan', 'Malware was found in it'


class Unscannable(Forbidden):
    """The scanner will never tell."""

    field, reason = 'scan', 'Too large for the scanner'


# How bytes are held back.
SCAN_ERRORS = (ScanPending, ScanInfected, Unscannable)
