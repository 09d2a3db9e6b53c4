"""Attacks by a hijacked image decoder; run with `python -I attacks.py SANDBOX TARGETS`.

Loaded by path, like the decoder, and before the sandbox, in which no module can be imported.
"""

import ctypes
import errno
import json
import os
import runpy
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206  # unlike PTRACE_ATTACH, it does not stop the process


class Vector(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]


def attack(targets: dict[str, Any]) -> None:
    """Try all attacks, and print the error of each as JSON; an empty text means success."""
    # The limit of open files applies to descriptor numbers: this makes one available.
    os.close(0)
    results = {name: error_of(run, targets) for name, run in ATTACKS.items()}
    write(json.dumps(results) + '\n')
    write(error_of(execute, targets))


def error_of(run: Callable[[dict[str, Any]], object], targets: dict[str, Any]) -> str:
    """Return the name of the error that an attack raises, or an empty text."""
    try:
        run(targets)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    except RuntimeError as error:
        return str(error)
    return ''


def open_file(targets: dict[str, Any]) -> None:
    """Read a file."""
    os.close(os.open(f'{targets["folder"]}/secret', os.O_RDONLY))


def create_file(targets: dict[str, Any]) -> None:
    """Create a file."""
    os.close(os.open(f'{targets["folder"]}/new', os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def connect(family: int, address: Any) -> None:
    """Connect to a server."""
    with socket.socket(family) as sock:
        sock.connect(address)


def fork(_targets: dict[str, Any]) -> None:
    """Start a process."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def execute(_targets: dict[str, Any]) -> None:
    """Replace the process by another program, which prints a word."""
    os.execv('/bin/echo', ['echo', 'executed'])


def trace(_targets: dict[str, Any]) -> None:
    """Attach to the parent like a debugger."""
    checked(LIBC.ptrace(PTRACE_SEIZE, os.getppid(), None, None))


def read_memory(targets: dict[str, Any]) -> None:
    """Read the memory of the parent."""
    buffer = ctypes.create_string_buffer(6)
    local = Vector(ctypes.addressof(buffer), 6)
    remote = Vector(targets['address'], 6)
    checked(LIBC.process_vm_readv(os.getppid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))
    assert buffer.raw == b'secret'


def read_environment(_targets: dict[str, Any]) -> None:
    """Read the environment of the parent."""
    descriptor = os.open(f'/proc/{os.getppid()}/environ', os.O_RDONLY)
    try:
        os.read(descriptor, 1)
    finally:
        os.close(descriptor)


def landlock_version() -> int:
    """Return the version of Landlock in the kernel, or -1."""
    return int(LIBC.syscall(444, None, ctypes.c_size_t(0), 1))


def map_executable(_targets: dict[str, Any]) -> None:
    """Map executable memory."""
    LIBC.mmap.restype = ctypes.c_void_p
    address = LIBC.mmap(None, 4096, 7, 0x22, -1, ctypes.c_long(0))
    checked(-1 if address == ctypes.c_void_p(-1).value else 0)


def start_thread(_targets: dict[str, Any]) -> None:
    """Start a thread. This is not an attack: AVIF decoders start threads."""
    thread = threading.Thread(target=time.sleep, args=(0,))
    thread.start()
    thread.join()


def checked(result: int) -> None:
    """Raise OSError if a function of the C library returned an error."""
    if result < 0:
        raise OSError(ctypes.get_errno(), '')


def write(text: str) -> None:
    """Print without a file object."""
    os.write(1, text.encode())


ATTACKS: dict[str, Callable[[dict[str, Any]], object]] = {
    'open': open_file,
    'create': create_file,
    'rename': lambda t: Path(t['folder'], 'renamed').rename(Path(t['folder'], 'away')),
    'unlink': lambda t: Path(t['folder'], 'unlinked').unlink(),
    'truncate': lambda t: os.truncate(f'{t["folder"]}/truncated', 0),
    'tcp': lambda t: connect(socket.AF_INET, ('127.0.0.1', t['port'])),
    'unix': lambda t: connect(socket.AF_UNIX, f'{t["folder"]}/socket'),
    'abstract': lambda t: connect(socket.AF_UNIX, t['abstract']),
    'fork': fork,
    'signal': lambda t: os.kill(os.getppid(), 0),
    'ptrace': trace,
    'memory': read_memory,
    'environ': read_environment,
    'machine code': map_executable,
    'thread': start_thread,
}


if __name__ == '__main__':
    restrict = runpy.run_path(sys.argv[1])['restrict'] if sys.argv[1] else list
    write(json.dumps(restrict()) + '\n')
    attack(json.loads(sys.argv[2]))
