"""Commands: `flask auth events`."""

import json

from project.auth.service import log_in
from tests.auth.factories import PASSWORD, account


class TestEvents:
    def test_are_listed_newest_first_for_one_or_all(self, run):
        for name in ('ada', 'eve'):
            log_in(user_or_email=account(username=name).username, password=PASSWORD)

        everybody = json.loads(run('auth', 'events', '--kind', 'login', '--json').stdout)
        eves = json.loads(run('auth', 'events', 'eve', '--kind', 'login', '--json').stdout)
        newest = json.loads(run('auth', 'events', '--limit', '1', '--json').stdout)

        assert len(everybody) == 2
        assert eves == newest == everybody[:1]
        assert eves[0]['details']['new_device'] is True
        assert 'login' in run('auth', 'events').stdout
