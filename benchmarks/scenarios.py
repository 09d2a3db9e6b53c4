"""Scenarios with small requests: health check, own user, lists, deep pages, logins."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher

from benchmarks.bench import Bench, Options
from benchmarks.errors import Failed
from benchmarks.load import Load, sample, wait_until_idle
from benchmarks.outcome import Figures, Outcome, Ratio
from benchmarks.servers import Server
from benchmarks.sides import HASH, USERNAME, Side

LIMIT = 50

Check = Callable[[dict], bool]


@dataclass(frozen=True)
class Cell:
    """A URL to measure on one server, after its response was verified.

    `length` is the size of the response body in bytes.
    """

    name: str
    side: Side
    server: Server
    path: str
    length: int


def healthz(bench: Bench) -> Outcome:
    """Measure the health check, the cheapest request. The result has no target."""
    cells = _small(bench, '/healthz', lambda answer: True)
    return Outcome('healthz', 'GET /healthz', cells, _gains())


def me(bench: Bench) -> Outcome:
    """Measure `GET /users/me`, the most common authenticated request.

    Only this service sets a request id and writes a log line; the naive application does not.
    """
    cells = _small(bench, '/api/v1/users/me', lambda answer: answer['username'] == USERNAME)
    return Outcome('me', 'GET /users/me', cells, _gains(at_least=2.5, stretch=4))


def first_page(bench: Bench) -> Outcome:
    """Measure the first page of a list: 50 of 10,000 users."""
    first = list(range(1, LIMIT + 1))
    cells = _small(bench, f'/api/v1/users?limit={LIMIT}', lambda answer: _ids(answer) == first)
    title = f'GET /users?limit={LIMIT} of {bench.options.few_users:,}'
    return Outcome('list', title, cells, _gains(at_least=3.5))


def deep_page(bench: Bench) -> Outcome:
    """Measure the first and the last page of a list of a million users, over one connection."""
    rows = bench.options.many_users
    bench.grow(rows)
    first, last = list(range(1, LIMIT + 1)), list(range(rows - LIMIT + 1, rows + 1))
    with bench.serving(bench.disk) as running:
        cells = []
        for side, server in running:
            path = f'/api/v1/users?limit={LIMIT}'
            cells.append(_cell('first', side, server, path, lambda answer: _ids(answer) == first))
            path = side.last_page(rows, LIMIT)
            cells.append(_cell('last', side, server, path, lambda answer: _ids(answer) == last))
        found = _rounds(cells, bench.options, connections=1, whole=True)
    ratios = [
        Ratio(
            'CPU and PostgreSQL, last / first', 'total_us', 'ours last', 'ours first', at_most=1.1
        ),
        Ratio('median latency, last / first', 'p50_ms', 'ours last', 'ours first', at_most=1.1),
        Ratio('naive, latency, last / first', 'p50_ms', 'naive last', 'naive first'),
        Ratio('latency of the last, naive / ours', 'p50_ms', 'naive last', 'ours last'),
    ]
    return Outcome('deep', f'GET /users?limit={LIMIT} of {rows:,}', found, ratios)


def login(bench: Bench) -> Outcome:
    """Measure logins on both applications, and the verification of a password hash alone.

    The hash parameters of both applications are the same.
    """
    with bench.serving(bench.disk) as running:
        cells: dict[str, list[Figures]] = {'hash': [], **{side.name: [] for side in bench.sides}}
        for _ in range(bench.options.rounds):
            cells['hash'].append(_verify(bench.options.logins))
            for side, server in running:
                cells[side.name].append(_log_in(side, server, bench.options.logins))
    ratios = [
        Ratio('CPU, ours / hash', 'cpu_us', 'ours', 'hash', at_most=1.1),
        Ratio('time, ours / hash', 'seconds', 'ours', 'hash'),
        *_gains(),
    ]
    return Outcome('login', 'POST /auth/sessions', cells, ratios)


def _small(bench: Bench, path: str, check: Check) -> dict[str, list[Figures]]:
    bench.grow(bench.options.few_users)
    with bench.serving(bench.disk) as running:
        cells = [_cell('', side, server, path, check) for side, server in running]
        return _rounds(cells, bench.options, connections=bench.options.connections)


def _cell(name: str, side: Side, server: Server, path: str, check: Check) -> Cell:
    """Send 20 warm-up requests to a path, and return the path as a `Cell`.

    :raises Failed: if the last response is wrong.
    """
    answers = [server.request('GET', path) for _ in range(20)]
    status, body = answers[-1]
    if status != 200 or not check(json.loads(body)['data']):
        raise Failed(f'{side.name} {path} returned {status}: {body[:300]!r}')
    return Cell(f'{side.name} {name}'.strip(), side, server, path, len(body))


def _rounds(
    cells: list[Cell], options: Options, *, connections: int, whole: bool = False
) -> dict[str, list[Figures]]:
    """Measure all URLs once in each round, so that a disturbance affects all of them."""
    load = Load(options.seconds, connections, whole)
    found: dict[str, list[Figures]] = {cell.name: [] for cell in cells}
    for _ in range(options.rounds):
        for cell in cells:
            found[cell.name].append(
                sample(cell.server, cell.side.database, cell.path, cell.length, load)
            )
    return found


def _verify(times: int) -> Figures:
    """Measure the verification of a password hash, without a server."""
    hasher = PasswordHasher(**HASH)
    stored = hasher.hash(USERNAME)
    before, started = time.process_time(), time.perf_counter()
    for _ in range(times):
        hasher.verify(stored, USERNAME)
    seconds, cpu = time.perf_counter() - started, time.process_time() - before
    return _costs(times, seconds, cpu)


def _log_in(side: Side, server: Server, times: int) -> Figures:
    """Measure logins of a client that sends its device token with each login."""
    body = {'user_or_email': USERNAME, 'password': side.password}
    if device := server.data('POST', '/api/v1/auth/sessions', body).get('device'):
        body['device'] = device
    wait_until_idle(server)
    before, started = server.cpu_seconds(), time.perf_counter()
    for _ in range(times):
        server.request('POST', '/api/v1/auth/sessions', body)
    seconds, cpu = time.perf_counter() - started, server.cpu_seconds() - before
    return _costs(times, seconds, cpu)


def _costs(times: int, seconds: float, cpu: float) -> Figures:
    return {
        'cpu_us': cpu / times * 1e6, 'per_second': times / seconds, 'seconds': seconds / times,
    }  # fmt: skip


def _ids(answer: dict) -> list[int]:
    return [user['id'] for user in answer['items']]


def _gains(at_least: float | None = None, stretch: float | None = None) -> list[Ratio]:
    return [
        Ratio('CPU, naive / ours', 'cpu_us', 'naive', 'ours', at_least=at_least, stretch=stretch),
        Ratio('requests/s, ours / naive', 'per_second', 'ours', 'naive'),
    ]
