"""Scenarios with a large file: upload to disk and memory, download as a whole and by range."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from benchmarks.bench import Bench
from benchmarks.errors import Failed
from benchmarks.load import wait_until_idle
from benchmarks.measure import MIB, memory_by_pid
from benchmarks.outcome import Figures, Outcome, Ratio
from benchmarks.pinning import on_last_core
from benchmarks.proxies import proxying
from benchmarks.servers import ROOT, Server
from benchmarks.sides import Side

TAIL = 64  # hexadecimal digits that make every upload unique


class Source:
    """A file to upload. A client appends a tail of `TAIL` characters to make it unique."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        self._sha256 = hashlib.sha256()
        block = os.urandom(MIB)
        with path.open('wb') as file:
            for start in range(0, size - TAIL, MIB):
                part = block[: size - TAIL - start]
                file.write(part)
                self._sha256.update(part)

    def digest(self, tail: str) -> str:
        sha256 = self._sha256.copy()
        sha256.update(tail.encode())
        return sha256.hexdigest()


def upload(bench: Bench) -> Outcome:
    """Measure an upload: a raw body to this service, a form to the naive application.

    Both applications hash and store the file.
    """
    cells: dict[str, list[Figures]] = {}
    ratios = []
    for place, folder in _places(bench).items():
        cells |= _uploads(bench, place, folder)
        naive, ours = f'naive, {place}', f'ours, {place}'
        is_judged = place == 'memory' or not bench.memory
        target, limit = (3.0, 16) if is_judged else (None, None)
        ratios += [
            Ratio(f'time, naive / ours, {place}', 'seconds', naive, ours, at_least=target),
            Ratio(f'CPU, naive / ours, {place}', 'cpu_seconds', naive, ours),
            Ratio(f'our peak memory, + MiB, {place}', 'growth_mib', ours, at_most=limit),
        ]
    notes = ['our side calls fsync; the naive side does not']
    title = f'POST /files, {bench.options.transfer_size / MIB:,.0f} MiB'
    return Outcome('upload', title, cells, ratios, notes)


def download(bench: Bench) -> Outcome:
    """Measure downloads without a `Range` header (200), and with one for all bytes (206)."""
    options = bench.options
    folder = bench.memory or bench.disk
    cells: dict[str, list[Figures]] = {}
    with _source(bench, options.transfer_size) as source, bench.serving(folder) as running:
        urls = {side.name: _stored(side, server, source) for side, server in running}
        for _ in range(options.rounds):
            for side, server in running:
                for kind, wanted in (('whole', None), ('range', 'bytes=0-')):
                    found = _download(
                        server, urls[side.name], wanted, source.size, options.downloads
                    )
                    cells.setdefault(f'{side.name} {kind}', []).append(found)
    _read_and_drop(folder, source.size)
    ratios = [
        Ratio('CPU, range / whole', 'cpu_seconds', 'ours range', 'ours whole', at_most=1.2),
        Ratio('naive, CPU, range / whole', 'cpu_seconds', 'naive range', 'naive whole'),
        Ratio('CPU, naive range / ours range', 'cpu_seconds', 'naive range', 'ours range'),
        Ratio('CPU, naive whole / ours whole', 'cpu_seconds', 'naive whole', 'ours whole'),
    ]
    title = f'GET /files/…/content, {options.transfer_size / MIB:,.0f} MiB'
    return Outcome('download', title, cells, ratios)


def offload(bench: Bench) -> Outcome:
    """Measure downloads that nginx sends: after authorization by the service, and without it."""
    folder = bench.memory or bench.disk
    cells: dict[str, list[Figures]] = {'nginx alone': [], 'offload': [], 'offload, range': []}
    with (
        _source(bench, bench.options.transfer_size) as source,
        bench.ours.serve(folder, FILES_OFFLOAD='x-accel') as server,
        proxying(server, folder, folder / 'proxy') as (before, alone),
    ):
        _found, answer = _upload(bench.ours, server, source)
        sha256 = answer['sha256']
        own = f'{before}/api/v1/files/{answer["id"]}/content'
        plain = f'{alone}/blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}'
        urls = {
            'nginx alone': (plain, None), 'offload': (own, None),
            'offload, range': (own, 'bytes=0-'),
        }  # fmt: skip
        for _ in range(bench.options.rounds):
            for name, (url, wanted) in urls.items():
                found = _download(server, url, wanted, source.size, bench.options.downloads)
                cells[name].append(found)
    _read_and_drop(folder, source.size)
    title = f'GET /files/…/content by nginx, {bench.options.transfer_size / MIB:,.0f} MiB'
    ratios = [
        Ratio('time, alone / offload', 'seconds', 'nginx alone', 'offload', at_least=0.85),
        Ratio('time, alone / offload, range', 'seconds', 'nginx alone', 'offload, range'),
    ]
    return Outcome('offload', title, cells, ratios, ['CPU is that of the service, not of nginx'])


