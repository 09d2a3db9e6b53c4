"""Requests of the feature `files` that record a security event."""

from tests.kit.responses import data

FILES = '/api/v1/files'


def share(world):
    """Upload a file as Ada and create a share link."""
    file = data(world.ada.post(f'{FILES}?name=a.json', json={'a': 1}))['id']
    return world.ada.post(f'{FILES}/{file}/links', json={'password': None})


def stop_sharing(world):
    """Create a share link as Ada and delete it."""
    link = data(share(world))['id']
    return world.ada.delete(f'{FILES}/links/{link}')


# Method and path of the route, the event, its outcome, and the function that causes the event.
CASES = [
    ('POST /files/<uuid:file_id>/links', 'credential_created', 'success', share),
    ('DELETE /files/links/<uuid:link_id>', 'credential_deleted', 'success', stop_sharing),
]
