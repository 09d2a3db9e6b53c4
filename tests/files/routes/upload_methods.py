"""Helpers that upload bytes in four ways and return the id of the file."""

import io
from typing import Any

from tests.client import data

URL = '/api/v1/files'
CHUNK_TYPE = 'application/offset+octet-stream'


def by_form(client: Any, content: bytes) -> str:
    """Upload a file in a form."""
    answer = client.post(URL, data={'file': (io.BytesIO(content), 'a.bin')})
    return str(data(answer)['id'])


def raw(client: Any, content: bytes) -> str:
    """Upload bytes as the body of the request."""
    return str(data(client.post(URL, data=content, content_type='text/csv'))['id'])


def by_tus(client: Any, content: bytes, **headers: str) -> str:
    """Upload by tus, in one chunk."""
    headers |= {'Tus-Resumable': '1.0.0', 'Upload-Length': str(len(content))}
    answer = client.post(f'{URL}/uploads', data=content, headers=headers, content_type=CHUNK_TYPE)
    return str(answer.headers['X-File-Id'])


def as_version(client: Any, content: bytes) -> str:
    """Upload bytes as a new version of a file."""
    file_id = raw(client, b'Clean.')
    assert client.put(f'{URL}/{file_id}/content', data=content).status_code == 200
    return file_id
