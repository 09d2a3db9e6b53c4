"""HTTP: if a credential is revoked while a file is uploaded, the file is not stored."""

from typing import Any

import pytest

from tests.users.factories import UserFactory

from .test_held_bodies import BY_KEY, BY_SESSION, send, token_of

# URLs of these features.
requires = ('auth', 'files')


@pytest.mark.parametrize(
    ('credential', 'revoked'),
    [
        *(('session', name) for name in BY_SESSION if name != 'demoted'),
        *(('key', name) for name in BY_KEY if name != 'demoted'),
    ],
)
def test_a_streamed_body_is_authorized_again_when_it_is_committed(
    app: Any, credential: str, revoked: str
) -> None:
    revoke = (BY_SESSION if credential == 'session' else BY_KEY)[revoked]
    user = UserFactory()

    status, has_effect = send(
        app, 'POST', '/api/v1/files?name=a.txt', token_of(user, credential), b'Hello.',
        'text/plain', lambda: revoke(user.id),
    )  # fmt: skip

    assert (status, has_effect) == (401, False)
