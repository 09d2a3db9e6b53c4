"""Send requests of the tus protocol to `/api/v1/files/uploads`."""

from base64 import b64encode

URL = '/api/v1/files/uploads'
FILES = '/api/v1/files'
CONTENT = b'Some bytes that come in pieces.'
SPEAKING = {'Tus-Resumable': '1.0.0'}
PIECE = 'application/offset+octet-stream'


def create(client, length=None, content=None, **headers):
    """Begin an upload, perhaps with a first piece."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    length = len(CONTENT) if length is None else length
    return client.post(
        URL, data=content, content_type=PIECE if content is not None else None,
        headers={**SPEAKING, 'Upload-Length': str(length), **named},
    )  # fmt: skip


def patch(client, url, content, offset=0, **headers):
    """Send a piece."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    headers = {**SPEAKING, 'Upload-Offset': str(offset), **named}
    type = headers.pop('Content-Type', PIECE)
    return client.patch(url, data=content, content_type=type, headers=headers)


def head(client, url):
    """Ask how far it has come."""
    return client.head(url, headers=SPEAKING)


def metadata(**values):
    """Say what an upload is, as the protocol wants it."""
    return ','.join(f'{key} {b64encode(value.encode()).decode()}' for key, value in values.items())


def content_of(client, file_id):
    """Return the bytes of a file."""
    return client.get(f'{FILES}/{file_id}/content', buffered=True).data
