"""URLs and bodies of the feature `files`, for the table of preconditions."""

from typing import Any

from project.files import service
from tests.core.images.sample_images import encoded, halves
from tests.files.file_io import store
from tests.kit.responses import data
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import principal_of

# The requests with an example that fails, and the missing value.
INCOMPLETE_EXAMPLES = {'POST archive_create': 'the ids of files'}
BODIES = {'PUT file_content_replace': {'data': b'other', 'content_type': 'text/plain'}}


def url_arguments(app: Any, client: Any, caller: Any) -> dict[str, Any]:
    """Store an image with a thumbnail and a share link, and publish a file."""
    picture = encoded(halves(8, 8), 'PNG').getvalue()
    file = store(caller.id, picture, name='a.png')
    client.get(f'/api/v1/files/{file.id}/thumbnail')
    run_pending_tasks(app)
    link = service.create_link(principal_of(caller), file.id)
    folder = service.published_folder()
    folder.mkdir(parents=True)
    (folder / 'terms.txt').write_bytes(b'The terms.')
    found = data(client.get(f'/api/v1/files/{file.id}'))
    return {
        'file_id': found['id'], 'number': 1, 'token': link['token'], 'filename': 'terms.txt',
    }  # fmt: skip
