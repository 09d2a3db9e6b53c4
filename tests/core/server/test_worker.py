"""Responses of a real gunicorn with the project's worker class to raw bytes.

Some clients send their bytes slowly or incompletely.
"""

import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from select import select
from threading import Thread

import pytest

from project.core.web.responses.headers import API

from .serving import Answer, Client, get, post, small_service

pytestmark = pytest.mark.servers

HOST = b'Host: localhost\r\n'
CHUNKED = b'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n'
JSON = 'Content-Type: application/json'
CHUNKED_JSON = CHUNKED.replace(b'/echo', b'/json').replace(
    b'\r\n\r\n', f'\r\n{JSON}\r\n\r\n'.encode()
)
HALF_HEAD = b'GET /healthz HTTP/1.1\r\nHost: loc'
HALF_BODY = post(1000) + b'x' * 500
HALF_CHUNK = CHUNKED + b'400\r\nxxx'
HALF_UPLOAD = post(1 << 20) + b'x' * 60_000


def upload(user: int, *headers: str) -> bytes:
    """Return an incomplete upload of a user, which occupies a thread until its end."""
    return post(100_000, f'User: {user}', *headers, path='/claimed') + b'x' * 40_000


@pytest.fixture(scope='module')
def port() -> Iterator[int]:
    """Run the small service with the production worker class; yield its port."""
    with small_service() as service:
        yield service.port


@pytest.fixture(scope='module')
def hasty() -> Iterator[int]:
    """Run the small service with time limits of half a second to a second; yield its port."""
    worker = ('-k', 'tests.core.server.small_app.HastyWorker')
    with small_service(*worker, BODY_TIMEOUT='1') as service:
        yield service.port


@pytest.fixture(scope='module')
def crowded() -> Iterator[int]:
    """Run the small service with at most two streams per client; yield its port."""
    worker = ('-k', 'tests.core.server.small_app.CrowdedWorker')
    with small_service(*worker, BODIES_PER_CLIENT='2') as service:
        yield service.port


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    """Yield a connection to the service at `port`."""
    with Client(port) as client:
        yield client


