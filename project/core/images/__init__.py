"""Decoding of untrusted images, each in a process of its own; a limited number at once.

Decoders are written in C, and an upload reaches them directly. Each decoder process has limited
memory and time (`decoder_process.py`), and cannot open files or sockets (`sandbox.py`).
"""

import logging
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Timer
from typing import IO

from flask import Flask, current_app

from project.core.errors import ServiceUnavailable, UnprocessableContent
from project.core.processes import has_dump_flag, set_not_dumpable
from project.core.semaphore import InterprocessSemaphore

DECODER = Path(__file__).with_name('decoder_process.py')
SANDBOX = Path(__file__).with_name('sandbox.py')

# Seconds: for a turn, where a client waits for it; and for a decoder, beside those of the core.
DECODER_SLOT_TIMEOUT_SECONDS, DECODER_TIMEOUT_SECONDS = 2.0, 20.0

# Bytes. What it makes is a few hundred KB; whoever has taken it over could send without end.
MAX_DECODER_OUTPUT_BYTES = 8 * 1024 * 1024

# At import, before the service forks: all its processes share them.
decoder_slots = InterprocessSemaphore()


log = logging.getLogger(__name__)


class ImageRejected(UnprocessableContent):
    """The image is at fault: another attempt would end the same way."""

    field = 'file'


class ImageUnreadable(ImageRejected):
    """No image, a damaged one, or of a kind that is not read."""

    reason = 'Must be an image: JPEG, PNG, GIF, WebP or AVIF'


class ImageTooLarge(ImageRejected):
    """It could be small as a file, and still be a bomb."""

    reason = 'More than 25 megapixels'


class ImageTooCostly(ImageRejected):
    """Decoding took more than the limit of CPU time, which does not depend on other processes."""

    reason = 'Takes too much to decode'


class ImageDecodingFailed(ServiceUnavailable):
    """The decoder ended without a result: memory, time, a crash, or a fault of this system.

    The image may be good, so the caller may try again, a limited number of times.
    """


# How the decoder ends if the image is at fault: its own exit codes, and the limit of CPU time.
ERRORS_BY_EXIT_CODE = {
    3: ImageUnreadable,
    4: ImageTooLarge,
    -signal.SIGXCPU: ImageTooCostly,
}


def resize_to_webp(
    source: IO[bytes],
    *,
    edge: int,
    square: bool = False,
    timeout: float = DECODER_SLOT_TIMEOUT_SECONDS,
) -> bytes:
    """Return an image as a small WebP: upright, sRGB, without metadata, the first of an animation.

    Slow: never inside `atomic`.

    :param source: a file of the system's; read from its first byte on.
    :param edge: in pixels: of the longer side, which is never made longer, or of the square that is
        cut out of the middle.
    :param timeout: seconds to wait for one of `IMAGES_CONCURRENCY` slots.
    :raises ImageRejected: if the image is at fault: ImageUnreadable, ImageTooLarge, ImageTooCostly.
    :raises ImageDecodingFailed: if the decoder failed, which another attempt may not.
    :raises ServiceUnavailable: if no slot was free in time.
    """
    source.seek(0)
    with decoder_slots.acquire(current_app.config['IMAGES_CONCURRENCY'], timeout=timeout):
        code, found = _decode(source, str(edge), 'square' if square else 'whole')
    if code == 0 and found.startswith(b'RIFF') and found[8:12] == b'WEBP':
        return found
    if code in ERRORS_BY_EXIT_CODE:
        raise ERRORS_BY_EXIT_CODE[code]()
    raise ImageDecodingFailed(f'the image decoder ended with {code}')


@cache
def missing_protections() -> list[str]:
    """Return the protections against a decoder under attack that this system does not have.

    `no_new_privs`, `landlock`, `seccomp` and `RLIMIT_…` are those of `sandbox.py`, which a process
    of its own tries out. `dumpable` is the flag that hides the memory of the service.
    """
    command = [sys.executable, '-I', '-S', str(SANDBOX)]
    try:
        tried = subprocess.run(  # noqa: S603 - a file of ours
            command, env={}, capture_output=True, text=True, check=True, timeout=10
        )
        missing = tried.stdout.split()
    except (OSError, subprocess.SubprocessError):
        missing = ['sandbox']
    return missing if has_dump_flag() else [*missing, 'dumpable']


def protect_process() -> None:
    """Hide the memory of this process from decoders, and log missing protections.

    For processes that serve or run tasks, before they fork others.
    """
    set_not_dumpable()
    if missing := missing_protections():
        log.warning('image decoders run without these protections: %s', ', '.join(missing))


def init_app(app: Flask) -> None:
    """Provide `protect_process` for gunicorn, whose configuration imports no module of ours."""
    app.extensions['protect_process'] = protect_process


def _decode(source: IO[bytes], *arguments: str) -> tuple[int, bytes]:
    """Run the decoder to its end, and return how it ended and what it said."""
    # Isolated, and with no environment: in ours there are secrets.
    command = [sys.executable, '-I', str(DECODER), *arguments]
    try:
        child = Popen(command, stdin=source, stdout=PIPE, stderr=DEVNULL, env={})  # noqa: S603
    except OSError as error:
        raise ImageDecodingFailed(f'the image decoder did not start: {error}') from error
    watch = Timer(DECODER_TIMEOUT_SECONDS, child.kill)
    watch.start()
    try:
        with child:
            found = child.stdout.read(MAX_DECODER_OUTPUT_BYTES) if child.stdout else b''
    finally:
        watch.cancel()
    return child.returncode, found
