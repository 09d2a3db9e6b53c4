"""The repository that `flask feature` changes, and a temporary copy of it.

Each change is made and checked in the copy. Only if this succeeds, the changed files are moved into
the repository. So an error leaves the repository unchanged.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

ROOT = Path(__file__).resolve().parents[4]
TEMPLATE = ROOT / 'tests' / 'feature_template'

# Folders that the copy does not need.
NOT_COPIED = ('.*', 'var', 'node_modules', '*.egg-info')

FINISH = """
from wsgi import create_app
from project.core.cli.feature_kit.finishing import finish
finish(create_app(), {message!r})
"""


def ensure_repository() -> None:
    """Ensure that the command runs in a development repository, not in an installed service.

    :raises ClickException: if the folder `tests` or the formatter (ruff) is missing.
    """
    if not TEMPLATE.is_dir():
        raise click.ClickException(f'{TEMPLATE} is missing: run this command in the repository')
    if importlib.util.find_spec('ruff') is None:
        raise click.ClickException('ruff is missing: install requirements/dev.txt (`make test`)')


@contextmanager
def copied_repository() -> Iterator[Path]:
    """Copy the repository to a temporary folder, and delete the copy at the end."""
    with TemporaryDirectory(prefix='feature-') as folder:
        copy = Path(folder) / 'repository'
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        yield copy


def format_code(copy: Path, paths: Sequence[Path]) -> None:
    """Format the Python files among `paths`: delete unused imports, sort the others, wrap lines.

    :raises ClickException: if ruff reports a fault that it cannot repair; contains its message.
    """
    names = [str(path) for path in paths if path.suffix == '.py']
    check = ('-m', 'ruff', 'check', '--quiet', '--output-format=concise')
    joined = ('--config', 'lint.isort.split-on-trailing-comma=false')
    collapsed = ('--config', 'format.skip-magic-trailing-comma=true')
    _run(copy, *check, '--select', 'E9', *names)
    _run(copy, *check, '--fix', '--unsafe-fixes', '--exit-zero', *joined, *names)
    _run(copy, '-m', 'ruff', 'format', '--quiet', *joined, *collapsed, *names)
    _run(copy, *check, *names)


def finish_changes(copy: Path, message: str | None = None) -> None:
    """Write the migration and the generated documents in a copy.

    :param message: the message of the migration; None if no migration is needed.
    """
    _run(copy, '-c', FINISH.format(message=message))


def _run(copy: Path, *arguments: str) -> None:
    """Run Python in a copy.

    :raises ClickException: if the process fails; contains one line of its output.
    """
    ended = run_python(copy, *arguments, database=copy.parent / 'database.sqlite')
    if ended.returncode:
        # ruff prints its faults to stdout: show the first one. Python prints errors to stderr: show
        # the last line.
        errors = ended.stderr.strip().splitlines()
        lines = ended.stdout.splitlines()[:1] or errors[-1:] or ['no output']
        raise click.ClickException(f'nothing was changed: {lines[0]}')


def run_python(
    folder: Path, *arguments: str, database: Path, environment: str = 'development'
) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository or in a copy; return the exit code and the output.

    :param database: the SQLite file that the process uses as its database.
    :param environment: the value of `APP_ENV`.
    """
    variables = {
        **os.environ,
        'APP_ENV': environment,
        'DATABASE_URL': f'sqlite:///{database}',
        'PYTHONPATH': str(folder),
        'PYTHON_DOTENV_DISABLED': '1',
        # Otherwise pyright queries PyPI for a newer version.
        'PYRIGHT_PYTHON_IGNORE_WARNINGS': '1',
    }
    return subprocess.run(  # noqa: S603 - the arguments are those of this package
        [sys.executable, *arguments], cwd=folder, env=variables, capture_output=True, text=True
    )


def changed_files(copy: Path, ignored: Sequence[str] = ()) -> list[Path]:
    """Return the files of a copy that are new, or differ from those of the repository.

    :param ignored: folders whose files are left out.
    """
    paths = (path.relative_to(copy) for path in sorted(copy.rglob('*')) if path.is_file())
    return [
        path
        for path in paths
        if not any(part == '__pycache__' or part.startswith('.') for part in path.parts)
        and not any(path.is_relative_to(folder) for folder in (*ignored, 'var'))
        and not _is_same(copy / path, ROOT / path)
    ]


def _is_same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


def move_files(copy: Path, paths: Sequence[Path]) -> None:
    """Copy files of a copy into the repository. After an error, restore the repository."""
    former: dict[Path, bytes | None] = {}
    try:
        for path in paths:
            target = ROOT / path
            former[target] = target.read_bytes() if target.exists() else None
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(copy / path, target)
    except BaseException:
        restore_files(former)
        raise


def restore_files(former: dict[Path, bytes | None]) -> None:
    """Restore files to their former content; delete those without one, which are new."""
    for path, content in former.items():
        if content is not None:
            path.write_bytes(content)
        elif path.exists():
            delete_file(path)


def delete(root: Path, paths: Sequence[Path]) -> None:
    """Delete files and folders of the repository or of a copy, if they exist."""
    for path in (root / each for each in paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def delete_file(path: Path) -> None:
    """Delete a file, and then each parent folder that has no files left except byte code."""
    path.unlink()
    folder = path.parent
    while folder != ROOT and not [each for each in folder.iterdir() if each.name != '__pycache__']:
        shutil.rmtree(folder)
        folder = folder.parent
