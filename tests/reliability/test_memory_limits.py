"""A service with 768 MiB of memory and clients that upload image bombs: it keeps responding."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from tests import malicious_inputs

from .accounts import create_users, monitor_health
from .harness import IS_LONG, figure, service_under_test
from .test_hostile import HostileClient

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

MEMORY = 768 * 1024 * 1024
SECONDS = 90 if IS_LONG else 15
# The maximum 99th percentile of the response time. In CI, other tests use the CPUs as well.
MAX_P99_SECONDS = 1.0 if IS_LONG else 4.0
CLIENTS = 6
V1, V2 = Path('/sys/fs/cgroup/memory'), Path('/sys/fs/cgroup')


@contextmanager
def memory_limit() -> Iterator[Path]:
    """Create a Linux control group with a memory limit and no swap; yield its folder.

    Supports both versions of control groups.
    """
    root, limit = (V1, 'memory.limit_in_bytes') if V1.is_dir() else (V2, 'memory.max')
    with suppress(OSError):
        (root / 'cgroup.subtree_control').write_text('+memory')
    group = root / f'tests-{uuid4().hex}'
    group.mkdir()
    (group / limit).write_text(str(MEMORY))
    for swap, most in (('memory.memsw.limit_in_bytes', MEMORY), ('memory.swap.max', 0)):
        # The file is missing if the kernel does not account for swap.
        with suppress(OSError):
            (group / swap).write_text(str(most))
    try:
        yield group
    finally:
        for pid in (group / 'cgroup.procs').read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        # Killed processes need some time to end.
        deadline = time.monotonic() + 20
        while (group / 'cgroup.procs').read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        group.rmdir()


def killed_in(group: Path) -> int:
    """Return how many processes of the group the kernel has killed for lack of memory."""
    for name in ('memory.events', 'memory.oom_control'):
        with suppress(FileNotFoundError):
            words = dict(line.split() for line in (group / name).read_text().splitlines())
            return int(words['oom_kill'])
    raise AssertionError('no such counter')


def peak_of(group: Path) -> int:
    """Return the maximum memory of the cgroup so far in bytes, including the page cache."""
    for name in ('memory.max_usage_in_bytes', 'memory.peak', 'memory.current'):
        with suppress(FileNotFoundError):
            return int((group / name).read_text())
    raise AssertionError('no such counter')


def attack(
    hostile_client: HostileClient, bombs: list[tuple[str, bytes]], over: threading.Event, seed: int
) -> None:
    """Upload image bombs, request their thumbnails and download them until `over` is set."""
    chance = random.Random(seed)
    while not over.is_set():
        what, content = chance.choice(bombs)
        with suppress(requests.ConnectionError):
            sent = hostile_client.send('POST', '/files', params={'name': what}, data=content)
            if sent.status_code != 201:
                continue
            file_id = sent.json()['data']['id']
            for edge in (64, 256, 1024):
                hostile_client.send('GET', f'/files/{file_id}/thumbnail?size={edge}')
            hostile_client.send('GET', f'/files/{file_id}/content')
            hostile_client.send('POST', '/files/archives', json={'ids': [file_id]})


def test_the_service_keeps_responding(tmp_path: Path) -> None:
    with memory_limit() as group:
        enter = ['sh', '-c', f'echo $$ > {group}/cgroup.procs; exec "$@"', 'sh']
        with service_under_test(tmp_path, 'postgresql', within=enter) as service:
            names = [f'mallory-{number}' for number in range(CLIENTS)]
            create_users(service, *names)
            clients = [HostileClient(service, name) for name in names]
            bombs = list(malicious_inputs.bombs().items())
            workers, over = service.web_workers, threading.Event()
            threads = [
                threading.Thread(target=attack, args=(client, bombs, over, number))
                for number, client in enumerate(clients)
            ]
            with monitor_health(service) as monitor:
                for thread in threads:
                    thread.start()
                time.sleep(SECONDS)
                over.set()
                for thread in threads:
                    thread.join(120)
            states = dict(
                service.rows('SELECT state, count(*) FROM files_thumbnails GROUP BY state')
            )
            same, killed, peak = service.web_workers == workers, killed_in(group), peak_of(group)
            for client in clients:
                client.session.close()

    answers = sum((client.answers for client in clients), Counter())
    server_errors = [line for client in clients for line in client.server_errors]
    figure(
        f'768 MB, {SECONDS} s, {CLIENTS} clients with bombs: {dict(answers)}; thumbnails {states}; '
        f'/healthz p99 {monitor.p99:.2f} s of {len(monitor.seconds)}, failed {monitor.failed}; '
        f'memory {peak / 2**20:.0f} MiB, killed {killed}'
    )
    assert same
    assert monitor.failed == 0
    assert monitor.p99 <= MAX_P99_SECONDS
    assert server_errors == []
    assert states.get('ready')
