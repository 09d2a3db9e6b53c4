"""Disks that fail on demand: calls that end as ordered, and a file system whose power is cut."""

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

# EXT4_IOC_SHUTDOWN, and not to flush the journal before: how file systems are tested for this.
SHUTDOWN, NOT_FLUSHED = 0x8004587D, 2


class Kind(IntEnum):
    """A kind of call; those that make a file are `OPEN`, `pwrite` and `sendfile` are `WRITE`."""

    OPEN = 0
    WRITE = 1
    FSYNC = 2
    RENAME = 3
    LINK = 4
    MKDIR = 5
    UNLINK = 6


class Action(IntEnum):
    """What happens to a call: as always, -1, 0 without having done it, or SIGKILL."""

    PASS = 0
    FAIL = 1
    LIE = 2
    KILL_BEFORE = 3
    KILL_AFTER = 4


class Disk:
    """The disk as a service sees it that was started with `settings`: it obeys orders."""

    # As in disk.c: `struct orders`.
    _form = struct.Struct(f'8i{len(Kind)}i4096s4096s')

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        shim, orders = folder / 'disk.so', folder / 'orders'
        command = ['gcc', '-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', shim, SOURCE, '-ldl']
        subprocess.run(command, check=True)
        orders.write_bytes(bytes(self._form.size))
        with orders.open('r+b') as file:
            self._orders = mmap.mmap(file.fileno(), 0)
        self.settings = {'LD_PRELOAD': str(shim), 'DISK_ORDERS': str(orders)}

    def order(
        self,
        action: Action,
        *below: Path,
        kinds: tuple[Kind, ...] = (),
        error: int = 0,
        first: int = 0,
        lasts: bool = False,
    ) -> None:
        """Let something happen to a call below these paths, counted from 0 from now on.

        :param lasts: to all that come after it as well.
        """
        self.calm()
        bits = sum(1 << kind for kind in kinds)
        paths = [os.fsencode(path) for path in below] + [b''] * (2 - len(below))
        counts = [0] * (2 + len(Kind))
        self._form.pack_into(self._orders, 0, 0, action, error, bits, first, lasts, *counts, *paths)
        self._arm(is_armed=True)

    def calm(self) -> None:
        """Let everything be as always; what was counted stays."""
        self._arm(is_armed=False)

    @property
    def struck(self) -> int:
        """How many calls it happened to."""
        return int(self._form.unpack_from(self._orders)[7])

    @property
    def seen(self) -> dict[Kind, int]:
        """How many calls there were of each kind."""
        return dict(zip(Kind, self._form.unpack_from(self._orders)[8:], strict=False))

    def _arm(self, *, is_armed: bool) -> None:
        struct.pack_into('i', self._orders, 0, is_armed)


@dataclass(frozen=True)
class Ext4:
    """A file system of its own in a file, at a folder. Needs root."""

    image: Path
    at: Path

    def make(self, size: int) -> None:
        """Make it, empty."""
        with self.image.open('wb') as file:
            file.truncate(size)
        subprocess.run(['mkfs.ext4', '-q', '-F', self.image], check=True)

    def mount(self) -> None:
        """Open it; what its journal has is replayed."""
        self.at.mkdir(exist_ok=True)
        subprocess.run(['mount', '-o', 'loop', self.image, self.at], check=True)

    def unmount(self) -> None:
        """Close it, once nobody has it open any more."""
        wait_until(lambda: not self.at.is_mount() or self._is_released(), 20)

    def sync(self) -> None:
        """Make durable all that was written so far."""
        subprocess.run(['sync', '-f', self.at], check=True)

    def cut(self) -> None:
        """Cut the power: from now on nothing reaches it, and what is only in memory is lost."""
        folder = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack('I', NOT_FLUSHED))
        finally:
            os.close(folder)

    @property
    def is_clean(self) -> bool:
        """Whether it was closed properly: its journal has nothing to replay."""
        shown = subprocess.run(
            ['dumpe2fs', '-h', self.image], check=True, capture_output=True, text=True
        )
        return 'needs_recovery' not in shown.stdout

    def _is_released(self) -> bool:
        done = subprocess.run(['umount', self.at], check=False, capture_output=True)
        return done.returncode == 0
