"""Debian roots: folders with another Debian release, whose programs tests run.

They need root, debootstrap and Debian's archive.
"""

import os
import shutil
import subprocess
from pathlib import Path

# Runs a program in a root, without the environment of this machine, whose paths the root lacks. The
# mounts exist only for this program, so they need no clean-up.
ENTER = """
mount --rbind /dev "$0/dev"
mount -t proc proc "$0/proc"
exec chroot "$0" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""


def install_root(root: Path, release: str, *packages: str) -> None:
    """Install a Debian release with packages into a new folder.

    :param release: the name of the release, such as `trixie`.
    :raises SystemExit: if this process is not root, or debootstrap is missing or fails.
    """
    if os.geteuid():
        raise SystemExit('a Debian root needs a process of root, for debootstrap and chroot')
    # A debootstrap that is older than the release does not know it. The script of `sid` installs
    # all newer releases; the empty argument means the default archive.
    include = f'--include={",".join(packages)}'
    run('debootstrap', '--variant=minbase', include, release, str(root), '', 'sid')
    # Of this machine: the names of hosts, and the certificates to which its network may have added
    # one.
    for path in ('etc/resolv.conf', 'etc/hosts', 'etc/ssl/certs/ca-certificates.crt'):
        if (Path('/') / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path('/') / path, root / path)


def enter_root(root: Path) -> tuple[str, ...]:
    """Return the beginning of a command that runs a program in a root, with /dev and /proc."""
    return ('unshare', '--mount', '--propagation', 'private', 'sh', '-ec', ENTER, str(root))


def run(*command: str) -> None:
    """Run a program.

    :raises SystemExit: if it is not installed or fails.
    """
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        raise SystemExit(f'{command[0]} is not installed') from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f'{command[0]} failed with exit code {error.returncode}') from None
