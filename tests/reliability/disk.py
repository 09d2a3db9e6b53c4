"""Disk faults: system calls that fail when a test wants it, and power cuts of a file system."""

import fcntl
import mmap
import os
import struct
import subprocess
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from .harness import wait_until

SOURCE = Path(__file__).with_suffix('.c')

# The ioctl EXT4_IOC_SHUTDOWN, without a flush of the journal, simulates a power cut.
SHUTDOWN, NOT_FLUSHED = 0x8004587D, 2


class Kind(IntEnum):
    """Kind of file system call.

    `OPEN` creates a file; `WRITE` includes `pwrite` and `sendfile`.
    """

    OPEN = 0
    WRITE = 1
    FSYNC = 2
    RENAME = 3
    LINK = 4
    MKDIR = 5
    UNLINK = 6


class Action(IntEnum):
    """What happens at a file system call: nothing, an error, a fake success, or SIGKILL.

    `FAKE_SUCCESS` returns 0 without executing the call. `KILL_BEFORE` and `KILL_AFTER` kill the
    process.
    """

    PASS = 0
    FAIL = 1
    FAKE_SUCCESS = 2
    KILL_BEFORE = 3
    KILL_AFTER = 4


class FaultInjector:
    """Replacement of file system calls in all processes that are started with `settings`."""

    # The layout of `struct faults` in disk.c.
    _form = struct.Struct(f'8i{len(Kind)}i4096s4096s')

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        shim, faults = folder / 'disk.so', folder / 'faults'
        command = ['gcc', '-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', shim, SOURCE, '-ldl']
        subprocess.run(command, check=True)
        faults.write_bytes(bytes(self._form.size))
        with faults.open('r+b') as file:
            self._faults = mmap.mmap(file.fileno(), 0)
        self.settings = {'LD_PRELOAD': str(shim), 'DISK_FAULTS': str(faults)}

    def inject(
        self,
        action: Action,
        *below: Path,
        kinds: tuple[Kind, ...] = (),
        error: int = 0,
        first: int = 0,
        is_permanent: bool = False,
    ) -> None:
        """Apply an action to one of the next system calls on files in these folders.

        :param first: the number of the call, counted from 0.
        :param is_permanent: whether the action applies to all calls after it as well.
        """
        self.stop()
        bits = sum(1 << kind for kind in kinds)
        paths = [os.fsencode(path) for path in below] + [b''] * (2 - len(below))
        counts = [0] * (2 + len(Kind))
        self._form.pack_into(
            self._faults, 0, 0, action, error, bits, first, is_permanent, *counts, *paths
        )
        self._arm(is_armed=True)

    def stop(self) -> None:
        """Execute all calls normally again; keep the counters."""
        self._arm(is_armed=False)

    @property
    def hit_count(self) -> int:
        """The number of system calls to which the action was applied."""
        return int(self._form.unpack_from(self._faults)[7])

    @property
    def seen(self) -> dict[Kind, int]:
        """The number of system calls of each kind, with and without a fault."""
        return dict(zip(Kind, self._form.unpack_from(self._faults)[8:], strict=False))

    def _arm(self, *, is_armed: bool) -> None:
        struct.pack_into('i', self._faults, 0, is_armed)


@dataclass(frozen=True)
class Ext4:
    """An ext4 file system in a file, mounted at a folder. It requires root."""

    image: Path
    at: Path

    def make(self, size: int) -> None:
        """Create the empty file system."""
        with self.image.open('wb') as file:
            file.truncate(size)
        subprocess.run(['mkfs.ext4', '-q', '-F', self.image], check=True)

    def mount(self) -> None:
        """Mount the file system; the kernel then replays the journal."""
        self.at.mkdir(exist_ok=True)
        subprocess.run(['mount', '-o', 'loop', self.image, self.at], check=True)

    def unmount(self) -> None:
        """Unmount the file system, as soon as no process uses it."""
        wait_until(lambda: not self.at.is_mount() or self._is_released(), 20)

    def sync(self) -> None:
        """Flush all written data to the disk."""
        subprocess.run(['sync', '-f', self.at], check=True)

    def cut(self) -> None:
        """Cut the power: later writes do not reach the disk, and unwritten data is lost."""
        folder = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack('I', NOT_FLUSHED))
        finally:
            os.close(folder)

    @property
    def is_clean(self) -> bool:
        """Whether the journal is empty, as after a proper unmount."""
        shown = subprocess.run(
            ['dumpe2fs', '-h', self.image], check=True, capture_output=True, text=True
        )
        return 'needs_recovery' not in shown.stdout

    def _is_released(self) -> bool:
        done = subprocess.run(['umount', self.at], check=False, capture_output=True)
        return done.returncode == 0
