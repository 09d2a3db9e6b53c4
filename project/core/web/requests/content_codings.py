"""The check of `Content-Encoding`, the header with the compression of a request body."""

from flask import request

from project.core.errors import ContentEncodingUnsupported


def reject_content_coding() -> None:
    """Reject a body with a content coding, in whatever form the route reads the body.

    :raises ContentEncodingUnsupported: if `Content-Encoding` names a coding other than `identity`.
    """
    codings = request.headers.get('Content-Encoding', '').lower().split(',')
    if {coding.strip() for coding in codings} - {'', 'identity'}:
        raise ContentEncodingUnsupported
