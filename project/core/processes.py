"""Attributes of this process in the kernel: name, dump flag and parent-death signal.

The Linux system call prctl(2) sets all of them. Each docstring states the effect on other systems.
"""

import ctypes
import os
import signal
import time
from pathlib import Path
from threading import Thread

# Options of prctl(2), from <linux/prctl.h>.
PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_NAME = 1, 3, 4, 15

PARENT_POLL_SECONDS = 1.0

# Systems other than Linux have no such folder.
PROC = Path('/proc')


def set_parent_death_signal(parent_pid: int) -> None:
    """Let the system kill this process (SIGKILL) when its parent exits.

    Linux does so even if no thread of this process can run. On other systems, a thread checks the
    parent every `PARENT_POLL_SECONDS`.

    :param parent_pid: the process id of the parent. Read it before the fork, because the parent may
        exit right after the fork.
    """
    if not signal_at_parent_exit(signal.SIGKILL):
        Thread(target=_exit_with_parent, args=(parent_pid,), name='parent', daemon=True).start()
    elif is_parent_gone(parent_pid):
        # The parent exited before this call, so the kernel will send no signal: exit now.
        os._exit(1)


def signal_at_parent_exit(number: signal.Signals) -> bool:
    """Let the kernel send a signal to this process when its parent exits.

    :returns: whether the system supports this. If not, the caller must poll `is_parent_gone`.
    """
    return _prctl(PR_SET_PDEATHSIG, number) is not None


def is_parent_gone(parent_pid: int) -> bool:
    """Return whether the parent, the process that started this one, has exited."""
    return os.getppid() != parent_pid


def set_process_name(name: str) -> None:
    """Set the name of this process in the output of `ps -o comm` and `top`: 15 bytes at most.

    No effect on systems other than Linux.
    """
    text = ctypes.create_string_buffer(name.encode())
    _prctl(PR_SET_NAME, ctypes.addressof(text))


def process_exists(pid: int) -> bool:
    """Return whether a process runs, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def process_name(pid: int) -> str | None:
    """Return the name of a process, which it may have set with `set_process_name`.

    :returns: None if the process has ended, and on systems other than Linux.
    """
    try:
        return (PROC / str(pid) / 'comm').read_text(encoding='utf-8').strip()
    except OSError:
        return None


def private_memory_bytes(pid: int) -> int:
    """Return the memory of a process in bytes, without the pages of files.

    Pages that it still shares with the process that has forked it are included.

    :returns: 0 if the process has ended, and on systems other than Linux.
    """
    try:
        statm = (PROC / str(pid) / 'statm').read_text(encoding='ascii')
    except OSError:
        return 0
    resident, shared = map(int, statm.split()[1:3])
    return (resident - shared) * os.sysconf('SC_PAGE_SIZE')


def set_not_dumpable() -> None:
    """Prevent other processes of the same user from reading memory and environment of this process.

    The kernel sets a flag. Forked children inherit the flag; executing a program resets it. The
    kernel also writes no core dump. Only a process with CAP_SYS_PTRACE, such as a debugger of root,
    can attach to this process. No effect on a system without such a flag: see `has_dump_flag`.
    """
    _prctl(PR_SET_DUMPABLE, 0)


def has_dump_flag() -> bool:
    """Return whether `set_not_dumpable` has an effect on this system."""
    return _prctl(PR_GET_DUMPABLE, 0) is not None


def _prctl(option: int, value: int) -> int | None:
    """Call prctl(2); return its result, or None if the call failed or is not supported."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    # prctl is variadic: without explicit types, ctypes passes the arguments as `int`.
    result = int(prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))))
    return None if result < 0 else result


def _exit_with_parent(parent_pid: int) -> None:
    while not is_parent_gone(parent_pid):
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)
