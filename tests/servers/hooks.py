"""Hooks for schemathesis, which generates requests: rules that a JSON schema cannot express."""

from typing import Any

import schemathesis

# The body of a resumable upload's chunk can contain any bytes.
schemathesis.serializer.alias('application/offset+octet-stream', 'application/octet-stream')


# Usernames for which the path belongs to another operation, such as `/users/me`.
OTHER_PATHS = {'me', 'roles'}


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Skip generated usernames for which the path belongs to another operation.

    For example, `/users/me/profile` returns the profile of the caller. The schemas of their
    responses differ.
    """
    values = case.path_parameters or {}
    return not OTHER_PATHS & {str(values.get('username', '')), str(values.get('user', ''))}
