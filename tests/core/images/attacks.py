"""Attacks that a hijacked image decoder could try, to test its sandbox.

The command is `python -I attacks.py SANDBOX TARGETS`. The file is loaded by its path, like the
decoder. All imports come before the start of the sandbox, because they are impossible in it.
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
    """`struct iovec` of the C library: the address and length of a memory area."""

    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]


def attack(targets: dict[str, Any]) -> None:
    """Try all attacks, and print the name of each error as JSON.

    An empty text means that the attack succeeded. The last line is the error of `execute`, because
    a success of `execute` ends this program.
    """
    # The sandbox allows only the descriptor numbers 0, 1 and 2. Closing stdin makes number 0
    # available, so that this limit alone does not stop the attacks.
    os.close(0)
    results = {name: error_of(run, targets) for name, run in ATTACKS.items()}
    write(json.dumps(results) + '\n')
    write(error_of(execute, targets))


def error_of(run: Callable[[dict[str, Any]], object], targets: dict[str, Any]) -> str:
    """Run an attack; return the name of the error that it raises, or an empty text."""
    try:
        run(targets)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    except RuntimeError as error:
        return str(error)
    return ''


def open_file(targets: dict[str, Any]) -> None:
    """Open a file that the decoder must not read."""
    os.close(os.open(f'{targets["folder"]}/secret', os.O_RDONLY))


def create_file(targets: dict[str, Any]) -> None:
    """Create a file in a folder that the decoder must not change."""
    os.close(os.open(f'{targets["folder"]}/new', os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def connect(family: int, address: Any) -> None:
    """Connect to a local server."""
    with socket.socket(family) as sock:
        sock.connect(address)


def fork(_targets: dict[str, Any]) -> None:
    """Start a child process."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def execute(_targets: dict[str, Any]) -> None:
    """Replace this process by the program `echo`, which prints a word."""
    os.execv('/bin/echo', ['echo', 'executed'])


def trace(_targets: dict[str, Any]) -> None:
    """Attach to the parent process (the service) as a debugger does."""
    checked(LIBC.ptrace(PTRACE_SEIZE, os.getppid(), None, None))


def read_memory(targets: dict[str, Any]) -> None:
    """Read a secret from the memory of the parent process."""
    buffer = ctypes.create_string_buffer(6)
    local = Vector(ctypes.addressof(buffer), 6)
    remote = Vector(targets['address'], 6)
    checked(LIBC.process_vm_readv(os.getppid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))
    assert buffer.raw == b'secret'


def read_environment(_targets: dict[str, Any]) -> None:
    """Read the environment variables of the parent process."""
    descriptor = os.open(f'/proc/{os.getppid()}/environ', os.O_RDONLY)
    try:
        os.read(descriptor, 1)
    finally:
        os.close(descriptor)


def landlock_version() -> int:
    """Return the version of Landlock in the kernel, or -1 if the kernel has no Landlock."""
    return int(LIBC.syscall(444, None, ctypes.c_size_t(0), 1))


def map_executable(_targets: dict[str, Any]) -> None:
    """Map memory that is both writable and executable."""
    LIBC.mmap.restype = ctypes.c_void_p
    address = LIBC.mmap(None, 4096, 7, 0x22, -1, ctypes.c_long(0))
    checked(-1 if address == ctypes.c_void_p(-1).value else 0)


def start_thread(_targets: dict[str, Any]) -> None:
    """Start a thread. The sandbox must allow this, because AVIF decoders start threads."""
    thread = threading.Thread(target=time.sleep, args=(0,))
    thread.start()
    thread.join()


def checked(result: int) -> None:
    """Raise OSError if a C function returned a negative result."""
    if result < 0:
        raise OSError(ctypes.get_errno(), '')


def write(text: str) -> None:
    """Write a text to stdout without a Python file object."""
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
