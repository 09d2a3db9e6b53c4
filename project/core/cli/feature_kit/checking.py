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


WRITE_DOCUMENTS = DOCUMENTS.replace("'check'", "'write'")
# Tests across features that a new route can break.
CROSS_FEATURE_TESTS = ('tests/integration/test_matrix.py', 'tests/integration/test_list_routes.py')


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
    planned = [(each, check) for each in _chosen(name) for check in checks_of(each)]
    planned += [(name or 'all features', check) for check in cross_feature_checks()]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda pair: _run(pair[0], pair[1], Path(folder)), planned))


def fix_features(name: str | None) -> None:
    """Format the code of a feature, or of all features, and write the generated documents.

    :raises ClickException: if there is no such feature.
    """
    folders = [folder for each in _chosen(name) for folder in _folders_of(each)]
    for arguments in (
        ('-m', 'ruff', 'check', '--fix', '--exit-zero', '--quiet', *folders),
        ('-m', 'ruff', 'format', '--quiet', *folders),
        ('-c', WRITE_DOCUMENTS),
    ):
        with TemporaryDirectory() as folder:
            repository.run_python(
                ROOT, *arguments, database=Path(folder) / 'fix.sqlite', environment='testing'
            )


def checks_of(name: str) -> Iterator[Check]:
    """Yield the checks of a feature, the fastest first."""
    existing = _folders_of(name)
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


def cross_feature_checks() -> Iterator[Check]:
    """Yield the checks of all routes together."""
    # A test module is missing if a feature that it needs was removed.
    paths = [path for path in CROSS_FEATURE_TESTS if (ROOT / path).exists()]
    yield Check(
        'callers and lists', ('-m', 'pytest', '-q', '-p', 'no:schemathesis', *paths),
        'change the declaration of the route, or the query of the list',
    )  # fmt: skip


def _chosen(name: str | None) -> list[str]:
    repository.ensure_repository()
    names = [feature.name for feature in find_features()]
    if name is not None and name not in names:
        raise click.ClickException(f'there is no feature {name!r}; choose {", ".join(names)}')
    return [name] if name else names


def _folders_of(name: str) -> list[str]:
    folders = [f'project/{name}', f'tests/{name}']
    return [folder for folder in folders if (ROOT / folder).is_dir()]


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
