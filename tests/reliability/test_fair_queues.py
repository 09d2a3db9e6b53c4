"""500 slow tasks of one user hardly delay mails, periodic tasks and tasks of other users."""

import time
from pathlib import Path

import pytest

from .harness import IS_LONG, ServiceUnderTest, figure, mailed, post, service_under_test, wait_until
from .workload_numbers import ARCHIVES, TICK

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

ADA, BOB = 1, 2
QUEUED_TASKS = 500
TASK_MILLISECONDS = 1000 if IS_LONG else 500
MAIL_SECONDS, TASK_SECONDS = 3.0, 30.0
MAILS = 10 if IS_LONG else 3
VARIANTS = [('sqlite', ''), ('postgresql', 'amqp')] + ([('postgresql', '')] if IS_LONG else [])


def runs(service: ServiceUnderTest, number: int) -> int:
    """Return the number of started attempts of the task with this number."""
    found = service.scalar(f'SELECT count(*) FROM reliability_runs WHERE number = {number}')
    assert isinstance(found, int)
    return found


def seconds_until_mailed(service: ServiceUnderTest, number: int) -> float:
    """Request a mail; return the seconds until its delivery."""
    began = time.monotonic()
    assert post(service, number)
    wait_until(lambda: number in mailed(service), 20)
    return time.monotonic() - began


def seconds_until_run(service: ServiceUnderTest, name: str, number: int) -> float:
    """Enqueue a task of the user Bob; return the seconds until it starts."""
    began = time.monotonic()
    service.enqueue(name, 1, TASK_MILLISECONDS, owner=BOB)
    wait_until(lambda: runs(service, number), 60)
    return time.monotonic() - began


@pytest.mark.parametrize('variant', VARIANTS, ids='-'.join)
def test_slow_tasks_of_one_user_delay_no_other(tmp_path: Path, variant: tuple[str, str]) -> None:
    with service_under_test(tmp_path, *variant, RELIABILITY_TICKS='1') as service:
        for name in ('print_page', 'archive'):
            service.enqueue(name, QUEUED_TASKS, TASK_MILLISECONDS, owner=ADA)
        wait_until(lambda: runs(service, ADA) and runs(service, ARCHIVES + ADA), 30)

        mails = [seconds_until_mailed(service, number) for number in range(MAILS)]
        ticks = runs(service, TICK)
        page = seconds_until_run(service, 'print_page', BOB)
        other = seconds_until_run(service, 'archive', ARCHIVES + BOB)
        wait_until(lambda: runs(service, TICK) > ticks, 10)
        waiting = service.scalar('SELECT count(*) FROM core_tasks')

        figure(
            f'{service.variant}: beside {waiting} tasks of a user, mails within '
            f'{max(mails):.2f} s, a thumbnail of another began after {page:.2f} s, '
            f'an export after {other:.2f} s'
        )
        assert waiting > QUEUED_TASKS
        assert max(mails) <= MAIL_SECONDS
        assert page <= TASK_SECONDS
        assert other <= TASK_SECONDS
        service.clear()
