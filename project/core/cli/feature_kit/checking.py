"""All checks of one feature, each in a separate process."""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from project.core.features import find_features

from . import repository
from .repository import ROOT

CONTRACTS = 'from importlinter.cli import lint_imports_command; lint_imports_command()'
ARCHITECTURE = """
import sys
from pathlib import Path
from tests import architecture, feature_borders
checks = (*architecture.CHECKS, *feature_borders.CHECKS)
faults = [(check, fault) for check in checks for fault in check(Path('.'))]
for check, fault in faults:
    if any(folder in fault for folder in {folders!r}) or '/' not in fault:
        print(f'{{fault}}: {{check.__doc__.splitlines()[0]}}')
        sys.exitcode = 1
sys.exit(getattr(sys, 'exitcode', 0))
"""
MIGRATIONS = """
from wsgi import create_app
runner = create_app().test_cli_runner()
for command in (['db', 'upgrade'], ['db', 'check']):
    result = runner.invoke(args=command)
    if result.exit_code:
        raise SystemExit(result.output or repr(result.exception))
"""
DOCUMENTS = """
from wsgi import create_app
result = create_app().test_cli_runner().invoke(args=['api', 'check'])
raise SystemExit(result.output if result.exit_code else 0)
"""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a feature.

    :param arguments: the command-line arguments of the Python process that runs the check.
    :param remedy: the text that tells the developer what to do if the check fails.
    """

    title: str
    arguments: Sequence[str]
    remedy: str


class Outcome(NamedTuple):
    """The result of a check.

    :param output: the printed faults; None if the check has passed.
    """

    feature: str
    check: Check
    output: str | None


def check_features(name: str | None) -> list[Outcome]:
    """Run all checks of a feature, or of all features, and return the results.

    :raises ClickException: if there is no such feature.
    """
    repository.ensure_repository()
    names = [feature.name for feature in find_features()]
    if name is not None and name not in names:
        raise click.ClickException(f'there is no feature {name!r}; choose {", ".join(names)}')
    planned = [(each, check) for each in ([name] if name else names) for check in checks_of(each)]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda pair: _run(pair[0], pair[1], Path(folder)), planned))


def checks_of(name: str) -> Iterator[Check]:
    """Yield the checks of a feature, the fastest first."""
    folders = [f'project/{name}', f'tests/{name}']
    existing = [folder for folder in folders if (ROOT / folder).is_dir()]
    files = [str(p.relative_to(ROOT)) for folder in existing for p in (ROOT / folder).rglob('*.py')]
    pages = [str(p.relative_to(ROOT)) for p in (ROOT / 'docs/features').glob(f'{name}.md')]
    yield Check(
        'format', ('-m', 'ruff', 'format', '--check', '--quiet', *existing),
        f'ruff format {" ".join(existing)}',
    )  # fmt: skip
    yield Check(
        'lint', ('-m', 'ruff', 'check', '--quiet', '--output-format=concise', *existing),
        f'ruff check --fix {" ".join(existing)}, or change the lines above',
    )  # fmt: skip
    yield Check(
        'sentences', ('-m', 'tests.sentences', *files, *pages),
        'rewrite the sentences as the section "Language" of CONTRIBUTING.md shows',
    )  # fmt: skip
    yield Check(
        'architecture', ('-c', ARCHITECTURE.format(folders=(f'project/{name}/', f'tests/{name}/'))),
        'change the lines above; tests/architecture.py and tests/feature_borders.py have the rules',
    )  # fmt: skip
    yield Check('contracts', ('-c', CONTRACTS), 'change the imports above')
    yield Check('mypy', ('-m', 'mypy', f'project/{name}'), 'correct the types above')
    yield Check(
        'pyright', ('-m', 'pyright', '--pythonpath', sys.executable, f'project/{name}'),
        'correct the types above',
    )  # fmt: skip
    yield Check(
        'migrations', ('-c', MIGRATIONS),
        "change the migrations above; or, if a model was changed: flask db migrate -m 'reason'",
    )  # fmt: skip
    yield Check('documents', ('-c', DOCUMENTS), 'flask api write')
    yield Check(
        'tests', ('-m', 'pytest', '-q', '-p', 'no:schemathesis', f'tests/{name}'),
        f'make test F={name}',
    )  # fmt: skip


def _run(name: str, check: Check, folder: Path) -> Outcome:
    ended = repository.run_python(
        ROOT,
        *check.arguments,
        database=folder / f'{name}-{check.title}.sqlite',
        # As in the targets of the Makefile.
        environment='development' if check.title == 'migrations' else 'testing',
    )
    output = f'{ended.stdout}{ended.stderr}'.strip()
    return Outcome(name, check, output if ended.returncode else None)
