"""Helpers that send requests of the tus protocol to `/api/v1/files/uploads`."""

from base64 import b64encode

URL = '/api/v1/files/uploads'
FILES = '/api/v1/files'
CONTENT = b'Some bytes that come in pieces.'
TUS_HEADERS = {'Tus-Resumable': '1.0.0'}
CHUNK_TYPE = 'application/offset+octet-stream'


def create(client, length=None, content=None, **headers):
    """Create a resumable upload. `content`, if given, is sent as its first chunk."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    length = len(CONTENT) if length is None else length
    return client.post(
        URL, data=content, content_type=CHUNK_TYPE if content is not None else None,
        headers={**TUS_HEADERS, 'Upload-Length': str(length), **named},
    )  # fmt: skip


def patch(client, url, content, offset=0, **headers):
    """Send a chunk of a resumable upload."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    headers = {**TUS_HEADERS, 'Upload-Offset': str(offset), **named}
    type = headers.pop('Content-Type', CHUNK_TYPE)
    return client.patch(url, data=content, content_type=type, headers=headers)


def head(client, url):
    """Request the offset of a resumable upload."""
    return client.head(url, headers=TUS_HEADERS)


def metadata(**values):
    """Return the value of the `Upload-Metadata` header for these fields."""
    return ','.join(f'{key} {b64encode(value.encode()).decode()}' for key, value in values.items())


def content_of(client, file_id):
    """Download a file and return its content."""
    return client.get(f'{FILES}/{file_id}/content', buffered=True).data
