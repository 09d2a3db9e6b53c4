"""A run of the benchmarks: two databases, two servers, the chosen scenarios and a report."""

import argparse
import dataclasses
import importlib.metadata
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import databases, load, measure, report, scenarios, transfers
from benchmarks.bench import QUICK, Bench, Options
from benchmarks.errors import Failed
from benchmarks.ours import Ours
from benchmarks.outcome import Outcome
from benchmarks.sides import Naive

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# The scenario `deep` is last, because it leaves a million users in the databases.
SCENARIOS: dict[str, Callable[[Bench], Outcome]] = {
    'healthz': scenarios.healthz,
    'me': scenarios.me,
    'list': scenarios.first_page,
    'login': scenarios.login,
    'upload': transfers.upload,
    'download': transfers.download,
    'offload': transfers.offload,
    'deep': scenarios.deep_page,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen scenarios.

    :returns: the exit code: 1 if a target was missed, 2 if the run failed, 130 after a signal.
    """
    chosen = _parser().parse_args(arguments)
    for number in SIGNALS:
        signal.signal(number, _stop)
    options = _options(chosen)
    outcomes: list[Outcome] = []
    try:
        with _benching(chosen, options) as (bench, machine):
            print('\n'.join(f'{name}: {value}' for name, value in machine.items()), flush=True)
            for name in _names(chosen):
                outcome = SCENARIOS[name](bench)
                report.print_outcome(outcome)
                sys.stdout.flush()
                outcomes.append(outcome)
    except KeyboardInterrupt:
        print('\nStopped; all servers are stopped and the databases are dropped.')
        return 130
    except Failed as failure:
        print(f'\nStopped: {failure}', file=sys.stderr)
        return 2
    if chosen.json:
        report.write_json(chosen.json, machine, outcomes)
    if chosen.null:
        return 0
    report.print_targets(outcomes, is_quick=chosen.quick)
    missed = any(j.met is False for outcome in outcomes for j in outcome.judgements())
    return int(missed and not chosen.quick)


@contextmanager
def _benching(chosen: argparse.Namespace, options: Options) -> Iterator[tuple[Bench, dict]]:
    """Create the databases and folders of a run; delete them at the end, even after an error."""
    names = ('bench_naive', 'bench_ours')
    with (
        _folder(tempfile.gettempdir()) as disk,
        _folder('/dev/shm') as memory,
        databases.databases(*names) as made,
    ):
        other = Naive if chosen.null else Ours
        naive = Naive(made[0], disk, chosen.workers)
        ours = other(made[1], disk, chosen.workers, name='ours')
        for side in (naive, ours):
            side.prepare()
        yield Bench(naive, ours, options, disk, memory), _machine(made[0])


@contextmanager
def _folder(parent: str | None) -> Iterator[Path | None]:
    if parent and not os.access(parent, os.W_OK):
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix='benchmark-', dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _machine(database: databases.Database) -> dict[str, str]:
    packages = ('gunicorn', 'flask', 'sqlalchemy', 'psycopg')
    versions = [f'{name} {importlib.metadata.version(name)}' for name in packages]
    return {
        'machine': f'{os.cpu_count()} cores, {measure.cpu_model()}',
        'versions': ', '.join(
            [
                f'Python {platform.python_version()}',
                f'PostgreSQL {databases.version(database.watch)}',
                *versions,
            ]
        ),
        'load': f'{load.generator_name()}, load average {os.getloadavg()[0]:.1f} at the start',
    }


def _names(chosen: argparse.Namespace) -> list[str]:
    return [name for name in SCENARIOS if name in (chosen.only or SCENARIOS)]


def _options(chosen: argparse.Namespace) -> Options:
    options = QUICK if chosen.quick else Options()
    return dataclasses.replace(options, rounds=chosen.rounds) if chosen.rounds else options


def _stop(_signal: int, _frame: object) -> None:
    for number in SIGNALS:  # A second signal must not interrupt the cleanup.
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='benchmarks', description=__doc__)
    parser.add_argument('--quick', action='store_true', help='run a short check with little data')
    parser.add_argument(
        '--only', action='append', choices=SCENARIOS, help='run only this scenario; may be repeated'
    )
    parser.add_argument('--rounds', type=int, help='number of rounds of each cell')
    parser.add_argument(
        '--workers', type=int, default=1, help='number of gunicorn workers of each server'
    )
    parser.add_argument('--json', type=Path, help='write all figures to this file')
    parser.add_argument(
        '--null',
        action='store_true',
        help='run the naive side twice, to measure the noise of a ratio of 1',
    )
    return parser
