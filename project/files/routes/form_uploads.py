"""Streaming of the file in a multipart form, during form parsing."""

from typing import cast

from werkzeug.datastructures import FileStorage

from project.core.web.endpoints.access import current_principal
from project.core.web.endpoints.guard import FORM_OVERHEAD_BYTES
from project.files import service


def open_upload(form_length: int | None) -> service.ReservedUpload:
    """Return the writer for the file of a form, with a quota reservation.

    :param form_length: the Content-Length of the form in bytes, or None. This size, minus the
        overhead of the form, is reserved before the first byte.
    :raises FileTooLarge: if the form is too large for a file of the maximum size.
    :raises QuotaExceeded: if the form exceeds the quota of the user.
    """
    least = max(0, (form_length or 0) - FORM_OVERHEAD_BYTES)
    return service.open_upload(current_principal().user_id, least=least)


def written_upload(file: FileStorage) -> service.ReservedUpload:
    """Return the writer of a file whose form field has the stream factory `open_upload`."""
    return cast(service.ReservedUpload, file.stream)
