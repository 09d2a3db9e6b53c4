"""Costs of the task workers: statements and CPU time without tasks, throughput and delay."""

import os
import signal
import statistics
import time
from pathlib import Path

import pytest

from .harness import IS_LONG, children, cpu_seconds, figure, service_under_test, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

# After this time the start of the service no longer affects the statistics of PostgreSQL.
START_SECONDS = 12.0
IDLE, WINDOWS = (20.0, 3) if IS_LONG else (3.0, 3)
DRAINED = 1000
STARTS = 100 if IS_LONG else 20


def test_an_idle_service_executes_few_statements(tmp_path: Path) -> None:
    commits = 'SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()'
    with service_under_test(tmp_path, 'postgresql') as service:
        assert service.supervisor
        processes = [service.supervisor, *children(service.supervisor)]
        time.sleep(START_SECONDS)
        busy, began, counts = sum(map(cpu_seconds, processes)), time.monotonic(), []
        for _ in range(WINDOWS):
            count = service.scalar(commits)
            time.sleep(IDLE)
            counts.append(service.scalar(commits) - count)
        busy = sum(map(cpu_seconds, processes)) - busy
        passed = time.monotonic() - began
        # Use the lowest count, because PostgreSQL also counts the transactions of its autovacuum.
        count = min(counts)
    figure(f'idle: {count / IDLE:.2f} statements a second, {100 * busy / passed:.2f} % of a core')
    # In CI, other processes on the machine affect the figures. About three of the statements per
    # second are health checks of the two web workers.
    assert count / IDLE <= (4.5 if IS_LONG else 7)
    assert busy / passed < (0.01 if IS_LONG else 0.05)


def test_200_tasks_a_second_are_done(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'postgresql') as service:
        assert service.supervisor
        processes = children(service.supervisor)
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        service.enqueue('do_nothing', DRAINED)
        began = time.monotonic()
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: service.scalar('SELECT count(*) FROM core_tasks') == 0, 60)
        passed = time.monotonic() - began
    figure(f'{DRAINED} tasks that do nothing: {DRAINED / passed:.0f} a second')
    assert DRAINED / passed >= (200 if IS_LONG else 20)


def test_a_task_starts_soon_after_its_commit(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'postgresql') as service:
        waits = service.waits(STARTS, pause=0.15)
    middle, most = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
    figure(f'commit to start: median {1000 * middle:.0f} ms, 95 % within {1000 * most:.0f} ms')
    assert most <= (0.25 if IS_LONG else 1)
