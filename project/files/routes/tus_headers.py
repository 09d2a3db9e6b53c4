"""The headers of tus 1.0.0: which of them uploads read, and answer with."""

from project.core.web.responses.headers import Header
from project.files import tus

BYTE_COUNT = {'type': 'integer', 'minimum': 0, 'maximum': 10**tus.MAX_DIGITS - 1}

RESUMABLE = {
    'Tus-Resumable': Header(
        'The version that is spoken.', {'type': 'string', 'enum': [tus.VERSION]}, required=True
    )
}
OFFSET = {'Upload-Offset': Header('How many bytes came before.', BYTE_COUNT, required=True)}
LENGTH = {'Upload-Length': Header('How many bytes it will have.', BYTE_COUNT, required=True)}
METADATA = {
    'Upload-Metadata': Header(
        'Keys, each with a value in base64, between commas. `filename` names the file; `filetype` '
        'is kept; others are given back.'
    )
}
CHECKSUM = {
    'Upload-Checksum': Header(
        f'What the piece hashes to: one of {", ".join(tus.ALGORITHMS)}, a space, and it in base64.'
    )
}
OVERRIDE = {
    'X-HTTP-Method-Override': Header(
        'What is meant.', {'type': 'string', 'enum': ['PATCH', 'HEAD', 'DELETE']}, required=True
    )
}

PROGRESS = {
    'Upload-Offset': Header('How many bytes are on the disk.', BYTE_COUNT),
    'Upload-Expires': Header('When it is given up, unless another piece comes: an HTTP date.'),
    'X-File-Id': Header(
        'Which file has come of it, once all is there.', {'type': 'string', 'format': 'uuid'}
    ),
}
LOCATION = {
    'Location': Header('Where its pieces go.', {'type': 'string', 'format': 'uri-reference'})
}
CAPABILITIES = {
    'Tus-Version': Header('The versions that are spoken.'),
    'Tus-Extension': Header('The extensions, between commas.'),
    'Tus-Max-Size': Header('How many bytes an upload may have.', BYTE_COUNT),
    'Tus-Checksum-Algorithm': Header('The algorithms of checksums, between commas.'),
}
