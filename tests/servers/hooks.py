"""Hooks of schemathesis for rules that no schema contains."""

from typing import Any

import schemathesis

# The chunks of resumable uploads are arbitrary bytes.
schemathesis.serializer.alias('application/offset+octet-stream', 'application/octet-stream')


# Path segments below /users that belong to other operations.
OTHER_PATHS = {'me', 'roles'}


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Skip usernames for which the path is that of another operation.

    `/users/7` returns a user and `/users/me/profile` the caller; their schemas differ.
    """
    path, name = case.operation.path, str((case.path_parameters or {}).get('username', ''))
    if '/users/{username}' not in path:
        return True
    return name not in OTHER_PATHS and not (path.endswith('}') and name.isdecimal())
