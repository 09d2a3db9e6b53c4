"""Errors of the feature `files`, each with the key and the reason of its response."""

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
    """The caller has no file with this id.

    The response is the same if another user has the file.
    """

    field, reason = 'file', 'No such file'


class FileTooLarge(ContentTooLarge):
    """The file is larger than `FILES_MAX_SIZE`."""

    reason = 'Larger than the maximum file size'


class QuotaExceeded(ContentTooLarge):
    """The files of the owner exceed the quota, or the thumbnails exceed their own limit."""

    field, reason = 'quota', 'Exceeds your quota; delete files permanently first'


class FileChanged(PreconditionFailed):
    """The file was changed since the client read the version in `If-Match`."""


class NameInvalid(UnprocessableContent):
    """The file name is too long."""

    field, reason = 'name', 'Longer than 255 characters'


class PublishedNameInvalid(UnprocessableContent):
    """The name is hidden, too long, or outside of the published folder."""

    field, reason = 'name', 'Must be a path of visible names inside the published folder'


class AlreadyPublished(Conflict):
    """Another file is published under this name."""

    field, reason = 'name', 'Already published'


class NotPublished(NotFound):
    """No file is published under this name."""

    field, reason = 'file', 'No file is published under this name'


class UploadNotFound(NotFound):
    """The caller has no upload with this id, or it has expired or was deleted."""

    field, reason = 'upload', 'No such upload'


class OffsetMismatch(Conflict):
    """The chunk does not begin at the current offset, which a HEAD request returns (tus 1.0.0)."""

    field, reason = 'offset', 'Upload-Offset does not match the current offset; HEAD returns it'


class UploadLeaseLost(Conflict):
    """A newer request writes to the same upload, so this request must stop."""

    field, reason = 'upload', 'Another request has taken over this upload'


class UploadLengthExceeded(ContentTooLarge):
    """The chunk ends beyond the announced length of the upload."""

    reason = 'Exceeds the Upload-Length of this upload'


class ChecksumMismatch(ApiError):
    """The checksum of the received chunk is wrong; no byte of it was stored (tus 1.0.0)."""

    http_code, field, reason = 460, 'checksum', 'Does not match Upload-Checksum; resend the chunk'


class ChecksumUnknown(BadRequest):
    """The checksum is malformed, or its algorithm is not supported."""

    reason = 'Upload-Checksum must be sha1 or sha256, a space, and the digest in base64'


class TusVersionUnknown(PreconditionFailed):
    """The client sent no version of tus, or one that is not supported."""

    field, reason = 'tus_resumable', 'Tus-Resumable must be 1.0.0'

    def __init__(self) -> None:
        super().__init__(headers={'Tus-Version': '1.0.0'})


class NotAnUploadChunk(UnsupportedMediaType):
    """The content type of the chunk is not the one that tus requires."""

    reason = 'Must be application/offset+octet-stream'
    accepted = 'application/offset+octet-stream'


class NotAnImage(UnprocessableContent):
    """The file is not an image, is too large for a thumbnail, or cannot be decoded."""

    field, reason = 'type', 'Not a readable JPEG, PNG, GIF, WebP or AVIF image'


class LinkNotFound(NotFound):
    """The link is unknown, expired or used up."""

    field, reason = 'link', 'No such link'


class LinkPasswordWrong(Forbidden):
    """The link has a password, and the client sent none or a wrong one."""

    field, reason = 'password', 'Wrong or missing; send it as X-Link-Password'


class ExpiryPast(UnprocessableContent):
    """The expiry of the new link is not in the future."""

    field, reason = 'expires_at', 'Must be in the future'


class TooManyLinks(Conflict):
    """The file has the maximum number of links."""

    field, reason = 'link', 'A file can have at most 50 links; delete one first'


class ScanPending(Conflict):
    """The scanner has not scanned the file yet."""

    field, reason = 'scan', 'Not scanned for malware yet; try again later'

    def __init__(self) -> None:
        super().__init__(headers={'Retry-After': '5'})


class ScanInfected(Forbidden):
    """The scanner found malware in the file."""

    field, reason = 'scan', 'Malware was found in this file'


class Unscannable(Forbidden):
    """The file is larger than the scanner accepts, so it is never scanned."""

    field, reason = 'scan', 'Too large for the malware scanner'


# The errors that `check_clean` raises, for the endpoint declarations.
SCAN_ERRORS = (ScanPending, ScanInfected, Unscannable)
