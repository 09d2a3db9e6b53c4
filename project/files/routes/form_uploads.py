"""Upload of a file in a multipart form. The file is stored while the form is parsed."""

from typing import cast

from werkzeug.datastructures import FileStorage

from project.core.web.endpoints.access import current_principal
from project.core.web.endpoints.endpoint_spec import FORM_OVERHEAD_BYTES
from project.files import service


def open_upload(form_length: int | None) -> service.ReservedUpload:
    """Return the writer for the file of a form, with a quota reservation.

    :param form_length: the Content-Length of the form in bytes, or None. This number, minus the
        maximum size of the rest of the form, is reserved before the first byte is written.
    :raises FileTooLarge: if the form is too large for a file of the maximum size.
    :raises QuotaExceeded: if the form exceeds the quota of the user.
    """
    least = max(0, (form_length or 0) - FORM_OVERHEAD_BYTES)
    return service.open_upload(current_principal().user_id, least=least)


def written_upload(file: FileStorage) -> service.ReservedUpload:
    """Return the writer that `open_upload` has created for the file of a form."""
    return cast(service.ReservedUpload, file.stream)
