"""Commands that run as the user of the container image.

This user has no capabilities and no entry in /etc/passwd. Many limits do not apply to root. If the
tests do not run as root, the commands run as the user of the tests.
"""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UID = 10001  # as in the Dockerfile


@dataclass(frozen=True)
class UnprivilegedUser:
    """A user without privileges, and a folder that belongs to this user."""

    uid: int
    folder: Path

    def command(self, *words: str) -> list[str]:
        """Return a command that runs `words` as this user; both have the same process id."""
        if os.getuid() != 0:
            return list(words)
        drop = ['setpriv', f'--reuid={UID}', f'--regid={UID}', '--clear-groups', *words]
        return ['unshare', '--mount', 'sh', '-ec', f'{self._mounts()}\nexec "$@"', 'sh', *drop]

    @property
    def env(self) -> dict[str, str]:
        """Return environment variables for the commands, without those of the test run."""
        folders = dict.fromkeys(('HOME', 'TMPDIR', 'PYTEST_DEBUG_TEMPROOT'), str(self.folder))
        return {'PATH': os.environ['PATH'], 'LOGNAME': 'unprivileged', **folders}

    def _mounts(self) -> str:
        """Return shell commands that make Python and the repository readable for the user.

        Both may be in a folder that only root can enter. The commands mount an empty folder over
        it, and mount the needed folders inside. Only the started process can see these mounts.
        """
        needed = {path: hidden_by(path) for path in (ROOT, Path(sys.prefix), Path(sys.base_prefix))}
        lines = []
        for number, path in enumerate(path for path, hidden in needed.items() if hidden):
            kept = shlex.quote(f'{self.folder}/mount{number}')
            place = shlex.quote(str(path))
            lines.insert(0, f'mkdir -p {kept}; mount --bind {place} {kept}')
            lines.append(f'mkdir -p {place}; mount --bind {kept} {place}')
        for hidden in {hidden for hidden in needed.values() if hidden}:
            at = len(lines) // 2
            lines.insert(at, f'mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(hidden))}')
        return '\n'.join(lines)


def hidden_by(path: Path) -> Path | None:
    """Return the first parent folder of a path that other users cannot enter."""
    folders = [*reversed(path.parents), path]
    return next((folder for folder in folders if not folder.stat().st_mode & 0o001), None)


@contextmanager
def unprivileged_user() -> Iterator[UnprivilegedUser]:
    """Yield the user with a new folder, and delete the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix='unprivileged-'))
    try:
        if os.getuid() == 0:
            os.chown(folder, UID, UID)
        yield UnprivilegedUser(UID if os.getuid() == 0 else os.getuid(), folder)
    finally:
        shutil.rmtree(folder)
