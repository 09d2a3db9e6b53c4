"""Attacks from inside the decoder's sandbox, even if the system lacks some protections.

`tests/servers/test_unprivileged.py` runs this file as the user of the container image.
"""

import ctypes
import json
import os
import resource
import runpy
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from errno import ENOSYS, EPERM
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from project.core import images
from project.core.images import DECODER, SANDBOX, ImageDecodingFailed
from project.core.images.sandbox import (
    ALLOW,
    ALLOWED_CALLS,
    ARCHITECTURES,
    CLONE_THREAD,
    CONDITIONAL_CALLS,
    DENY,
    KILL,
    PROT_EXEC,
    filter_program,
)
from project.core.processes import set_not_dumpable

from ..test_processes import in_child
from . import attacks
from .attacks import ATTACKS, landlock_version
from .decoders import disguised
from .sample_images import decoded, encoded, halves

ALL = {*ATTACKS, 'exec'} - {'thread'}
# The attacks that Landlock denies. Each number is the version of Landlock that introduced the rule.
LANDLOCK_VERSION = landlock_version()
LANDLOCK = set().union(*(
    denied
    for version, denied in {
        1: {'open', 'create', 'rename', 'unlink', 'exec', 'ptrace', 'memory', 'environ'},
        3: {'truncate'},
        4: {'tcp'},
        6: {'signal', 'abstract'},
    }.items()
    if version <= LANDLOCK_VERSION
))  # fmt: skip
HAS_NO_LANDLOCK = ['landlock'] if LANDLOCK_VERSION < 1 else []
PARENT = {'ptrace', 'memory', 'environ'}
# The process limit and the dump flag do not apply to root.
IS_ROOT = os.getuid() == 0

# Replaced lines of `sandbox.py`: it then behaves as on a system that lacks one of the protections.
# For an unknown system call the kernel returns ENOSYS.
NO_SECCOMP = {'SECCOMP = ': 'SECCOMP = (9999, 9999)'}
NO_LANDLOCK = {
    'LANDLOCK_CREATE_RULESET, ': 'LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 9999, 1'
}
NO_LIBRARY = {'        function = ': '        function = ctypes.CDLL(None).no_such_function'}
OTHER_SYSTEM = {'    if sys.platform': "    if sys.platform == 'linux':"}
OTHER_MACHINE = {'ARCHITECTURES = ': "ARCHITECTURES = {'riscv64': 0xC00000F3}"}
NO_THREADS = {"    'clone'": "    'clone': ((56, 220), 0, CLONE_THREAD, False),"}
NO_LIMIT = {"    'RLIMIT_AS'": "    'RLIMIT_ADDRESSES': (0, 0),"}


