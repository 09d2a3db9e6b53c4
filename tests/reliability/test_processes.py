"""The crew comes and goes with the service, whatever is done to either."""

import os
import signal
from pathlib import Path

import pytest

from .harness import Attacked, attacked, children, kill, mailed, post, wait_until

# With TASKS_CONCURRENCY=2: one for mails, two for the others.
TASK_WORKERS = 3

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]


def leaders(service: Attacked) -> list[int]:
    """Return the workers of gunicorn that serve tasks."""
    return [pid for pid in children(service.web.pid) if children(pid)]


def is_whole(service: Attacked, web: int = 2) -> bool:
    """Return whether there are a dispatcher, task workers, and so many workers for requests."""
    crews = leaders(service)
    is_crew = len(crews) == 1 and len(children(crews[0])) == 1 + TASK_WORKERS
    return is_crew and len(service.web_workers) == web


def is_there(pid: int) -> bool:
    """Tell whether a process still runs."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def still_mails(service: Attacked, number: int) -> None:
    """Prove that requests are answered, and tasks done."""
    answer = post(service, number)
    assert answer is not None
    assert answer.status_code == 200
    wait_until(lambda: number in mailed(service), 10)


def test_whoever_is_killed_is_replaced(tmp_path: Path) -> None:
    with attacked(tmp_path, 'sqlite') as service:
        [leader] = leaders(service)
        for pid in [*children(leader), leader]:
            kill(pid)
            wait_until(lambda pid=pid: not is_there(pid) and is_whole(service), 15)
        still_mails(service, 1)


def test_a_reload_replaces_the_task_workers_and_fewer_workers_keep_them(tmp_path: Path) -> None:
    with attacked(tmp_path, 'sqlite') as service:
        [before] = leaders(service)
        os.kill(service.web.pid, signal.SIGHUP)
        wait_until(lambda: before not in leaders(service) and is_whole(service), 20)
        still_mails(service, 1)

        for _ in range(3):
            os.kill(service.web.pid, signal.SIGTTOU)
        wait_until(lambda: is_whole(service, web=1), 15)
        still_mails(service, 2)

        os.kill(service.web.pid, signal.SIGTTIN)
        wait_until(lambda: is_whole(service), 15)


def test_nobody_outlives_a_master_that_is_killed(tmp_path: Path) -> None:
    with attacked(tmp_path, 'sqlite') as service:
        everybody = [*children(service.web.pid), *children(leaders(service)[0])]
        kill(service.web.pid)
        wait_until(lambda: not any(map(is_there, everybody)), 10)


def test_what_runs_is_finished_before_the_service_ends(tmp_path: Path) -> None:
    with attacked(tmp_path, 'sqlite') as service:
        service.enqueue('leave_mark', 1, milliseconds=3000)
        wait_until(lambda: service.scalar('SELECT count(*) FROM reliability_runs') == 1, 10)

        service.web.send_signal(signal.SIGTERM)
        assert service.web.wait(20) == 0

        assert service.scalar('SELECT count(*) FROM reliability_effects') == 1
        assert service.scalar('SELECT count(*) FROM core_tasks') == 0
