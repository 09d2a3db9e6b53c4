"""Complete copies of the repository, in which commands of developers run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.repository_copy import ROOT

BIN = Path(sys.executable).parent
# The author of commits in copies.
IDENTITY = ('user.name=Ada', 'user.email=ada@example.com', 'commit.gpgsign=false')
MAX_SCRIPT_BYTES = 100_000


def copy_repository(copy: Path) -> Path:
    """Copy all files that git does not ignore to a new folder; return the folder."""
    listed = git(ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard')
    for name in listed.split('\0'):
        if name and (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def commit_copy(copy: Path) -> Path:
    """Copy the repository, and commit the files to the branch `main` of the copy."""
    copy_repository(copy)
    git(copy, 'init', '--quiet', '--initial-branch', 'main')
    for setting in IDENTITY:
        git(copy, 'config', *setting.split('=', 1))
    git(copy, 'add', '--all')
    git(copy, 'commit', '--quiet', '--message', 'Begin')
    return copy


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, and return its output."""
    return subprocess.run(
        ['git', *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def environment(**settings: str) -> dict[str, str]:
    """Return the environment variables for commands in a copy."""
    kept = ('PATH', 'HOME', 'TMPDIR', 'PYTEST_XDIST_AUTO_NUM_WORKERS')
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        'APP_ENV': 'development',
        'PYRIGHT_PYTHON_IGNORE_WARNINGS': '1',
        **settings,
    }


def copy_virtual_environment(copy: Path) -> None:
    """Copy the virtual environment, and change its paths so that it runs the code of the copy."""
    venv = copy / '.venv'
    shutil.copytree(BIN.parent, venv, symlinks=True, copy_function=_link)
    for pattern in ('pyvenv.cfg', 'bin/*', 'lib/*/site-packages/*editable*'):
        for path in venv.glob(pattern):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < MAX_SCRIPT_BYTES:
                _replace_root(path, copy)
    for path in venv.glob('lib/*/site-packages/__pycache__/*editable*'):
        path.unlink()
    # The Makefile compares these files: without them, it would install the packages again.
    for name in ('installed', 'tested'):
        # A hard link: `touch` would also change the time of the original file.
        (venv / name).unlink(missing_ok=True)
        (venv / name).touch()


def _link(source: str, target: str) -> None:
    """Create a hard link, or a copy on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _replace_root(path: Path, copy: Path) -> None:
    """Replace the path of the repository in a file by that of the copy."""
    content = path.read_bytes()
    mode = path.stat().st_mode
    # Writing to a hard link would change the original file.
    path.unlink()
    path.write_bytes(content.replace(bytes(ROOT), bytes(copy)))
    path.chmod(mode)
