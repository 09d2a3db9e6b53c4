"""The sandbox of the image decoder: resource limits, Landlock and a seccomp filter of system calls.

This file uses only the standard library, because the decoder loads it by its path. ADR 36 has the
reasons. The sandbox supports Linux on x86_64 and aarch64. On other systems, `restrict` returns the
names of the missing protections.
"""

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Iterator
from errno import ENOSYS, EPERM

MAX_MEMORY_BYTES = 640 * 1024 * 1024  # of address space
MAX_CPU_SECONDS = 10  # of one core; the kernel then sends SIGXCPU, and SIGKILL a second later
LIMITS = {  # soft limit and hard limit
    'RLIMIT_AS': (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES),
    'RLIMIT_CPU': (MAX_CPU_SECONDS, MAX_CPU_SECONDS + 1),
    'RLIMIT_NOFILE': (3, 3),
    'RLIMIT_CORE': (0, 0),
}

# Options of prctl(2) and operations of seccomp(2), from <linux/prctl.h> and <linux/seccomp.h>.
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1

# System calls and flags of Landlock, from <linux/landlock.h>; the same on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
LANDLOCK_CREATE_RULESET_VERSION = 1
# The accesses that a ruleset without rules denies, by the version that introduced them.
LANDLOCK_FILES = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
LANDLOCK_TCP = {4: 0b11}  # bind, connect
LANDLOCK_SCOPE = {6: 0b11}  # abstract Unix sockets and signals outside of the sandbox

# Instructions of the filter, from <linux/bpf_common.h>, and its results, from <linux/seccomp.h>.
LOAD, JUMP_IF_EQUAL, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
KILL, DENY, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
# Offsets of the call number, the architecture and the arguments in `struct seccomp_data`.
CALL, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16

CLONE_THREAD = 0x10000
PROT_EXEC = 4

# Architecture numbers from <linux/audit.h>. In the tables below, each system call has two numbers,
# in the order of these architectures.
ARCHITECTURES = {'x86_64': 0xC000003E, 'aarch64': 0xC00000B7}
ALLOWED_CALLS = {
    # Input and output by open descriptors.
    'read': (0, 63), 'write': (1, 64), 'lseek': (8, 62), 'close': (3, 57), 'fstat': (5, 80),
    # Memory that is not executable: see CONDITIONAL_CALLS.
    'munmap': (11, 215), 'mremap': (25, 216), 'madvise': (28, 233), 'brk': (12, 214),
    # Threads of this process.
    'futex': (202, 98), 'set_robust_list': (273, 99), 'rseq': (334, 293), 'gettid': (186, 178),
    'sched_yield': (24, 124), 'sched_getaffinity': (204, 123), 'membarrier': (324, 283),
    'exit': (60, 93), 'exit_group': (231, 94), 'getpid': (39, 172),
    'rt_sigaction': (13, 134), 'rt_sigprocmask': (14, 135), 'rt_sigreturn': (15, 139),
    'sigaltstack': (131, 132),
    # Clocks and random numbers.
    'clock_gettime': (228, 113), 'gettimeofday': (96, 169), 'getrandom': (318, 278),
    'nanosleep': (35, 101), 'clock_nanosleep': (230, 115),
}  # fmt: skip
# For each system call: its numbers, the index of the argument to check, the bits to check in it,
# and whether they must be set.
CONDITIONAL_CALLS = {
    'clone': ((56, 220), 0, CLONE_THREAD, True),
    'mmap': ((9, 222), 2, PROT_EXEC, False),
    'mprotect': ((10, 226), 2, PROT_EXEC, False),
}
# A filter cannot check the flags of `clone3`, because they are behind a pointer. The call returns
# ENOSYS, and C libraries then use `clone`.
CLONE3 = 435
SECCOMP = (317, 277)


def restrict() -> list[str]:
    """Apply all protections to this process. The descriptors 0, 1 and 2 stay open.

    :returns: the names of the protections that this system does not support: `no_new_privs`,
        `landlock`, `seccomp`, or the name of a resource limit.
    """
    # The order matters. Without `no_new_privs`, the kernel rejects Landlock and seccomp. Landlock
    # needs a free descriptor, so it precedes the limit RLIMIT_NOFILE.
    found = {'no_new_privs': _forbid_new_privileges(), 'landlock': _restrict_by_landlock()}
    found |= {name: _set_limit(name, *limits) for name, limits in LIMITS.items()}
    found['seccomp'] = _filter_system_calls()
    if not found['seccomp']:
        # This limit prevents new processes. It also counts threads, so AVIF then uses one thread.
        found['RLIMIT_NPROC'] = _set_limit('RLIMIT_NPROC', 0, 0)
    return [name for name, is_there in found.items() if not is_there]


