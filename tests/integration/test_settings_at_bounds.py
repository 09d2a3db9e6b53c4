"""Numeric settings of the features, at their smallest and largest value.

Requests and nightly clean-up must work with all of these values.
"""

import re
from datetime import timedelta

import pytest

from config.base import Config
from config.settings import declared_settings
from project.auth.service.cleanup import delete_expired
from project.files.service.storage.garbage_collection import collect_garbage
from tests.auth.conftest import SESSIONS
from tests.auth.factories import PASSWORD, account
from tests.files.routes.file_requests import multipart
from tests.kit.responses import data

SETTINGS = declared_settings(Config)
KEYS = [
    key
    for key, setting in SETTINGS.items()
    if setting.kind.of in (int, timedelta)
    and key.startswith(('AUTH_', 'FILES_', 'USERS_', 'FRESH_'))
]
# With the largest value, a hash takes seconds. The application measures that at its start, and
# rejects the value.
MEASURED = {'AUTH_HASH_MEMORY_KIB', 'AUTH_HASH_ROUNDS'}


def bounds_of(key):
    """Return the smallest and the largest value that a setting accepts."""
    kind = SETTINGS[key].kind
    wanted = kind.wanted_of_python or kind.wanted
    low, high = map(int, re.search(r'(\d+) to (\d+)', wanted).groups())
    unit = timedelta(**{kind.options['unit']: 1}) if kind.of is timedelta else 1
    return low * unit, min(high * unit, timedelta(36_500)) if kind.of is timedelta else high


@pytest.mark.parametrize('bound', [0, 1], ids=['low', 'high'])
@pytest.mark.parametrize('key', KEYS)
def test_works_at_its_bounds(app, client, bearer, monkeypatch, key, bound):
    value = bounds_of(key)[bound]
    if key in MEASURED and bound:
        value = SETTINGS[key].default
    assert SETTINGS[key].kind.fault_of(value) is None
    account(username='ada')
    monkeypatch.setitem(app.config, key, value)

    login = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': PASSWORD})
    assert login.status_code == 201
    ada = bearer(data(login)['token'])
    assert ada.get('/api/v1/users/me').status_code == 200
    refresh = {'refresh_token': data(login)['refresh_token']}
    assert client.post(f'{SESSIONS}/refresh', json=refresh).status_code == 200
    # A quota of 0 allows no upload. All other values allow a file of one byte.
    assert multipart(ada, b'x').status_code == (413 if (key, value) == ('FILES_QUOTA', 0) else 201)
    assert {batch.error for batch in delete_expired(dry_run=True)} == {None}
    assert [item for item in collect_garbage(dry_run=True) if item.kind == 'trash'] == []
