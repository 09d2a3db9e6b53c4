"""The command `python -m tests.newer_postgresql [SUITE]`: run the tests on a newer PostgreSQL.

The command installs a Debian release into a temporary folder with debootstrap, starts the
PostgreSQL server of that release there, and runs the suite on it. `SUITE` is the name of the Debian
release, by default `trixie`, which has PostgreSQL 17. The command needs root and debootstrap; the
exit code is that of the tests.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.complete_copy import environment
from tests.debian_root import install_root, run
from tests.repository_copy import ROOT
from tests.service import free_port

# The server keeps no data, so it need not write them durably.
OPTIONS = '-h 127.0.0.1 -k /tmp -c fsync=off -c max_connections=400'


def main(arguments: Sequence[str]) -> int:
    """Run the tests on the PostgreSQL of a Debian release; return the exit code."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder) / 'root'
        release = arguments[0] if arguments else 'trixie'
        install_root(root, release, 'postgresql')
        with running_server(root) as url:
            return subprocess.run(
                [sys.executable, '-m', 'pytest', '-n', 'auto', '-p', 'no:schemathesis', '-q',
                 '-m', 'not servers'],
                cwd=ROOT,
                env=environment(APP_ENV='testing', TEST_DATABASE_URL=url),
                check=False,
            ).returncode  # fmt: skip


@contextmanager
def running_server(root: Path) -> Iterator[str]:
    """Start the newest PostgreSQL server in a Debian root; yield the URL of a database."""
    [*_, programs] = sorted((root / 'usr/lib/postgresql').glob('*/bin'))
    programs = Path('/') / programs.relative_to(root)
    port = free_port()

    def as_postgres(command: str) -> None:
        run('chroot', str(root), 'su', 'postgres', '-c', f'{programs}/{command}')

    as_postgres('initdb -D /tmp/data -A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8')
    as_postgres(f"pg_ctl -D /tmp/data -w -l /tmp/log -o '-p {port} {OPTIONS}' start")
    try:
        as_postgres(f'psql -h 127.0.0.1 -p {port} -c "SELECT version()"')
        as_postgres(f'createdb -h 127.0.0.1 -p {port} test')
        yield f'postgresql://postgres@127.0.0.1:{port}/test'
    finally:
        as_postgres('pg_ctl -D /tmp/data -m immediate stop')


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
