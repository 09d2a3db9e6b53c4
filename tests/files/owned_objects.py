"""Requests to objects of the feature `files` that only the owner of the object may send."""

from typing import Any

from tests.kit.responses import data

FILES = '/api/v1/files'
TUS = {'Tus-Resumable': '1.0.0'}


def requests_of_owner(person: Any) -> list[tuple[str, str, Any]]:
    """Create a file, a share link and an upload; return the requests on them."""
    upload = person.client.post(
        f'{FILES}?name=a.txt',
        data=b'bytes',
        content_type='text/plain',
        headers={'Authorization': f'Bearer {person.tokens["token"]}'},
    )
    file = f'{FILES}/{data(upload)["id"]}'
    link = data(person.call('POST', f'{file}/links', {}))
    partial = person.call('POST', f'{FILES}/uploads', **TUS, **{'Upload-Length': '5'})
    return [
        ('GET', file, None), ('PATCH', file, {'name': 'b.txt'}), ('GET', f'{file}/content', None),
        ('GET', f'{file}/versions', None), ('GET', f'{file}/versions/1/content', None),
        ('POST', f'{file}/versions/1/restore', None), ('GET', f'{file}/thumbnail?size=64', None),
        ('GET', f'{file}/links', None), ('POST', f'{file}/links', {}),
        ('DELETE', f'{FILES}/links/{link["id"]}', None),
        ('HEAD', partial.headers['Location'], None),
        ('DELETE', partial.headers['Location'], None),
        ('POST', f'{file}/restore', None), ('DELETE', file, None),
    ]  # fmt: skip
