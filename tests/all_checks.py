"""`make sure`: run all checks, and repeat the failures at the end, each with its remedy.

Every check is a target of the Makefile. A failure does not stop the others.
"""

import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

# The targets of the Makefile, each with the remedy if it fails.
REMEDIES = {
    'types': 'declare the type; `# type: ignore[rule]` only if the types of a library are wrong',
    'format': '.venv/bin/ruff format .',
    'lint': '.venv/bin/ruff check --fix .',
    'sentences': 'rewrite the sentences; the rules are in CONTRIBUTING.md, "Language"',
    'contracts': 'move the code, or add the feature to `requires`; see CONTRIBUTING.md, "Layers"',
    'documents': 'make documents WRITE=1',
    'migrations': 'use the safe form; see docs/features.md, "Change a table that has rows"',
    'test': 'repair the code or the tests; run one file with `.venv/bin/python -m pytest FILE`',
}
# The tests run alone, because they use all cores. Of the other targets, two run at the same time.
TESTS = 'test'
MAX_LINES = 60


class Outcome(NamedTuple):
    """The result of a check.

    :param seconds: the duration of the check.
    :param output: the text that the check printed to stdout and stderr.
    """

    target: str
    has_passed: bool
    seconds: float
    output: str


def main(targets: Iterable[str] = REMEDIES) -> int:
    """Run targets, print their outcomes, and return the exit code."""
    others = [target for target in targets if target != TESTS]
    with ThreadPoolExecutor(2) as pool:
        outcomes = []
        for outcome in pool.map(run, others):
            _print(outcome.output)
            outcomes.append(outcome)
    if TESTS in targets:
        outcomes.append(run(TESTS, is_shown=True))
    _print(summary(outcomes))
    return 0 if all(outcome.has_passed for outcome in outcomes) else 1


def run(target: str, *, is_shown: bool = False) -> Outcome:
    """Run a target of the Makefile.

    :param is_shown: whether its output is also printed while it runs.
    """
    began = time.monotonic()
    command = ['make', '--no-print-directory', target]
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if is_shown:
                _print(line)
    return Outcome(target, process.returncode == 0, time.monotonic() - began, ''.join(lines))


def summary(outcomes: Iterable[Outcome]) -> str:
    """Return a text: the end of the output and the remedy of each failure, then a table of all."""
    outcomes = sorted(outcomes, key=lambda outcome: outcome.has_passed)
    parts = []
    for target, has_passed, _, output in outcomes:
        if not has_passed:
            end = '\n'.join(output.splitlines()[-MAX_LINES:])
            parts.append(f'\n== {target} failed\n{end}\nRemedy: {REMEDIES[target]}\n')
    parts.append('\n')
    for target, has_passed, seconds, _ in outcomes:
        parts.append(f'{target:10} {seconds:5.0f} s  {"ok" if has_passed else "FAILED"}\n')
    return ''.join(parts)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:] or REMEDIES))
