"""URLs and bodies of the feature `users`, for the table of preconditions."""

from typing import Any

from tests.core.images.sample_images import encoded, halves
from tests.kit.responses import data
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import RoleDefinitionFactory, UserFactory


def _form() -> dict[str, Any]:
    """Return a form with a small image."""
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    picture = encoded(halves(8, 8), 'PNG').getvalue()
    return {
        'data': head + picture + b'\r\n--cut--\r\n',
        'content_type': 'multipart/form-data; boundary=cut',
    }


BODIES = {
    'PUT user': {'json': {'username': 'grace', 'email': 'grace@example.com'}},
    'PUT role_replace': {'json': {'permissions': []}},
    'PUT user_roles_replace': {'json': {'roles': ['member']}},
    'PUT avatar_update': _form(),
}


def url_arguments(app: Any, client: Any, caller: Any) -> dict[str, Any]:
    """Create another user, a role, an avatar and an export."""
    client.put('/api/v1/users/me/avatar', **_form())
    export = data(client.post('/api/v1/users/me/exports'))
    run_pending_tasks(app)
    return {
        'user_id': UserFactory().id,
        'username': caller.username,
        'name': RoleDefinitionFactory().name,
        'export_id': export['id'],
    }
