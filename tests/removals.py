"""The command `python -m tests.removals [FEATURE[+FEATURE] …]`: remove features from a copy.

The command copies the repository, commits the copy, and removes the features as docs/features.md
describes. Then it runs all checks, the remaining tests and the service. Each argument is one run,
in a new copy; `files+auth` removes two features in one run. Without arguments, there is one run for
each feature that no other feature requires, and a run that removes all of these together. The exit
code is 1 if a step of a run fails.
"""

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import SIGTERM

import requests

from project.core.features import find_features
from tests.complete_copy import commit_copy, copy_virtual_environment, environment
from tests.service import free_port

START_TIMEOUT_SECONDS = 60
SHOWN_LINES = 60

# The command of each step that must succeed after the removal, and the remedy if it fails.
STEPS = {
    'write documents': ('flask api write', 'a shared module needs the feature: move its part'),
    'documents': ('flask api check', 'a document depends on a feature that is gone'),
    'format': ('ruff format --check --quiet .', 'a shared module needs the feature'),
    'lint': ('ruff check --quiet .', 'a shared module needs the feature: move its part'),
    'mypy': ('mypy', 'a shared module needs the feature: move its part'),
    'pyright': ('pyright', 'a shared module needs the feature: move its part'),
    'contracts': ('lint-imports --no-cache', 'pyproject.toml names the feature'),
    'upgrade': ('flask db upgrade', 'a migration of another feature depends on the feature'),
    'tables': ('flask db check', 'a model of another package is registered only by the feature'),
    'suite': (
        "python -m pytest -n auto -p no:schemathesis -m 'not servers' -q",
        'a test of core or of another feature uses the feature: let it use its own feature, move '
        "it to the feature's folder, or declare `requires` in a test across features",
    ),
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Remove each group of features from a copy, and check the copy; return the exit code."""
    failed = [
        f'{"+".join(group)}: {fault}'
        for group in ([each.split('+') for each in arguments] or _groups())
        for fault in faults_without(group)
    ]
    sys.stdout.write('\n'.join([*failed, f'{len(failed)} steps failed.\n']))
    return 1 if failed else 0


def _groups() -> list[list[str]]:
    """Return each feature that no other feature requires, and all of them together."""
    features = find_features()
    required = {name for feature in features for name in feature.requires}
    free = [feature.name for feature in features if feature.name not in required]
    return [*([name] for name in free), free]


def faults_without(names: Sequence[str]) -> Iterator[str]:
    """Remove features from a copy of the repository; yield each step that fails, with a remedy."""
    with tempfile.TemporaryDirectory() as folder:
        copy = commit_copy(Path(folder) / 'copy')
        copy_virtual_environment(copy)
        run(copy, 'flask db upgrade')
        for name in names:
            run(copy, f'flask db downgrade {name}@base')
            run(copy, f'flask feature remove {name} --confirm')
        sys.stdout.write(f'\n== without {" and ".join(names)}\n')
        for step, (command, remedy) in STEPS.items():
            start = time.monotonic()
            ended = run(copy, command, check=False)
            result = 'ok' if ended.returncode == 0 else 'failed'
            lines = ended.stdout.strip().splitlines()
            last = lines[-1] if lines and step == 'suite' else ''
            sys.stdout.write(f'{step:15} {time.monotonic() - start:4.0f} s  {result}  {last}\n')
            sys.stdout.flush()
            if ended.returncode:
                sys.stdout.write('\n'.join(lines[-SHOWN_LINES:]) + '\n')
                yield f'{step} failed: {remedy}'
        if fault := _fault_of_service(copy):
            yield f'make run failed: {fault}'
        else:
            sys.stdout.write(f'{"make run":15}         ok\n')


def run(copy: Path, command: str, *, check: bool = True) -> 'subprocess.CompletedProcess[str]':
    """Run a command of the virtual environment in a copy.

    :raises SystemExit: if it fails, and `check` is true.
    """
    program, *arguments = shlex.split(command)
    is_test = program == 'python' or arguments[:1] == ['api']
    ended = subprocess.run(
        [str(copy / '.venv/bin' / program), *arguments],
        cwd=copy,
        env=environment(APP_ENV='testing' if is_test else 'development'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if check and ended.returncode:
        raise SystemExit(f'{command} failed before the removal:\n{ended.stdout}')
    return ended


def _fault_of_service(copy: Path) -> str:
    """Start the service with `make run`; return a reason if it does not serve, or an empty text."""
    port = str(free_port())
    command = ['make', 'run', f'PORT={port}']
    with (copy / 'service.log').open('wb') as log:
        process = subprocess.Popen(
            command, cwd=copy, env=environment(PORT=port), stdout=log, stderr=log
        )
    try:
        for path in ('/healthz', '/api/v1/openapi.json'):
            if not _is_served(process, f'http://127.0.0.1:{port}{path}'):
                return f'{path} is not served:\n{(copy / "service.log").read_text()}'
        return ''
    finally:
        process.send_signal(SIGTERM)
        process.wait(30)


def _is_served(process: 'subprocess.Popen[bytes]', url: str) -> bool:
    """Wait until the service returns the page; return whether it does."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return requests.get(url, timeout=5).ok
        except requests.RequestException:
            time.sleep(0.2)
    return False


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
