"""Measurement of a URL under load: the load runs in a separate process.

The results are costs per request, such as CPU time.
"""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.databases import Database
from benchmarks.errors import Failed
from benchmarks.outcome import Figures
from benchmarks.pinning import on_last_core
from benchmarks.servers import ROOT, Server

WRK_SCRIPT = Path(__file__).with_name('wrk.lua')


@dataclass(frozen=True)
class Load:
    """The load on one URL.

    :param whole: whether requests that are under way at the end are finished and counted.
    """

    seconds: float
    connections: int
    whole: bool = False


def sample(server: Server, database: Database, path: str, length: int, load: Load) -> Figures:
    """Send the load to one URL; return CPU time per request, requests per second and latency.

    :param length: the expected length of the body in bytes.
    :raises Failed: if a response was wrong or missing.
    """
    wait_until_idle(server)
    database_before, cpu_before = database.cpu(), server.cpu_seconds()
    result = _run(_command(server, path, length, load))
    cpu = server.cpu_seconds() - cpu_before
    database_cpu = database.cpu_since(database_before)
    if result['bad'] or not result['requests']:
        raise Failed(f'{server.side} {path}: {result["bad"]} wrong responses in {result}')
    count = result['requests']
    cpu_us = cpu / count * 1e6
    database_us = None if database_cpu is None else database_cpu / count * 1e6
    return {
        'cpu_us': cpu_us,
        'database_us': database_us,
        'total_us': cpu_us + (database_us or 0.0),
        'per_second': count / result['seconds'],
        'p50_ms': result['p50_ms'],
    }


def wait_until_idle(server: Server, quiet: float = 0.1, timeout: float = 5.0) -> None:
    """Wait until a server is idle.

    Otherwise, a measurement would include work that the previous measurement has caused.

    :param quiet: seconds without CPU time after which the server is idle.
    :param timeout: seconds after which this returns in any case.
    """
    deadline = time.monotonic() + timeout
    before = server.cpu_seconds()
    while time.monotonic() < deadline:
        time.sleep(quiet)
        after = server.cpu_seconds()
        if after == before:
            return
        before = after


def generator_name() -> str:
    return 'wrk' if shutil.which('wrk') else 'benchmarks.client'


def _command(server: Server, path: str, length: int, load: Load) -> list[str]:
    headers = [f'{name}: {value}' for name, value in server.headers.items()]
    seconds, connections = str(load.seconds), str(load.connections)
    url = server.url + path
    if load.whole or not shutil.which('wrk'):
        command = [sys.executable, '-m', 'benchmarks.client', url, '--length', str(length)]
        command += ['--seconds', seconds, '--connections', connections]
        return on_last_core(command + [part for header in headers for part in ('--header', header)])
    command = ['wrk', '-t1', '-c', connections, '-d', f'{max(1, round(load.seconds))}s']
    command += ['--timeout', '30s', '-s', str(WRK_SCRIPT)]
    command += [part for header in headers for part in ('-H', header)]
    return on_last_core([*command, url, '--', str(length)])


def _run(command: list[str]) -> dict:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f'{command[0]} failed: {done.stderr[-500:]}')
    return json.loads(done.stdout.strip().splitlines()[-1])
