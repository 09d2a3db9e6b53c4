"""Hooks for schemathesis, which generates requests: rules that a JSON schema cannot express."""

from typing import Any

import schemathesis

# The body of a resumable upload's chunk can contain any bytes.
schemathesis.serializer.alias('application/offset+octet-stream', 'application/octet-stream')


# Values of `username` for which the path belongs to another operation, such as `/users/me`.
OTHER_PATHS = {'me', 'roles'}


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Skip generated usernames for which the path belongs to another operation.

    For example, `/users/7` returns the user with id 7, and `/users/me/profile` the caller. The
    schemas of their responses differ.
    """
    path, name = case.operation.path, str((case.path_parameters or {}).get('username', ''))
    if '/users/{username}' not in path:
        return True
    return name not in OTHER_PATHS and not (path.endswith('}') and name.isdecimal())
