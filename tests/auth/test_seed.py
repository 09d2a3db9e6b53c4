"""The passwords, sessions and API keys of `flask db seed`."""

import re
from random import Random

from tests.auth import seed
from tests.auth.factories import PASSWORD
from tests.kit.responses import data
from tests.seeding import Login, World, functions_of
from tests.users.factories import UserFactory


class TestSeed:
    def test_creates_credentials_that_the_hints_show(self, client, bearer):
        ada = UserFactory(username='ada')
        world = World(Random(1), is_large=False, users=[ada], logins=[Login('ada', ada.email)])

        for function in functions_of(seed):
            function(world)

        assert world.logins[0].password == PASSWORD
        credentials = {'user_or_email': 'ada', 'password': PASSWORD}
        assert client.post('/api/v1/auth/sessions', json=credentials).status_code == 201
        [token] = re.findall(r'Bearer (\S+)\'', ' '.join(world.hints))
        assert data(bearer(token).get('/api/v1/users/me'))['username'] == 'ada'
