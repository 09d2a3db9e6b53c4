"""Commands: `flask auth events`."""

import json

from project.auth.service import log_in
from tests.auth.factories import PASSWORD, account


class TestEvents:
    def test_are_listed_newest_first_for_one_user_or_all(self, run):
        for name in ('ada', 'eve'):
            log_in(user_or_email=account(username=name).username, password=PASSWORD)

        all_users = json.loads(run('auth', 'events', '--kind', 'login', '--json').stdout)
        of_eve = json.loads(run('auth', 'events', 'eve', '--kind', 'login', '--json').stdout)
        newest = json.loads(run('auth', 'events', '--limit', '1', '--json').stdout)

        assert len(all_users) == 2
        assert of_eve == newest == all_users[:1]
        assert of_eve[0]['details']['new_device'] is True
        assert 'login' in run('auth', 'events').stdout
