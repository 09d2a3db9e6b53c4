"""The command `python -m tests.other_pythons [VERSION …]`: run the suite on other Python versions.

Without arguments these are all versions in `VERSIONS`. A Debian release is installed into a folder
for each version that has one (`tests/debian_root.py`); other versions run if they are installed on
this machine, and are reported otherwise. The packages are those of `requirements/dev.txt`, from the
package index of this machine's pip configuration.

`--cache FOLDER` keeps the Debian roots and the packages for the next run. The exit code is 0 if the
suite passes on each version that was run, and on at least one.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.complete_copy import commit_copy, environment
from tests.debian_root import enter_root, install_root, run
from tests.repository_copy import ROOT

# Each version, and the Debian release with this version; empty if there is none.
VERSIONS = {'3.12': '', '3.13': 'trixie', '3.14': 'forky'}
PACKAGES = ('python3', 'python3-venv', 'ca-certificates', 'git', 'make')
INDEX_OPTIONS = ('index-url', 'extra-index-url', 'trusted-host', 'proxy', 'timeout')
SHOW_VERSION = 'import platform; print(platform.python_version())'


@dataclass(frozen=True)
class Interpreter:
    """An interpreter of this machine or of a Debian root.

    :param folder: a folder for a copy of the repository and its packages.
    :param prefix: the beginning of a command that runs the interpreter.
    :param root: the folder that the interpreter sees as `/`.
    """

    name: str
    folder: Path
    prefix: tuple[str, ...] = ()
    root: Path = Path('/')

    def path(self, name: str) -> str:
        """Return the path of a file in `folder` that the interpreter sees."""
        return str(Path('/') / (self.folder / name).relative_to(self.root))

    @property
    def is_in_root(self) -> bool:
        """Whether the interpreter is in a Debian root."""
        return self.root != Path('/')

    def version(self) -> str:
        """Return the version such as `3.14.1`, or an empty string without such an interpreter."""
        command = [*self.prefix, self.name, '-c', SHOW_VERSION]
        try:
            shown = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return ''
        return shown.stdout.strip() if shown.returncode == 0 else ''


def main(arguments: Sequence[str]) -> int:
    """Run the suite on the versions, and print the results; return the exit code."""
    parser = argparse.ArgumentParser(prog='python -m tests.other_pythons')
    parser.add_argument('versions', nargs='*', metavar='VERSION', help=', '.join(VERSIONS))
    parser.add_argument('--cache', type=Path, metavar='FOLDER')
    options = parser.parse_args(arguments)
    if unknown := set(options.versions) - set(VERSIONS):
        parser.error(f'unknown version: {", ".join(sorted(unknown))}')
    results = {}
    with TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = options.cache.absolute() if options.cache else Path(temporary)
        for version in options.versions or VERSIONS:
            interpreter = prepare(version, folder / version)
            results[version] = run_suite(interpreter) if interpreter else 'not installed'
    for version, result in results.items():
        sys.stdout.write(f'Python {version}: {result}\n')
    return exit_code(list(results.values()))


def exit_code(results: Sequence[str]) -> int:
    """Return 0 if at least one suite has run and all suites that ran have passed, else 1."""
    ran = [result for result in results if result != 'not installed']
    return int(not ran or not all(result.endswith('passed') for result in ran))


def prepare(version: str, folder: Path) -> Interpreter | None:
    """Return the interpreter of a version; None if it is neither in Debian nor installed.

    :raises SystemExit: if the Debian release has another version.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (release := VERSIONS[version]):
        found = Interpreter(f'python{version}', folder)
        return found if found.version() else None
    root = folder / 'root'
    complete = folder / 'root-is-complete'
    if not complete.exists():
        install_root(root, release, *PACKAGES)
        complete.touch()
    (root / 'work').mkdir(exist_ok=True)
    found = Interpreter('python3', root / 'work', enter_root(root), root)
    if not (shown := found.version()).startswith(f'{version}.'):
        raise SystemExit(f'Debian {release} has no Python {version} but {shown or "none"}')
    return found


def run_suite(interpreter: Interpreter) -> str:
    """Run the suite in a copy of the repository; return the version and the result."""
    version = interpreter.version()
    copy = interpreter.folder / 'repository'
    shutil.rmtree(copy, ignore_errors=True)
    commit_copy(copy)
    install_packages(interpreter)
    sys.stdout.write(f'\nThe suite on Python {version}:\n')
    sys.stdout.flush()
    python = interpreter.path('venv/bin/python')
    workers = os.environ.get('PYTEST_XDIST_AUTO_NUM_WORKERS', 'auto')
    command = [
        *interpreter.prefix, 'env', '-C', interpreter.path('repository'), 'APP_ENV=testing',
        python, '-m', 'pytest', '-n', workers, '-p', 'no:schemathesis', '-q', '-m', 'not servers',
    ]  # fmt: skip
    ended = subprocess.run(command, env=environment(), check=False)
    return f'{version} {"failed" if ended.returncode else "passed"}'


def install_packages(interpreter: Interpreter) -> None:
    """Install the packages of `requirements/dev.txt` and the copy, unless they are installed."""
    required = (ROOT / 'requirements' / 'dev.txt').read_text(encoding='utf-8')
    installed = interpreter.folder / 'venv' / 'installed.txt'
    python = interpreter.path('venv/bin/python')
    pip = [
        *interpreter.prefix, 'env', *(index_settings() if interpreter.is_in_root else ()),
        python, '-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--no-deps',
    ]  # fmt: skip
    if not installed.exists() or installed.read_text(encoding='utf-8') != required:
        venv = interpreter.path('venv')
        run(*interpreter.prefix, interpreter.name, '-m', 'venv', '--clear', venv)
        run(*pip, '--require-hashes', '-r', interpreter.path('repository/requirements/dev.txt'))
        installed.write_text(required, encoding='utf-8')
    run(*pip, '--no-build-isolation', '--editable', interpreter.path('repository'))


def index_settings() -> list[str]:
    """Return the package index of this machine's pip configuration, as environment variables.

    A Debian root does not have the files of this configuration.
    """
    settings = {}
    for option in INDEX_OPTIONS:
        variable = f'PIP_{option.upper().replace("-", "_")}'
        shown = subprocess.run(
            [sys.executable, '-m', 'pip', 'config', 'get', f'global.{option}'],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if value := os.environ.get(variable) or ' '.join(shown.stdout.split()):
            settings[variable] = value
    return [f'{name}={value}' for name, value in settings.items()]


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