class Result(NamedTuple):
    """The result of all attacks: protections that the system lacks, and failed attacks."""

    missing: list[str]
    denied: set[str]


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Create the targets of the attacks: files, servers and a memory area.

    All belong to the user of the decoder, so only the sandbox can protect them.
    """
    for name in ('secret', 'renamed', 'unlinked', 'truncated'):
        (tmp_path / name).write_text('hush')
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    memory = ctypes.create_string_buffer(b'secret')
    name = f'\0{uuid4().hex}'
    with ExitStack() as stack:
        tcp, unix, abstract = (
            stack.enter_context(socket.socket(family))
            for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX)
        )
        for server, address in ((tcp, ('127.0.0.1', 0)), (unix, 'socket'), (abstract, name)):
            server.bind(address)
            server.listen()
        yield {
            'folder': str(tmp_path),
            'port': tcp.getsockname()[1],
            'abstract': name,
            'address': ctypes.addressof(memory),
        }


def run_attacks(targets: dict[str, Any], sandbox: Path | str = SANDBOX) -> Result:
    """Run all attacks in a child process. An empty path disables the sandbox."""
    with Path(targets['folder'], 'secret').open('rb') as source:
        ended = subprocess.run(
            [sys.executable, '-I', attacks.__file__, str(sandbox), json.dumps(targets)],
            stdin=source,
            capture_output=True,
            text=True,
            check=True,
        )
    missing, *output = ended.stdout.splitlines()
    return Result(json.loads(missing), denied(output))


def denied(output: list[str]) -> set[str]:
    """Return the names of the failed attacks, from the output of `attacks.py`."""
    results, last = output
    named = {**json.loads(results), 'exec': '' if last == 'executed' else last}
    return {name for name, error in named.items() if error}


def sandbox_without(folder: Path, lines: dict[str, str]) -> Path:
    """Return the path of a copy of `sandbox.py` without one of its protections.

    :param lines: the replacement for each line, by the beginning of the line.
    """
    text = SANDBOX.read_text().splitlines()
    for beginning, line in lines.items():
        (at,) = [n for n, each in enumerate(text) if each.startswith(beginning)]
        text[at] = line
    path = folder / 'sandbox.py'
    path.write_text('\n'.join(text))
    return path


class TestRestrict:
    def test_denies_all_attacks_and_allows_threads(self, targets):
        assert run_attacks(targets) == Result(HAS_NO_LANDLOCK, ALL)

    def test_applies_to_the_decoder_process(self, targets, tmp_path):
        before = f'import runpy; attack = runpy.run_path({attacks.__file__!r})["attack"]'
        decoder = disguised(tmp_path, f'attack({targets!r}); sys.exit(0)', before)

        with Path(targets['folder'], 'secret').open('rb') as source:
            ended = subprocess.run(
                [sys.executable, '-I', decoder, '64', 'square'],
                stdin=source, capture_output=True, text=True, check=True,
            )  # fmt: skip

        assert denied(ended.stdout.splitlines()) == ALL

    def test_is_necessary_to_stop_the_attacks(self, targets):
        """Control without the sandbox: no attack fails."""
        assert run_attacks(targets, '').denied == set()

    @pytest.mark.parametrize(('lines', 'missing', 'stopped'), [
        (NO_LANDLOCK, ['landlock'], ALL),
        (NO_SECCOMP, [*HAS_NO_LANDLOCK, 'seccomp'], LANDLOCK),
        (OTHER_MACHINE, [*HAS_NO_LANDLOCK, 'seccomp'], LANDLOCK),
        (NO_SECCOMP | NO_LANDLOCK, ['landlock', 'seccomp'], set()),
        (NO_LIBRARY, ['no_new_privs', 'landlock', 'seccomp'], set()),
        (OTHER_SYSTEM, ['no_new_privs', 'landlock', 'seccomp'], set()),
        (NO_LIMIT, [*HAS_NO_LANDLOCK, 'RLIMIT_ADDRESSES'], ALL),
    ], ids=['landlock', 'seccomp', 'architecture', 'both', 'prctl', 'system', 'limit'])  # fmt: skip
    def test_uses_the_protections_that_the_system_has(
        self, targets, tmp_path, lines, missing, stopped
    ):
        result = run_attacks(targets, sandbox_without(tmp_path, lines))

        by_limit = set() if IS_ROOT or 'seccomp' not in missing else {'fork', 'thread'}
        assert result == Result(missing, stopped | by_limit)

    def test_allows_enough_threads_to_decode_avif(self, monkeypatch, tmp_path):
        """Without seccomp, the sandbox forbids new processes by a limit instead.

        For users other than root, the limit also forbids threads, so the AVIF decoder uses one.
        """
        sandbox_without(tmp_path, NO_SECCOMP)
        monkeypatch.setattr(images, 'DECODER', Path(shutil.copy(DECODER, tmp_path)))

        with tempfile.TemporaryFile() as file:
            file.write(encoded(halves(), 'AVIF').getvalue())
            assert decoded(images.resize_to_webp(file, edge=64)).size == (64, 32)

    def test_raises_decoding_failed_if_threads_are_forbidden(self, monkeypatch, tmp_path):
        sandbox_without(tmp_path, NO_THREADS)
        monkeypatch.setattr(images, 'DECODER', Path(shutil.copy(DECODER, tmp_path)))

        with tempfile.TemporaryFile() as file:
            file.write(encoded(halves(), 'AVIF').getvalue())
            with pytest.raises(ImageDecodingFailed):
                images.resize_to_webp(file, edge=64)

    def test_keeps_lower_limits_of_the_system(self, tmp_path):
        def check() -> None:
            resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
            restrict = runpy.run_path(str(sandbox_without(tmp_path, NO_SECCOMP)))['restrict']
            assert 'RLIMIT_CPU' not in restrict()
            assert resource.getrlimit(resource.RLIMIT_CPU) == (5, 5)

        assert in_child(check) == 0


class TestSetNotDumpable:
    def test_protects_the_memory_of_the_service_without_a_sandbox(self, targets):
        """Root can read the memory of any process, so these attacks succeed for root."""

        def check() -> None:
            set_not_dumpable()
            assert run_attacks(targets, '').denied == (set() if IS_ROOT else PARENT)

        assert in_child(check) == 0


def decide(program: bytes, number: int, architecture: int, *arguments: int) -> int:
    """Run a seccomp filter on a system call; return its decision.

    :param program: the compiled filter, which this function interprets.
    """
    data = struct.pack('IIQ6Q', number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    at, held = 0, 0
    while True:
        code, then, otherwise, value = struct.unpack_from('HBBI', program, 8 * at)
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from('I', data, value)
        elif code == 0x06:
            return int(value)
        else:
            holds = held == value if code == 0x15 else held & value
            at += then if holds else otherwise


@pytest.mark.parametrize('machine', ARCHITECTURES)
class TestFilterProgram:
    #: execve, openat, socket, ptrace, kill, process_vm_readv, fork or vfork, prlimit64
    DANGEROUS = {
        'x86_64': (59, 257, 41, 101, 62, 310, 57, 58, 302),
        'aarch64': (221, 56, 198, 117, 129, 270, 261),
    }

    @pytest.fixture
    def rule(self, machine):
        program = filter_program(machine)
        return lambda *call: decide(program, call[0], ARCHITECTURES[machine], *call[1:])

    def test_allows_only_the_listed_calls(self, machine, rule):
        column = list(ARCHITECTURES).index(machine)
        allowed = {numbers[column] for numbers in ALLOWED_CALLS.values()}
        conditional = {numbers[column] for numbers, *_ in CONDITIONAL_CALLS.values()}

        found = {number for number in range(600) if rule(number) == ALLOW}

        assert found == allowed | conditional - {CONDITIONAL_CALLS['clone'][0][column]}
        assert {rule(number) for number in self.DANGEROUS[machine]} == {DENY | EPERM}
        # On x86_64, each system call has a second number, which belongs to the x32 ABI.
        assert rule(0x40000000) == DENY | EPERM

    def test_allows_threads_but_no_processes(self, machine, rule):
        clone = CONDITIONAL_CALLS['clone'][0][list(ARCHITECTURES).index(machine)]

        assert rule(clone, CLONE_THREAD) == ALLOW
        assert rule(clone, 17) == DENY | EPERM
        # After ENOSYS for `clone3`, the C library calls `clone` instead.
        assert rule(435) == DENY | ENOSYS

    @pytest.mark.parametrize('name', ['mmap', 'mprotect'])
    def test_allows_memory_that_is_not_executed(self, machine, rule, name):
        number = CONDITIONAL_CALLS[name][0][list(ARCHITECTURES).index(machine)]

        assert rule(number, 0, 0, 3) == ALLOW
        assert rule(number, 0, 0, 3 | PROT_EXEC) == DENY | EPERM

    def test_kills_a_process_that_uses_calls_of_another_architecture(self, machine, rule):
        other = 0x40000003  # i386, where 3 is the number of `read`

        assert decide(filter_program(machine), 3, other) == KILL

    def test_returns_none_for_other_architectures(self, machine):
        assert filter_program('riscv64') is None
