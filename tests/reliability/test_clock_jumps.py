"""A running service whose clock jumps forward and back, by a day or by 20 years."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import IS_LONG, ServiceUnderTest, figure, mailed, post, service_under_test, wait_until
from .workload_numbers import TICK

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

SOURCE = Path(__file__).with_name('clock.c')

# Offsets of libfaketime from the right time: seconds, days (`d`) or years (`y`).
RIGHT = '+0'
JUMPS = ['+1d', RIGHT, '-20y', RIGHT]
if IS_LONG:
    JUMPS += ['-1d', RIGHT, '+20y', RIGHT]
PERIOD_SECONDS = 1.0  # of the schedule
# Shorter than 30 seconds, the interval of the repair of tasks that a wrong clock delayed.
MAX_DELAY_SECONDS = 10.0  # on a busy machine
DATABASES = ['sqlite', 'postgresql'] if IS_LONG else ['sqlite']


class Clock:
    """The clock of a service under test: a file that the library libfaketime reads."""

    def __init__(self, folder: Path) -> None:
        self.file, self.shim = folder / 'clock', folder / 'clock.so'
        command = ['gcc', '-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', self.shim, SOURCE]
        subprocess.run(command, check=True)
        self.set(RIGHT)

    def set(self, offset: str) -> None:
        """Set the difference between the clock of the service and the real time."""
        draft = self.file.with_suffix('.new')
        draft.write_text(f'{offset}\n')
        draft.rename(self.file)

    @property
    def settings(self) -> dict[str, str]:
        """Return the environment variables of processes that use this clock."""
        [library] = Path('/usr/lib').glob('*/faketime/libfaketimeMT.so.1')
        return {
            'LD_PRELOAD': f'{self.shim} {library}', 'FAKETIME_TIMESTAMP_FILE': str(self.file),
            'RELIABILITY_TICKS': '1', 'FAKETIME_NO_CACHE': '1', 'FAKETIME_DONT_FAKE_MONOTONIC': '1',
        }  # fmt: skip


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Return the clock of the service."""
    return Clock(tmp_path)


@pytest.fixture(params=DATABASES)
def service(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Iterator[ServiceUnderTest]:
    """Run a service that uses the fake clock."""
    with service_under_test(tmp_path / 'service', request.param, **clock.settings) as service:
        yield service


def ticks(service: ServiceUnderTest) -> int:
    """Return how often the periodic task has run."""
    found = service.scalar(f'SELECT count(*) FROM reliability_runs WHERE number = {TICK}')
    assert isinstance(found, int)
    return found


def test_schedules_run_in_time_after_clock_jumps(service: ServiceUnderTest, clock: Clock) -> None:
    wait_until(lambda: ticks(service), 20)
    longest = 0.0
    for number, offset in enumerate(JUMPS):
        clock.set(offset)
        # A run may have been due just before the clock jumped.
        before, began = ticks(service) + 1, time.monotonic()
        wait_until(
            lambda before=before: ticks(service) > before, PERIOD_SECONDS + MAX_DELAY_SECONDS
        )
        longest = max(longest, time.monotonic() - began)

        assert post(service, number)
        wait_until(lambda number=number: number in mailed(service), MAX_DELAY_SECONDS)

    figure(
        f'{service.variant}: two ticks of a schedule within {longest:.1f} s of {len(JUMPS)} jumps'
    )
    assert 'was postponed until' in (service.var / 'service.log').read_text()
