"""Reading of the git repository that contains this code, if there is one and git is installed."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

# The branches with the newest commits are searched. A search of 200 branches takes about 0.2 s.
MAX_BRANCHES = 200
TIMEOUT_SECONDS = 10
REMOTE = 'origin'


class FileOnBranch(NamedTuple):
    """A file of a git branch.

    :param branch: the name of the branch: `billing`, or `origin/billing` for a remote one.
    :param path: the path relative to the repository.
    """

    branch: str
    path: str


def run_git(*arguments: str, root: Path = ROOT) -> str | None:
    """Return the output of git, or None if it fails, is not installed or has no repository."""
    program = shutil.which('git')
    if program is None or not (root / '.git').exists():
        return None
    try:
        ended = subprocess.run(  # noqa: S603 - the arguments are those of this project
            [program, *arguments], cwd=root, capture_output=True, timeout=TIMEOUT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.decode('utf-8', 'replace') if ended.returncode == 0 else None


def find_on_branches(pattern: str, folder: str, *, root: Path = ROOT) -> list[FileOnBranch]:
    """Return the files of branches that have a matching line, newest branches first.

    Only the local branches and those of the remote `origin` are searched: the caller may run the
    code that it finds, and other remotes may contain the code of strangers.

    :param pattern: an extended regular expression.
    :param folder: the folder that contains the files, relative to the repository.
    """
    listed = run_git(
        'for-each-ref', f'--count={MAX_BRANCHES}', '--sort=-committerdate',
        '--format=%(refname)', 'refs/heads', f'refs/remotes/{REMOTE}', root=root,
    )  # fmt: skip
    references = [name for name in (listed or '').split() if not name.endswith('/HEAD')]
    if not references:
        return []
    output = run_git('grep', '-l', '-E', '-e', pattern, *references, '--', folder, root=root)
    found = [line.partition(':') for line in (output or '').splitlines()]
    # A branch of this repository comes before its remote copy, which has the same commit.
    found.sort(key=lambda line: line[0].startswith('refs/remotes/'))
    return [FileOnBranch(short_name(name), path) for name, _, path in found]


def short_name(reference: str) -> str:
    """Return the name of a branch as users write it: `main` for `refs/heads/main`."""
    return reference.removeprefix('refs/').removeprefix('heads/').removeprefix('remotes/')


def read_files(branch: str, folder: str, *, root: Path = ROOT) -> dict[str, str]:
    """Return the texts of the Python files in a folder of a branch, by path."""
    # The complete name of the reference: a tag may have the same short name.
    kind = 'remotes' if branch.startswith(f'{REMOTE}/') else 'heads'
    reference = f'refs/{kind}/{branch}'
    listed = run_git('ls-tree', '-r', '--name-only', reference, '--', folder, root=root) or ''
    paths = [path for path in listed.splitlines() if path.endswith('.py')]
    return {path: run_git('show', f'{reference}:{path}', root=root) or '' for path in paths}