def filter_program(machine: str) -> bytes | None:
    """Return the binary seccomp filter of an architecture, or None if unsupported.

    The filter allows the calls in the tables; all others fail with EPERM. It kills a process that
    uses the system calls of another architecture.
    """
    if machine not in ARCHITECTURES or sys.maxsize < 2**32:
        return None
    column = list(ARCHITECTURES).index(machine)
    program = [
        _instruction(LOAD, ARCHITECTURE),
        _instruction(JUMP_IF_EQUAL, ARCHITECTURES[machine], then=1),
        _instruction(RETURN, KILL),
        _instruction(LOAD, CALL),
        *_return_if_call(CLONE3, DENY | ENOSYS),
    ]
    for numbers in ALLOWED_CALLS.values():
        program += _return_if_call(numbers[column], ALLOW)
    for numbers, argument, bits, must_be_set in CONDITIONAL_CALLS.values():
        results = (ALLOW, DENY | EPERM) if must_be_set else (DENY | EPERM, ALLOW)
        program += [
            _instruction(JUMP_IF_EQUAL, numbers[column], otherwise=4),
            _instruction(LOAD, FIRST_ARGUMENT + 8 * argument),
            _instruction(JUMP_IF_ANY_BIT, bits, otherwise=1),
            *(_instruction(RETURN, result) for result in results),
        ]
    return b''.join([*program, _instruction(RETURN, DENY | EPERM)])


def _forbid_new_privileges() -> bool:
    return _call('prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


def _restrict_by_landlock() -> bool:
    """Deny access to files; on newer kernels also to TCP, abstract sockets and outgoing signals."""
    version = _call('syscall', LANDLOCK_CREATE_RULESET, 0, 0, LANDLOCK_CREATE_RULESET_VERSION)
    if version < 1:
        return False
    denied = [
        sum(bits for since, bits in group.items() if since <= version)
        for group in (LANDLOCK_FILES, LANDLOCK_TCP, LANDLOCK_SCOPE)
    ]
    # The structure may be longer than that of an older kernel, if the rest is zero.
    ruleset = ctypes.create_string_buffer(struct.pack('QQQ', *denied), 24)
    descriptor = _call('syscall', LANDLOCK_CREATE_RULESET, ctypes.addressof(ruleset), 24, 0)
    if descriptor < 0:
        return False
    try:
        return _call('syscall', LANDLOCK_RESTRICT_SELF, descriptor, 0) == 0
    finally:
        os.close(descriptor)


def _filter_system_calls() -> bool:
    machine = os.uname().machine
    program = filter_program(machine)
    if program is None:
        return False
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions and their address.
    head = struct.pack('HP', len(program) // 8, ctypes.addressof(code))
    number = SECCOMP[list(ARCHITECTURES).index(machine)]
    filters = ctypes.create_string_buffer(head, len(head))
    # TSYNC applies the filter to all threads, including those that a decoder has started.
    arguments = (SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ctypes.addressof(filters))
    return _call('syscall', number, *arguments) == 0


def _set_limit(name: str, soft: int, hard: int) -> bool:
    """Set a resource limit, unless the system has set a lower one."""
    try:
        kind = getattr(resource, name)
        present = resource.getrlimit(kind)[1]
        if present != resource.RLIM_INFINITY:
            soft, hard = min(soft, present), min(hard, present)
        resource.setrlimit(kind, (soft, hard))
    except (AttributeError, ValueError, OSError):
        # macOS does not support a limit of the address space.
        return False
    return True


def _call(name: str, *arguments: int) -> int:
    """Call a variadic function of the C library; return -1 if it fails or is missing."""
    # macOS also has `syscall`, but with other numbers.
    if sys.platform != 'linux':
        return -1
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return -1
    return int(function(*map(ctypes.c_long, arguments)))


def _instruction(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """Return an instruction (`struct sock_filter`), which may skip `then` or `otherwise` others."""
    return struct.pack('HBBI', code, then, otherwise, value)


def _return_if_call(number: int, result: int) -> Iterator[bytes]:
    yield _instruction(JUMP_IF_EQUAL, number, otherwise=1)
    yield _instruction(RETURN, result)


if __name__ == '__main__':
    print('\n'.join(restrict()))  # noqa: T201 - the service reads it
