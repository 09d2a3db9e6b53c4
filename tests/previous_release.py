"""The command `python -m tests.previous_release`: run an older suite on the new tables.

During a deployment, processes of the previous release use the tables that the new release has
migrated. So the command checks out the newest release of docs/releases, and runs its tests without
servers on SQLite tables that the current migrations create. The exit code is that of the tests.

The code of a release is that of the tag `v<version>`. Without the tag, it is the last commit that
changed the folder of the release.
"""

import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from contextlib import closing
from io import BytesIO
from pathlib import Path

from project.core.documents.api_changes.releases import newest_release
from tests.complete_copy import copy_virtual_environment, environment, git
from tests.repository_copy import ROOT

# These tests compare the tables with the models and migrations of their own version.
OWN_TABLES = ('tests/test_migrations.py', 'tests/core/documents', 'tests/core/cli')
SUITE = ('-n', 'auto', '-p', 'no:schemathesis', '-m', 'not servers', '-q')


def main() -> int:
    """Run the tests of the newest release on the tables of this version; return the exit code."""
    version = newest_release(ROOT)
    if version is None:
        sys.stdout.write('docs/releases has no release, so there are no older tests to run.\n')
        return 0
    commit = commit_of(version)
    sys.stdout.write(f'The tests of {version} (commit {commit[:12]}) on the new tables:\n')
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        template = migrated_database(Path(folder) / 'new.sqlite')
        release = extract(commit, Path(folder) / 'release')
        copy_virtual_environment(release)
        ignored = [f'--ignore={path}' for path in OWN_TABLES]
        return subprocess.run(
            [release / '.venv/bin/python', '-m', 'pytest', *SUITE, *ignored],
            cwd=release,
            env=environment(APP_ENV='testing', TEST_SQLITE_TEMPLATE=str(template)),
            check=False,
        ).returncode


def commit_of(version: str, root: Path = ROOT) -> str:
    """Return the commit of a release.

    :raises SystemExit: if the history does not contain it, as in a shallow clone.
    """
    tag = f'v{version}'
    if git(root, 'tag', '--list', tag):
        return git(root, 'rev-list', '-n', '1', tag).strip()
    found = git(root, 'log', '-n', '1', '--format=%H', '--', f'docs/releases/{version}').strip()
    if not found:
        raise SystemExit(f'no commit of release {version} was found: git fetch --unshallow --tags')
    return found


def extract(commit: str, folder: Path) -> Path:
    """Write the files of a commit to a new folder; return the folder."""
    archive = subprocess.run(
        ['git', 'archive', '--format=tar', commit], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter='data')
    # Some tests list the files that git tracks.
    git(folder, 'init', '--quiet')
    git(folder, 'add', '--all')
    return folder


def migrated_database(file: Path) -> Path:
    """Create an SQLite file with the tables that the current migrations create; return its path."""
    subprocess.run(
        [sys.executable, '-m', 'flask', 'db', 'upgrade'],
        cwd=ROOT,
        env=environment(DATABASE_URL=f'sqlite:///{file}'),
        check=True,
    )
    with closing(sqlite3.connect(file)) as connection:
        # The suite copies the bytes into memory, where SQLite cannot open a database in WAL mode.
        connection.execute('PRAGMA journal_mode=DELETE')
        # The older code does not know the newest revisions. Tests that need a revision store one.
        connection.execute('DROP TABLE alembic_version')
        # Tests of a full disk expect no free pages.
        connection.execute('VACUUM')
    return file


if __name__ == '__main__':
    sys.exit(main())
