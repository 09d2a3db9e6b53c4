"""What schemathesis must be told of, for no schema says it."""

from typing import Any

import schemathesis

# The pieces of resumable uploads are bytes like any others.
schemathesis.serializer.alias('application/offset+octet-stream', 'application/octet-stream')


# Words below /users that are the paths of other operations.
OTHER_PATHS = {'me', 'roles'}


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out usernames with which the path is that of another operation.

    `/users/7` shows a user, and `/users/me/profile` the caller: what they return has other schemas.
    """
    path, name = case.operation.path, str((case.path_parameters or {}).get('username', ''))
    if '/users/{username}' not in path:
        return True
    return name not in OTHER_PATHS and not (path.endswith('}') and name.isdecimal())
