"""The command `make mutants`: check that the ASVS tests detect broken requirements.

The command is `python -m tests.asvs.run_mutants [ROW …]`. A row of docs/asvs.md is a requirement,
such as 6.3.7.

For each requirement the command breaks a copy of the code, and runs the tests of the requirement
there. It prints the mutants that no test detects, and those whose edits do not apply. In both cases
it exits with code 1.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.complete_copy import copy_repository

from .mutants import Mutant, load_mutants

TESTS_FAILED = 1  # pytest's exit code; others are errors of the command or of the collection


def main(rows: list[str]) -> int:
    """Run the mutants of these requirements, by default of all; return the exit code."""
    mutants = [mutant for mutant in load_mutants() if mutant.edits]
    chosen = [mutant for mutant in mutants if not rows or mutant.row in rows]
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        workers = os.cpu_count() or 1
        for number in range(workers):
            copies.put(copy_repository(Path(folder) / str(number)))
        with ThreadPoolExecutor(workers) as pool:
            results = list(pool.map(lambda mutant: _run_tests(mutant, copies), chosen))
    undetected = [result for result in results if result]
    report = [*undetected, f'{len(chosen) - len(undetected)} of {len(chosen)} mutants detected.']
    sys.stdout.write('\n'.join(report) + '\n')
    return 1 if undetected or not chosen else 0


@contextmanager
def applied(mutant: Mutant, copy: Path) -> Iterator[None]:
    """Apply the edits of a mutant to a copy, and undo them at the end of the block."""
    files = {copy / edit.path for edit in mutant.edits}
    originals = {file: file.read_text(encoding='utf-8') for file in files}
    try:
        for path, old, new in mutant.edits:
            file = copy / path
            text = file.read_text(encoding='utf-8')
            file.write_text(text.replace(old, new), encoding='utf-8')
        yield
    finally:
        for file, text in originals.items():
            file.write_text(text, encoding='utf-8')


def _run_tests(mutant: Mutant, copies: 'SimpleQueue[Path]') -> str:
    """Return the reason why the tests do not detect a mutant, or an empty text."""
    copy = copies.get()
    name = f'test_v{mutant.row.replace(".", "_")}_'
    command = [
        sys.executable,
        '-m',
        'pytest',
        '-q',
        '-x',
        '-p',
        'no:cacheprovider',
        '-p',
        'no:xdist',
    ]
    environment = {**os.environ, 'APP_ENV': 'testing', 'PYTHONDONTWRITEBYTECODE': '1'}
    try:
        with applied(mutant, copy):
            ended = subprocess.run(
                [*command, '-k', name, 'tests/asvs'],
                cwd=copy, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
    finally:
        copies.put(copy)
    if ended.returncode == TESTS_FAILED:
        return ''
    reason = 'not detected' if ended.returncode == 0 else ended.stdout[-300:]
    return f'{mutant.row}: {mutant.edits[0].path}: {mutant.edits[0].new!r}: {reason}'


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
