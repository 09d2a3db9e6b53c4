"""Task worker processes start and end with the service, and are replaced when they die."""

import os
import signal
from pathlib import Path

import pytest

from .harness import ServiceUnderTest, children, kill, mailed, post, service_under_test, wait_until

# With TASKS_CONCURRENCY=2 there is one worker for mails and two for other tasks.
TASK_WORKERS = 3

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]


def supervisors(service: ServiceUnderTest) -> list[int]:
    """Return the process ids of the task worker supervisors."""
    return [pid for pid in children(service.web.pid) if children(pid)]


def is_complete(service: ServiceUnderTest, web: int = 2) -> bool:
    """Return whether the supervisor, all of its processes and `web` web workers run."""
    found = supervisors(service)
    has_task_processes = len(found) == 1 and len(children(found[0])) == 1 + TASK_WORKERS
    return has_task_processes and len(service.web_workers) == web


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie process does not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def assert_sends_mail(service: ServiceUnderTest, number: int) -> None:
    """Check that the service handles requests and runs tasks."""
    answer = post(service, number)
    assert answer is not None
    assert answer.status_code == 200
    wait_until(lambda: number in mailed(service), 10)


def test_killed_task_processes_are_replaced(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'sqlite') as service:
        [supervisor] = supervisors(service)
        for pid in [*children(supervisor), supervisor]:
            kill(pid)
            wait_until(lambda pid=pid: not is_running(pid) and is_complete(service), 15)
        assert_sends_mail(service, 1)


def test_a_reload_replaces_the_task_workers_and_fewer_web_workers_keep_them(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'sqlite') as service:
        [before] = supervisors(service)
        os.kill(service.web.pid, signal.SIGHUP)
        wait_until(lambda: before not in supervisors(service) and is_complete(service), 20)
        assert_sends_mail(service, 1)

        for _ in range(3):
            os.kill(service.web.pid, signal.SIGTTOU)
        wait_until(lambda: is_complete(service, web=1), 15)
        assert_sends_mail(service, 2)

        os.kill(service.web.pid, signal.SIGTTIN)
        wait_until(lambda: is_complete(service), 15)


def test_all_processes_end_with_a_killed_master(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'sqlite') as service:
        processes = [*children(service.web.pid), *children(supervisors(service)[0])]
        assert all(map(is_running, processes))
        kill(service.web.pid)
        wait_until(lambda: not any(map(is_running, processes)), 10)


def test_running_tasks_finish_before_the_service_ends(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'sqlite') as service:
        service.enqueue('leave_mark', 1, milliseconds=3000)
        wait_until(lambda: service.scalar('SELECT count(*) FROM reliability_runs') == 1, 10)

        service.web.send_signal(signal.SIGTERM)
        assert service.web.wait(20) == 0

        assert service.scalar('SELECT count(*) FROM reliability_effects') == 1
        assert service.scalar('SELECT count(*) FROM core_tasks') == 0
