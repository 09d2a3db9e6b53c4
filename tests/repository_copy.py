"""Copies of the repository that tests may change, and commands that run in a copy."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.databases import prepared_database
from tests.separate_app import migrate

ROOT = Path(__file__).resolve().parent.parent
CODE = ('project', 'config', 'migrations', 'wsgi.py', 'pyproject.toml')

COMMANDS = """
import json, sys
from wsgi import create_app

runner = create_app().test_cli_runner()
for command in json.loads(sys.argv[1]):
    result = runner.invoke(args=command)
    print(result.output)
    if result.exit_code:
        raise SystemExit(f'{command} failed: {result.output}{result.exception!r}')
"""


def copy_code(folder: Path) -> Path:
    """Copy the code into a folder; return the path of the copy."""
    copy = folder / 'copy'
    copy.mkdir()
    for name in CODE:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, copy / name)
    # `pyproject.toml` names a module of the tests in the configuration of import-linter.
    (copy / 'tests').mkdir()
    for name in ('__init__.py', 'import_rules.py'):
        shutil.copy2(ROOT / 'tests' / name, copy / 'tests')
    return copy


@contextmanager
def migrated_copy(folder: Path) -> Iterator[Path]:
    """Copy the code, add a migrated SQLite database, and yield the path of the copy."""
    copy = copy_code(folder)
    (copy / 'var').mkdir()
    with prepared_database('sqlite', 'copy', copy / 'var', migrate):
        yield copy


def python(copy: Path, *arguments: str, fails: bool = False) -> str:
    """Run Python in a copy, with the database of the copy; return the output.

    :param fails: whether the exit code must be that of an error.
    """
    environment = {
        'PATH': os.environ['PATH'],
        'PYTHONPATH': str(copy),
        'PYTHON_DOTENV_DISABLED': '1',
        'APP_ENV': 'development',
        # The file that `prepared_database` creates.
        'DATABASE_URL': f'sqlite:///{copy}/var/service.sqlite',
    }
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode != 0) is fails, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr if fails else ended.stdout


def flask(copy: Path, *commands: str, then: str = '', fails: bool = False) -> str:
    """Run several `flask` commands in a copy, in one process; return their output.

    :param then: Python code to run afterwards in the same process, because a start takes a second.
    :param fails: whether a command must fail.
    """
    arguments = json.dumps([command.split(' ', 3) for command in commands])
    return python(copy, '-c', COMMANDS + then, arguments, fails=fails)


def lint_imports(copy: Path) -> tuple[int, str]:
    """Run import-linter in a copy; return its exit code and its output."""
    ended = subprocess.run(
        [str(Path(sys.executable).parent / 'lint-imports'), '--no-cache'],
        cwd=copy,
        env={'PATH': os.environ['PATH'], 'PYTHONPATH': str(copy), 'COLUMNS': '400'},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr
