"""Rate limits of routes."""

import logging
import os
import socket
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from limits import parse

from project.core.web.endpoints.access import authenticated
from project.core.web.endpoints.rate_limits import Limiter, database_name
from tests.core.apps import bearer, principal
from tests.kit.clock import Travel
from tests.kit.responses import fails_with

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REDIS = os.environ.get('TEST_REDIS_URL', '')
ON = {'RATELIMIT_ENABLED': True}

pytestmark = pytest.mark.redis


@pytest.fixture
def travel(travel: Travel) -> Travel:
    """Set the clock to noon; it stands still until the test moves it."""
    travel(to=NOON)
    return travel


@pytest.fixture
def unused_port():
    """Return a port on which no process listens."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


class TestLimiter:
    def test_allows_requests_up_to_the_limit(self, travel):
        limiter, item = Limiter(''), parse('2/minute')

        assert limiter.hit(item, 'a') == (True, 1, 60)
        assert limiter.hit(item, 'a') == (True, 0, 60)
        assert limiter.hit(item, 'a') == (False, 0, 60)

    def test_counts_each_key_separately(self, travel):
        limiter, item = Limiter(''), parse('1/minute')

        assert limiter.hit(item, 'route', 'ada')[0]
        assert limiter.hit(item, 'route', 'eve')[0]
        assert limiter.hit(item, 'other', 'ada')[0]
        assert not limiter.hit(item, 'route', 'ada')[0]

    def test_allows_requests_again_after_the_period(self, travel):
        limiter, item = Limiter(''), parse('1/minute')
        limiter.hit(item, 'a')
        travel(seconds=59)
        is_allowed, _, seconds = limiter.hit(item, 'a')
        travel(seconds=seconds)

        assert not is_allowed
        assert 1 <= seconds <= 2
        assert limiter.hit(item, 'a')[0]

    def test_shares_its_counters_only_through_redis(self):
        one, other, item, key = Limiter(REDIS), Limiter(REDIS), parse('1/minute'), uuid4().hex

        assert one.hit(item, key)[0]
        assert not one.hit(item, key)[0]
        is_shared = not other.hit(item, key)[0]

        assert is_shared is bool(REDIS)

    def test_counts_each_database_separately(self):
        item, key = parse('1/minute'), uuid4().hex
        names = (database_name(f'postgresql://eve:secret@db.example.com/{n}') for n in ('a', 'b'))
        one, other = (Limiter(REDIS, name) for name in names)

        assert one.hit(item, key)[0]
        assert other.hit(item, key)[0]

    def test_counts_in_the_process_when_redis_does_not_respond(self, unused_port, caplog):
        limiter = Limiter(f'redis://127.0.0.1:{unused_port}/0')
        item = parse('1/minute')

        assert limiter.hit(item, 'a')[0]
        assert not limiter.hit(item, 'a')[0]
        assert {(r.levelno, r.message) for r in caplog.records if 'Redis' in r.message} == {
            (logging.WARNING, 'Redis does not answer: limits are counted in this process')
        }


class TestDatabaseName:
    @pytest.mark.parametrize(
        ('url', 'name'),
        [
            ('postgresql://eve:secret@db.example.com:5433/app?sslmode=require',
             'db.example.com:5433/app'),
            ('postgresql:///app', ':/app'),
            ('sqlite:////srv/var/app.sqlite', '://srv/var/app.sqlite'),
            ('sqlite://', ':'),
        ],
    )  # fmt: skip
    def test_contains_host_and_name_but_no_secret(self, url, name):
        assert database_name(url) == name


class TestCountRequest:
    def test_returns_429_with_the_correct_retry_after(self, serve, travel):
        client = serve(lambda: None, limit='2/minute', settings=ON)
        client.get('/probe')
        client.get('/probe')
        travel(seconds=10)

        response = client.get('/probe')

        fails_with(response, 'rate', status=429, reason='Too many requests')
        wait = int(response.headers['Retry-After'])
        assert 50 <= wait <= 51
        travel(seconds=wait - 2)
        assert client.get('/probe').status_code == 429
        travel(seconds=2)
        assert client.get('/probe').status_code == 200

    def test_sends_the_remaining_requests(self, serve, travel):
        client = serve(lambda: None, limit='2/minute', settings=ON)

        answers = [client.get('/probe') for _ in range(3)]

        assert [a.headers['RateLimit-Policy'] for a in answers] == ['"show";q=2;w=60'] * 3
        assert [a.headers['RateLimit'] for a in answers] == [
            '"show";r=1;t=60', '"show";r=0;t=60', '"show";r=0;t=60',
        ]  # fmt: skip

    def test_counts_anonymous_clients_by_ipv4_address(self, serve, travel):
        client = serve(lambda: None, limit='1/minute', settings=ON)

        codes = [
            client.get('/probe', environ_base={'REMOTE_ADDR': address}).status_code
            for address in ('192.0.2.1', '192.0.2.2', '192.0.2.1')
        ]

        assert codes == [200, 200, 429]

    def test_counts_anonymous_clients_by_ipv6_network(self, serve, travel):
        client = serve(lambda: None, limit='1/minute', settings=ON)

        codes = [
            client.get('/probe', environ_base={'REMOTE_ADDR': address}).status_code
            for address in ('2001:db8::1', '2001:db8::ffff:2', '2001:db8:0:1::1')
        ]

        assert codes == [200, 429, 200]

    def test_counts_ipv4_clients_of_an_ipv6_socket_by_ipv4_address(self, serve, travel):
        client = serve(lambda: None, limit='1/minute', settings=ON)

        codes = [
            client.get('/probe', environ_base={'REMOTE_ADDR': address}).status_code
            for address in ('::ffff:192.0.2.1', '::ffff:192.0.2.2', '192.0.2.1')
        ]

        assert codes == [200, 200, 429]

    def test_counts_users_independently_of_their_ip_address(self, serve, travel):
        people = {'ada': principal(user_id=1), 'eve': principal(user_id=2)}
        client = serve(
            lambda: None, allow=authenticated(), people=people, limit='1/minute', settings=ON
        )

        codes = [
            client.get(
                '/probe', headers=bearer(who), environ_base={'REMOTE_ADDR': address}
            ).status_code
            for who, address in (('ada', '192.0.2.1'), ('eve', '192.0.2.1'), ('ada', '192.0.2.2'))
        ]

        assert codes == [200, 200, 429]

    def test_does_not_count_anonymous_requests_for_a_user(self, serve, travel):
        client = serve(
            lambda: None,
            allow=authenticated(),
            people={'ada': principal()},
            limit='1/minute',
            settings=ON,
        )

        codes = [client.get('/probe').status_code for _ in range(3)]

        assert codes == [401, 401, 401]
        assert client.get('/probe', headers=bearer('ada')).status_code == 200

    def test_counts_requests_that_the_guard_rejects(self, serve, travel):
        client = serve(
            lambda: None,
            allow=authenticated(),
            people={'key': principal(scopes=frozenset())},
            limit='1/minute',
            settings=ON,
        )

        codes = [client.get('/probe', headers=bearer('key')).status_code for _ in range(2)]

        assert codes == [403, 429]

    def test_counts_nothing_when_it_is_disabled(self, serve):
        client = serve(lambda: None, limit='1/minute', settings={'RATELIMIT_ENABLED': False})

        responses = [client.get('/probe') for _ in range(3)]

        assert [response.status_code for response in responses] == [200, 200, 200]
        assert 'RateLimit' not in responses[0].headers

    def test_sends_no_header_on_a_route_without_a_limit(self, serve):
        assert 'RateLimit' not in serve(lambda: None, settings=ON).get('/probe').headers
