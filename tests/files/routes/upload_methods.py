"""Four ways to upload bytes; each function returns the id of the file."""

import io
from typing import Any

from tests.kit.responses import data

URL = '/api/v1/files'
CHUNK_TYPE = 'application/offset+octet-stream'


def by_form(client: Any, content: bytes) -> str:
    """Upload a file in a multipart form."""
    answer = client.post(URL, data={'file': (io.BytesIO(content), 'a.bin')})
    return str(data(answer)['id'])


def raw(client: Any, content: bytes) -> str:
    """Upload bytes as the request body, without a form."""
    return str(data(client.post(URL, data=content, content_type='text/csv'))['id'])


def by_tus(client: Any, content: bytes, **headers: str) -> str:
    """Upload bytes by the resumable protocol tus, in one chunk."""
    headers |= {'Tus-Resumable': '1.0.0', 'Upload-Length': str(len(content))}
    answer = client.post(f'{URL}/uploads', data=content, headers=headers, content_type=CHUNK_TYPE)
    return str(answer.headers['X-File-Id'])


def as_version(client: Any, content: bytes) -> str:
    """Upload a harmless file, then the bytes as its second version."""
    file_id = raw(client, b'Clean.')
    assert client.put(f'{URL}/{file_id}/content', data=content).status_code == 200
    return file_id
