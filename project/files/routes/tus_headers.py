"""Request and response headers of tus 1.0.0, for the endpoint declarations."""

from project.core.web.responses.headers import Header
from project.files import tus

BYTE_COUNT = {'type': 'integer', 'minimum': 0, 'maximum': 10**tus.MAX_DIGITS - 1}

RESUMABLE = {
    'Tus-Resumable': Header(
        'The version of tus.', {'type': 'string', 'enum': [tus.VERSION]}, required=True
    )
}
OFFSET = {'Upload-Offset': Header('The offset of the chunk, in bytes.', BYTE_COUNT, required=True)}
LENGTH = {'Upload-Length': Header('The length of the file, in bytes.', BYTE_COUNT, required=True)}
METADATA = {
    'Upload-Metadata': Header(
        'Comma-separated keys, each with a value in base64. `filename` names the file; `filetype` '
        'is stored as its declared type; HEAD returns all of them.'
    )
}
CHECKSUM = {
    'Upload-Checksum': Header(
        f'The hash of the chunk: one of {", ".join(tus.ALGORITHMS)}, a space, the hash in base64.'
    )
}
# A browser sends only declared headers to another origin. Without this declaration, clients in a
# browser would get a network error and try again; with it they get the 400 and its reason.
UNSUPPORTED = {
    name: Header(f'Not supported: the extension `{extension}` is not announced. Returns 400.')
    for name, extension in (
        ('Upload-Concat', 'concatenation'),
        ('Upload-Defer-Length', 'creation-defer-length'),
    )
}
OVERRIDE = {
    'X-HTTP-Method-Override': Header(
        'The method.', {'type': 'string', 'enum': ['PATCH', 'HEAD', 'DELETE']}, required=True
    )
}

PROGRESS = {
    'Upload-Offset': Header('How many bytes are stored.', BYTE_COUNT),
    'Upload-Expires': Header('When the upload expires without another chunk: an HTTP date.'),
    'X-File-Id': Header(
        'The id of the file, once the upload is complete.', {'type': 'string', 'format': 'uuid'}
    ),
}
LOCATION = {
    'Location': Header('The URL of the upload.', {'type': 'string', 'format': 'uri-reference'})
}
CAPABILITIES = {
    'Tus-Version': Header('The supported version of tus.'),
    'Tus-Extension': Header('The supported extensions, comma-separated.'),
    'Tus-Max-Size': Header('The maximum length of an upload, in bytes.', BYTE_COUNT),
    'Tus-Checksum-Algorithm': Header('The supported checksum algorithms, comma-separated.'),
}
