"""Where the file of a form is written to, as it comes."""

from typing import Any

from project.core.web.endpoints.access import current_principal
from project.core.web.endpoints.guard import FORM_OVERHEAD_BYTES
from project.files import service


def open_upload(form_length: int | None) -> Any:
    """Return where the file of a form is written to, or refuse a form that cannot fit."""
    least = max(0, (form_length or 0) - FORM_OVERHEAD_BYTES)
    return service.open_upload(current_principal().user_id, least=least)