def rejects_more(client: Client) -> bool:
    """Send bytes for up to five seconds; return whether the server closes the connection."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            client.send(b'x')
        except OSError:
            return True
        time.sleep(0.05)
    return False


def worst_of(ask: Callable[[], None], seconds: float) -> float:
    """Call `ask` 40 times a second; return the 99th percentile of its duration in seconds.

    No call waits for the previous one: that would hide the length of an outage.
    """
    times: list[float] = []

    def probe() -> None:
        begin = time.monotonic()
        ask()
        times.append(time.monotonic() - begin)

    probes = [Thread(target=probe) for _ in range(int(seconds * 40))]
    for thread in probes:
        thread.start()
        time.sleep(1 / 40)
    for thread in probes:
        thread.join()
    assert len(times) == len(probes), 'some requests got no response'
    return sorted(times)[int(len(times) * 0.99)]


class TestHandleError:
    MALFORMED = {
        'garbage': (400, b'garbage\r\n\r\n'),
        'a lower-case method': (400, b'get / HTTP/1.1\r\n' + HOST + b'\r\n'),
        'a malformed version': (400, b'GET / HTTP/x.1\r\n' + HOST + b'\r\n'),
        'another major version': (505, b'GET / HTTP/9.9\r\n' + HOST + b'\r\n'),
        'a space before a colon': (400, b'GET / HTTP/1.1\r\nHost : localhost\r\n\r\n'),
        'two hosts': (400, b'GET / HTTP/1.1\r\n' + HOST + HOST + b'\r\n'),
        'two framings': (400, post(5, 'Transfer-Encoding: chunked') + b'0\r\n\r\n'),
        'a length that is not a number': (400, post(5).replace(b': 5', b': five')),
        'a length beyond reason': (400, post(5).replace(b': 5', b': ' + b'9' * 5000)),
        'a line ending in LF': (400, b'GET /healthz HTTP/1.1\n' + HOST),
        'a long line': (414, get('/' + 'x' * 10_000)),
        'a long header': (431, get('/', 'X-Long: ' + 'x' * 10_000)),
        'a hundred thousand headers': (431, get('/', *['X-Many: 1'] * 100_000)),
        'an odd expectation': (417, get('/', 'Expect: a-miracle')),
        'an odd encoding': (501, post(5).replace(b'Content-Length: 5', b'Transfer-Encoding: odd')),
    }

    @pytest.mark.parametrize('case', MALFORMED)
    def test_returns_jsend_for_malformed_requests(self, client: Client, case: str) -> None:
        status, request = self.MALFORMED[case]

        answer = client.ask(request)

        assert answer.status == status
        if status >= 500:
            assert answer.json.keys() == {'status', 'message', 'code'}
            assert (answer.json['status'], answer.json['code']) == ('error', status)
        else:
            assert answer.json.keys() == {'status', 'data'}
            assert answer.json['status'] == 'fail'
            [reason] = answer.json['data']['request']
            assert reason

    @pytest.mark.parametrize('case', ['a long line', 'a long header', 'another major version'])
    def test_allows_the_pages_of_cors_origins(self, client: Client, case: str) -> None:
        _, request = self.MALFORMED[case]

        answer = client.ask(request.replace(b'\r\n', b'\r\nOrigin: https://a.test\r\n', 1))

        assert answer.headers['access-control-allow-origin'] == 'https://a.test'

    def test_returns_501_for_a_coded_body(self, client: Client) -> None:
        coded = CHUNKED.replace(b'chunked', b'gzip, chunked') + b'3\r\nabc\r\n0\r\n\r\n'
        answer = client.ask(coded)

        assert (answer.status, answer.headers['connection']) == (501, 'close')
        assert answer.json['code'] == 501
        assert client.is_closed()

    def test_returns_the_headers_of_every_response(self, client: Client) -> None:
        headers = client.ask(b'garbage\r\n\r\n').headers

        assert {name: headers[name.lower()] for name, _ in API} == dict(API)
        assert headers['connection'] == 'close'
        assert len(headers['x-request-id']) == 32

    def test_returns_a_different_request_id_each_time(self, port: int) -> None:
        ids = set()
        for _ in range(3):
            with Client(port) as client:
                ids.add(client.ask(b'garbage\r\n\r\n').headers['x-request-id'])

        assert len(ids) == 3

    def test_returns_400_for_garbage_after_a_valid_request(self, client: Client) -> None:
        assert client.ask(get()).status == 200
        assert client.ask(b'garbage\r\n\r\n').status == 400
        assert client.is_closed()


class TestEnqueueReq:
    def test_answers_pipelined_requests_in_order(self, client: Client) -> None:
        client.send(get() + post(3) + b'abc' + get('/nowhere') + get())

        assert [client.answer().status for _ in range(4)] == [200, 200, 404, 200]

    def test_waits_for_the_rest_of_a_pipelined_request(self, client: Client) -> None:
        assert client.ask(get() + HALF_HEAD).status == 200
        assert client.ask(b'alhost\r\n\r\n').status == 200

    def test_serves_a_request_that_arrives_byte_by_byte(self, client: Client) -> None:
        for byte in post(3) + b'abc':
            client.send(bytes([byte]))
            time.sleep(0.002)

        assert client.answer().json['size'] == 3

    def test_serves_a_second_request_that_arrives_in_halves(self, client: Client) -> None:
        client.ask(get())
        client.send(HALF_HEAD)
        time.sleep(0.05)

        assert client.ask(b'alhost\r\n\r\n').status == 200

    def test_sends_100_continue_for_a_small_body(self, client: Client) -> None:
        assert client.ask(post(3, 'Expect: 100-continue')).status == 100
        assert client.ask(b'abc').json['size'] == 3

    @pytest.mark.slow('gunicorn closes late connections once a second')
    def test_closes_a_connection_whose_head_takes_too_long(self, hasty: int) -> None:
        with Client(hasty) as client:
            client.send(HALF_HEAD)

            assert client.is_closed()

    def test_does_not_extend_the_limit_for_single_bytes(self, hasty: int) -> None:
        with Client(hasty) as client:
            assert rejects_more(client)

    def test_sends_100_continue_once_for_a_large_body(self, client: Client) -> None:
        body = b'x' * 100_000

        assert client.ask(post(len(body), 'Expect: 100-continue')).status == 100
        assert client.ask(body).json['size'] == len(body)

    @pytest.mark.parametrize('headers', [[], ['Expect: 100-continue']], ids=['sent', 'expected'])
    def test_rejects_a_body_that_is_too_large_before_it_arrives(
        self, client: Client, headers: list[str]
    ) -> None:
        answer = client.ask(post(5_000_000, *headers, path='/limited'))

        assert (answer.status, answer.headers['connection']) == (413, 'close')
        assert client.is_closed()

    def test_rejects_an_endless_head_at_once(self, client: Client) -> None:
        answer = client.ask(get('/', *['X-Many: 1'] * 4000)[:-2])

        assert answer.status == 431
        assert client.is_closed()

    def test_closes_a_connection_whose_client_disconnects(self, client: Client) -> None:
        client.send(HALF_HEAD)
        client.sock.shutdown(socket.SHUT_WR)

        assert client.is_closed()


class TestHandleRequest:
    @pytest.mark.parametrize('size', [0, 1, 32_768, 32_769, 65_537, 100_000, 3_000_000])
    def test_serves_a_request_after_a_body_of_any_size(self, client: Client, size: int) -> None:
        body = os.urandom(size)

        answer = client.ask(post(size) + body + get())

        assert answer.json == {'size': size, 'sha256': hashlib.sha256(body).hexdigest()}
        assert client.answer().status == 200

    def test_serves_a_request_after_a_chunked_body(self, client: Client) -> None:
        client.send(CHUNKED + b'5\r\nhello\r\n')
        time.sleep(0.05)

        assert client.ask(b'6\r\n world\r\n0\r\n\r\n').json['size'] == 11
        assert client.ask(get()).status == 200

    def test_serves_a_request_after_an_unread_small_body(self, client: Client) -> None:
        assert client.ask(post(20_000, path='/ignore') + b'x' * 20_000).status == 200
        assert client.ask(get()).status == 200

    @pytest.mark.parametrize('version', [b'1.1', b'1.2', b'1.9'])
    def test_responds_with_at_most_version_1_1(self, client: Client, version: bytes) -> None:
        client.send(get().replace(b'HTTP/1.1', b'HTTP/' + version))

        assert client.file.readline() == b'HTTP/1.1 200 OK\r\n'

    def test_serves_only_urls_below_script_name(self) -> None:
        with small_service(SCRIPT_NAME='/backend') as service, Client(service.port) as client:
            assert client.ask(get('/backend/healthz')).status == 200
            for_all = client.ask(b'OPTIONS * HTTP/1.1\r\n' + HOST + b'\r\n')
            outside = client.ask(get('/healthz'))

        assert b'<!doctype html>' in for_all.body, 'the response is of Flask, not of gunicorn'
        assert (outside.status, outside.json['data'].keys()) == (404, {'url'})

    def test_announces_the_end_of_the_connection_if_a_body_is_unread(self, client: Client) -> None:
        answer = client.ask(post(1_000_000, path='/ignore') + b'x' * 40_000)

        assert (answer.status, answer.headers['connection']) == (200, 'close')
        assert client.is_closed()

    def test_responds_to_a_client_that_still_sends_a_large_body(self, client: Client) -> None:
        answer = client.ask(post(3_000_000, path='/ignore') + b'x' * 3_000_000)

        assert answer.body == b'not read'
        assert client.is_closed()

    @pytest.mark.parametrize(
        'head', [post(1_000_000), CHUNKED + b'F4240\r\n'], ids=['length', 'chunk']
    )
    def test_returns_400_for_half_a_body(self, client: Client, head: bytes) -> None:
        client.send(head + b'x' * 500_000)
        client.sock.shutdown(socket.SHUT_WR)

        assert client.answer().status == 400

    def test_returns_400_for_the_start_of_a_body_whose_client_disconnects(
        self, client: Client
    ) -> None:
        client.send(post(1_000_000) + b'x' * 1000)
        client.sock.shutdown(socket.SHUT_WR)

        assert client.answer().status == 400

    def test_rejects_malformed_chunks(self, client: Client) -> None:
        assert client.ask(CHUNKED + b'nonsense\r\n').status == 400

    @pytest.mark.slow('the rate is measured over a second')
    @pytest.mark.parametrize('half', [HALF_CHUNK, HALF_UPLOAD], ids=['chunk', 'upload'])
    def test_returns_408_for_a_stream_that_stops(self, hasty: int, half: bytes) -> None:
        with Client(hasty) as client:
            answer = client.ask(half)
            assert answer.status == 408
            assert answer.headers['connection'] == 'close'

    @pytest.mark.slow('the rate is measured over a second')
    def test_returns_408_for_a_body_that_arrives_too_slowly(self, hasty: int) -> None:
        with Client(hasty) as client:
            client.send(HALF_UPLOAD)
            began = time.monotonic()
            while not select([client.sock], [], [], 0.05)[0]:
                client.send(b'x')

            assert client.answer().status == 408
            assert 1 <= time.monotonic() - began < 3

    @pytest.mark.slow('longer than the second over which the rate is measured')
    def test_does_not_limit_the_time_of_a_body_that_is_fast_enough(self, hasty: int) -> None:
        with Client(hasty) as client:
            client.send(post(100_000) + b'x' * 36_000)
            for _ in range(16):
                assert not select([client.sock], [], [], 0.1)[0]
                client.send(b'x' * 4000)

            assert client.answer().json['size'] == 100_000

    @pytest.mark.slow('the limit is in whole seconds')
    def test_returns_408_for_json_bodies_that_arrive_byte_by_byte(self, hasty: int) -> None:
        """Three clients send at the same time: a small, a large and a chunked body."""

        def send_slowly(head: bytes) -> tuple[Answer, float]:
            with Client(hasty) as client:
                client.send(head)
                began = time.monotonic()
                while not select([client.sock], [], [], 0.05)[0]:
                    client.send(b'1\r\n1\r\n' if head is CHUNKED_JSON else b'1')
                answer, seconds = client.answer(), time.monotonic() - began
                assert client.is_closed()
            return answer, seconds

        heads = [post(1000, JSON), post(100_000, JSON, path='/json'), CHUNKED_JSON]
        with ThreadPoolExecutor(3) as pool:
            for answer, seconds in pool.map(send_slowly, heads):
                assert (answer.status, answer.headers['connection']) == (408, 'close')
                assert answer.json == {
                    'status': 'fail',
                    'data': {'request': ['Request timed out; try again later']},
                }
                assert 1 <= seconds < 3

    @pytest.mark.slow('longer than the limit, which is in whole seconds')
    def test_does_not_limit_the_time_for_json_that_is_not_read_as_json(self, hasty: int) -> None:
        with Client(hasty) as client:
            client.send(post(40_000, JSON))
            for _ in range(3):
                client.send(b'1' * 10_000)
                assert not select([client.sock], [], [], 0.4)[0]

            assert client.ask(b'1' * 10_000).json['size'] == 40_000

    def test_serves_requests_beside_clients_that_do_not_read_responses(self, hasty: int) -> None:
        with ExitStack() as stack:
            for _ in range(8):
                stack.enter_context(Client(hasty)).send(get('/large'))
            time.sleep(0.2)

            assert stack.enter_context(Client(hasty)).ask(get()).status == 200


class TestRun:
    """Requests are served although hundreds of other connections sent incomplete requests."""

    @pytest.mark.parametrize(
        'halves',
        [
            pytest.param([HALF_HEAD, HALF_BODY], id='small'),
            pytest.param([HALF_CHUNK, HALF_UPLOAD], id='large'),
        ],
    )
    @pytest.mark.slow('opens 600 connections')
    def test_serves_requests_beside_600_incomplete_ones(
        self, port: int, halves: list[bytes]
    ) -> None:
        def ask() -> None:
            with Client(port) as client:
                assert client.ask(get()).status == 200

        with ExitStack() as stack:
            for half in halves * 300:
                stack.enter_context(Client(port)).send(half)

            # If an incomplete request occupied a thread, it would keep the thread for 10 seconds.
            assert worst_of(ask, seconds=0.7) < 5

    def test_starts_a_stream_when_another_has_ended(self, port: int) -> None:
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(port)) for _ in range(9)]
            for client in clients:
                client.send(CHUNKED + b'3\r\nabc\r\n')

            assert [client.ask(b'0\r\n\r\n').json['size'] for client in clients] == [3] * 9


class TestStreams:
    """Eight threads run streams, and one client can use two of them.

    A third stream of a client waits up to two seconds for a thread.
    """

    @pytest.fixture
    def clients(self, crowded: int) -> Iterator[list[Client]]:
        with ExitStack() as stack:
            yield [stack.enter_context(Client(crowded)) for _ in range(4)]

    @pytest.mark.slow('the time in the queue is checked once a second')
    def test_returns_429_for_a_third_stream_of_an_ip_address(self, clients: list[Client]) -> None:
        origin = 'https://a.test'
        for client in clients[:3]:
            client.send(post(1 << 20, f'Origin: {origin}') + b'x' * 60_000)

        # The service rejects the stream that arrived last.
        [ready] = select([client.sock for client in clients[:3]], [], [], 5)[0]
        [rejected] = [client for client in clients[:3] if client.sock is ready]
        answer = rejected.answer()
        assert (answer.status, answer.headers['retry-after']) == (429, '2')
        assert answer.json['data'].keys() == {'rate'}
        assert answer.headers['access-control-allow-origin'] == origin
        rest = b'x' * ((1 << 20) - 60_000)
        others = [client for client in clients[:3] if client is not rejected]
        assert [client.ask(rest).status for client in others] == [200, 200]

    def test_counts_streams_of_a_known_user_by_user(self, clients: list[Client]) -> None:
        # All streams come from one IP address, but each belongs to another user.
        for number, client in enumerate(clients):
            client.send(upload(number))

        # The last stream is completed first: it does not wait for the earlier ones.
        rest = b'x' * (100_000 - 40_000)
        assert [client.ask(rest).json['size'] for client in clients[::-1]] == [100_000] * 4

    def test_returns_429_for_a_third_stream_of_a_user(self, clients: list[Client]) -> None:
        # Each stream has another credential: with the same credential it would wait.
        for number, client in enumerate(clients[:3]):
            client.send(upload(7, f'Authorization: Bearer {number}'))

        ready = select([client.sock for client in clients[:3]], [], [], 5)[0]

        assert len(ready) == 1
        [rejected] = [client for client in clients[:3] if client.sock in ready]
        answer = rejected.answer()
        assert (answer.status, answer.headers['connection']) == (429, 'close')
        assert answer.json['data'].keys() == {'rate'}

    def test_starts_the_next_stream_of_a_credential_when_one_has_ended(
        self, clients: list[Client]
    ) -> None:
        for client in clients[:3]:
            client.send(upload(8, 'Authorization: Bearer same'))
        rest = b'x' * (100_000 - 40_000)

        assert [client.ask(rest).json['size'] for client in clients[:3]] == [100_000] * 3


class TestLargeJson:
    def test_of_many_clients_occupies_no_thread_of_other_bodies(self, crowded: int) -> None:
        half = post(100_000, JSON, path='/json') + b' ' * 40_000
        with ExitStack() as stack:
            # Each credential counts as a separate client. A single client could send only two
            # bodies.
            for number in range(12):
                stack.enter_context(Client(crowded)).send(
                    half.replace(b'\r\n', f'\r\nAuthorization: Bearer {number}\r\n'.encode(), 1)
                )
            client = stack.enter_context(Client(crowded))
            body = b'x' * 100_000

            assert client.ask(post(len(body)) + body).json['size'] == len(body)


def leave_unread(connect: Callable[[], Client], user: int) -> None:
    """Request a large response and do not read it.

    Repeats the request until a thread is free: earlier tests may still occupy threads.
    """
    status = b''
    while status != b'HTTP/1.1 200':
        client = connect()
        client.send(get('/large', f'User: {user}'))
        status = client.sock.recv(12)


class TestLargeResponses:
    """Twelve threads send large responses, and one client can use two of them."""

    @pytest.fixture
    def connect(self, crowded: int) -> Iterator[Callable[[], Client]]:
        with ExitStack() as stack:
            yield lambda: stack.enter_context(Client(crowded, timeout=5))

    @pytest.mark.parametrize('path', ['/large', '/streamed', '/sized/70000'])
    def test_returns_429_for_a_third_large_response_of_a_client(
        self, connect: Callable[[], Client], path: str
    ) -> None:
        for _ in range(2):
            leave_unread(connect, user=1)

        answer = connect().ask(get(path, 'User: 1'))

        assert (answer.status, answer.headers['retry-after']) == (429, '2')
        assert answer.json['data'].keys() == {'rate'}
        assert connect().ask(get('/sized/70000', 'User: 2')).status == 200
        assert connect().ask(get('/sized/60000', 'User: 1')).status == 200

    def test_occupy_no_thread_of_other_requests(self, connect: Callable[[], Client]) -> None:
        for user in range(20):
            connect().send(get('/large', f'User: {user}'))

        assert [connect().ask(get('/answered')).status for _ in range(10)] == [200] * 10
        assert [connect().ask(post(9) + b'x' * 9).status for _ in range(10)] == [200] * 10

    def test_count_only_until_the_client_has_read_them(self, connect: Callable[[], Client]) -> None:
        client = connect()
        statuses = [client.ask(get('/sized/70000', 'User: 3')).status for _ in range(5)]

        assert statuses == [200] * 5

    def test_do_not_count_for_head(self, connect: Callable[[], Client]) -> None:
        for _ in range(2):
            leave_unread(connect, user=4)

        client = connect()
        client.send(get('/large', 'User: 4').replace(b'GET', b'HEAD'))

        assert client.sock.recv(100).startswith(b'HTTP/1.1 200')

    @pytest.mark.slow('sends requests until the send buffers are full')
    def test_occupy_no_thread_while_pipelined_and_unread(
        self, connect: Callable[[], Client]
    ) -> None:
        def ask() -> None:
            assert connect().ask(get('/answered')).status == 200

        for _ in range(10):
            client = connect()
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(get('/sized/60000') * 500)

        assert worst_of(ask, seconds=1.5) < 3


class TestRunRequest:
    @pytest.mark.slow('requests occupy all threads for three seconds')
    def test_serves_health_checks_while_all_other_threads_are_occupied(self) -> None:
        with ExitStack() as stack, small_service() as service:
            # Twice as many requests as there are threads for ordinary requests.
            crowd = [stack.enter_context(Client(service.port, timeout=15)) for _ in range(16)]
            for client in crowd:
                client.send(get('/waiting?seconds=3', 'Connection: close'))

            def ask() -> None:
                with Client(service.port) as client:
                    assert client.ask(get('/healthz')).status == 200

            assert worst_of(ask, 0.5) < 1.5
            assert [client.answer().status for client in crowd] == [200] * 16


class TestRejectOverloaded:
    """Two threads run requests that hash a password, which wait for a limited time.

    The other threads stay available for other requests.
    """

    @pytest.mark.slow('requests take as long as the time limit, and more')
    def test_returns_503_after_the_time_limit_and_keeps_threads_for_other_requests(self) -> None:
        worker = 'tests.core.server.small_app.HastyWorker'
        with ExitStack() as stack, small_service('-k', worker) as service:
            # Ten requests of 0.3 seconds in two threads, with a time limit of 0.5 seconds.
            crowd = [stack.enter_context(Client(service.port, timeout=15)) for _ in range(10)]
            for client in crowd:
                client.send(get('/slow?seconds=0.3', 'Connection: close'))

            def ask() -> None:
                with Client(service.port) as client:
                    assert client.ask(get('/answered')).status == 200

            assert worst_of(ask, 0.5) < 1
            answers = [client.answer() for client in crowd]
            assert all(client.is_closed() for client in crowd)

        assert sorted(answer.status for answer in answers) == [200] * 4 + [503] * 6
        rejected = next(answer for answer in answers if answer.status == 503)
        assert rejected.headers['retry-after'] == '2'
        assert rejected.json == {'status': 'error', 'message': 'Service Unavailable', 'code': 503}


class TestLingeringClose:
    def test_does_not_block_while_a_client_keeps_its_connection_open(self, port: int) -> None:
        with Client(port) as lingering:
            assert lingering.ask(get('/healthz', 'Connection: close')).status == 200
            assert lingering.is_closed()
            begin = time.monotonic()

            with Client(port) as client:
                assert client.ask(get()).status == 200
            assert time.monotonic() < begin + 1

    def test_closes_a_connection_that_stays_open_too_long(self, hasty: int) -> None:
        with Client(hasty) as client:
            client.ask(get('/healthz', 'Connection: close'))
            assert client.is_closed()

            assert rejects_more(client)