def _uploads(bench: Bench, place: str, folder: Path) -> dict[str, list[Figures]]:
    cells: dict[str, list[Figures]] = {f'{side.name}, {place}': [] for side in bench.sides}
    with _source(bench, bench.options.transfer_size) as source, bench.serving(folder) as running:
        with _source(bench, MIB) as small:
            for side, server in running:
                _upload(side, server, small)
        baselines = {side.name: memory_by_pid(server.pid) for side, server in running}
        for _ in range(bench.options.rounds):
            for side, server in running:
                found, _answer = _upload(side, server, source)
                growth = _growth(baselines[side.name], memory_by_pid(server.pid))
                cells[f'{side.name}, {place}'].append(found | {'growth_mib': growth / MIB})
                _read_and_drop(folder, source.size)
    return cells


def _upload(side: Side, server: Server, source: Source) -> tuple[Figures, dict]:
    """Upload a file with a new tail, so that its content is unique.

    :raises Failed: if the response is wrong or has another SHA-256.
    """
    tail = token_hex(TAIL // 2)
    arguments = [server.url + side.upload_path, '--file', str(source.path), '--tail', tail]
    if side.form_field:
        arguments += ['--form', side.form_field]
    found, result = _measured(server, 'upload', arguments)
    answer = json.loads(result['body'])
    if result['status'] != 201 or answer['data']['sha256'] != source.digest(tail):
        raise Failed(f'{side.name} upload returned {result["status"]}: {answer}')
    return found, answer['data']


def _stored(side: Side, server: Server, source: Source) -> str:
    """Upload a file, verify it by a download, and return its URL.

    :raises Failed: if the download differs from the upload.
    """
    _found, answer = _upload(side, server, source)
    url = f'{server.url}{side.upload_path.partition("?")[0]}/{answer["id"]}/content'
    result = _measured(server, 'download', [url, '--hash'])[1]
    if result['sha256'] != answer['sha256']:
        raise Failed(f'{side.name} download: the file differs from the upload')
    return url


def _download(server: Server, url: str, wanted: str | None, size: int, times: int) -> Figures:
    arguments = [url, '--times', str(times), *(['--range', wanted] if wanted else [])]
    found, result = _measured(server, 'download', arguments)
    status = 206 if wanted else 200
    if result['status'] != [status] * times or result['size'] != [size] * times:
        raise Failed(f'{server.side} download: {result}')
    return {metric: value / times for metric, value in found.items()}


def _measured(server: Server, action: str, arguments: list[str]) -> tuple[dict[str, float], dict]:
    headers = [f'{name}: {value}' for name, value in server.headers.items()]
    command = [sys.executable, '-m', 'benchmarks.transfer', action, *arguments]
    command += [part for header in headers for part in ('--header', header)]
    wait_until_idle(server)
    before = server.cpu_seconds()
    done = subprocess.run(
        on_last_core(command), cwd=ROOT, capture_output=True, text=True, check=False
    )
    cpu = server.cpu_seconds() - before
    if done.returncode:
        raise Failed(f'{server.side} {action}: {done.stderr[-500:]}')
    result = json.loads(done.stdout)
    return {'seconds': result['seconds'], 'cpu_seconds': cpu}, result


@contextmanager
def _source(bench: Bench, size: int) -> Iterator[Source]:
    path = (bench.memory or bench.disk) / f'source-{size}'
    try:
        yield Source(path, size)
    finally:
        path.unlink(missing_ok=True)


def _growth(before: dict[int, int], after: dict[int, int]) -> int:
    """Return how much the peak memory of a process grew, in bytes.

    :param before, after: the peak memory in bytes, by process id.
    :returns: the growth of the process that grew most.
    """
    return max(after[pid] - before.get(pid, after[pid]) for pid in after)


def _read_and_drop(folder: Path, size: int) -> None:
    """Delete stored large uploads, so that many rounds do not fill the disk."""
    for path in folder.rglob('*'):
        if path.is_file() and path.stat().st_size >= size and not path.name.startswith('source'):
            path.unlink()


def _places(bench: Bench) -> dict[str, Path]:
    return ({'memory': bench.memory} if bench.memory else {}) | {'disk': bench.disk}
