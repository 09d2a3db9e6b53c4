"""Decoding of untrusted images, each in a separate process, with a concurrency limit.

Decoders are written in C and parse bytes that a client has uploaded. So each one runs in a process
with limited memory and time, which cannot open files or sockets (`sandbox.py`).
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Timer
from typing import IO

from flask import Flask, current_app

from project.core.app_values import AppValue
from project.core.errors import ServiceUnavailable, UnprocessableContent
from project.core.processes import has_dump_flag, set_not_dumpable
from project.core.semaphore import InterprocessSemaphore

from .kinds import SIGNATURE_BYTES, image_type

DECODER = Path(__file__).with_name('decoder_process.py')
SANDBOX = Path(__file__).with_name('sandbox.py')

# The first limit is for the wait for a slot while a client waits for the response; the second one
# for the run time of a decoder process.
DECODER_SLOT_TIMEOUT_SECONDS, DECODER_TIMEOUT_SECONDS = 2.0, 20.0

# The output is a few hundred KB. Without a limit, a compromised decoder could send endless bytes.
MAX_DECODER_OUTPUT_BYTES = 8 * 1024 * 1024

# Created at import, before the service forks, so that all its processes share the slots.
decoder_slots = InterprocessSemaphore()


log = logging.getLogger(__name__)


class ImageRejected(UnprocessableContent):
    """Base class: the image cannot be used, and a retry would fail, too."""

    field = 'file'


class ImageUnreadable(ImageRejected):
    """The file is not an image, is damaged, or has an unsupported format."""

    reason = 'Must be an image: JPEG, PNG, GIF, WebP or AVIF'


class ImageTooLarge(ImageRejected):
    """The image has too many pixels.

    Even a small file can contain that many pixels (a decompression bomb).
    """

    reason = 'Must be an image of at most 25 megapixels'


class ImageTooCostly(ImageRejected):
    """Decoding used more CPU time than allowed.

    The load of the machine has no effect on CPU time.
    """

    reason = 'Takes too much CPU time to decode'


class ImageDecodingFailed(ServiceUnavailable):
    """The decoder ended without a result: out of memory or time, a crash, or a system fault.

    The image may be valid, so callers may retry a limited number of times.
    """


# Exit codes of the decoder if the image is at fault. A negative code is the number of a signal:
# SIGXCPU means that the limit of CPU time is exceeded.
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
    """Return a scaled-down image as WebP: upright, in sRGB and without metadata.

    Only the first frame of an animation is used. Slow: do not call it inside `atomic`.

    :param source: a file of the operating system; it is read from the first byte. No decoder
        process starts if the file is of none of the kinds in `kinds.py`.
    :param edge: the length of the longer side of the result in pixels; a smaller image is not
        enlarged. With `square`: the side of the square.
    :param square: whether to crop the image to the square in its middle.
    :param timeout: the maximum wait for one of `IMAGES_CONCURRENCY` slots, in seconds.
    :raises ImageRejected: if the image is at fault: ImageUnreadable, ImageTooLarge, ImageTooCostly.
    :raises ImageDecodingFailed: if the decoder failed; a retry may succeed.
    :raises ServiceUnavailable: if no slot becomes free within `timeout` seconds.
    """
    source.seek(0)
    # `source.read` would move the position from which the decoder process reads.
    if image_type(os.pread(source.fileno(), SIGNATURE_BYTES, 0)) is None:
        raise ImageUnreadable
    with decoder_slots.acquire(current_app.config['IMAGES_CONCURRENCY'], timeout=timeout):
        code, found = _decode(source, str(edge), 'square' if square else 'whole')
    if code == 0 and found.startswith(b'RIFF') and found[8:12] == b'WEBP':
        return found
    if code in ERRORS_BY_EXIT_CODE:
        raise ERRORS_BY_EXIT_CODE[code]()
    raise ImageDecodingFailed(f'the image decoder ended with {code}')


@cache
def missing_protections() -> list[str]:
    """Return the names of the protections that this system does not support.

    `no_new_privs`, `landlock`, `seccomp` and `RLIMIT_…` are protections of `sandbox.py`, which this
    function runs in a separate process to test them. `dumpable` is the flag that hides the memory
    of the service.
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
    """Hide the memory of this process from decoder processes, and log missing protections.

    The server and task workers call it before they fork.
    """
    set_not_dumpable()
    if missing := missing_protections():
        log.warning('image decoders run without these protections: %s', ', '.join(missing))


PROTECT_PROCESS: AppValue[Callable[[], None]] = AppValue('protect_process')


def init_app(app: Flask) -> None:
    """Store `protect_process` in the application, where gunicorn's configuration finds it.

    That file must not import modules of the project.
    """
    PROTECT_PROCESS.set(app, protect_process)


def _decode(source: IO[bytes], *arguments: str) -> tuple[int, bytes]:
    """Run the decoder, and return its exit code and its output."""
    # The decoder runs in isolated mode with an empty environment, because the environment of the
    # service contains secrets.
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
