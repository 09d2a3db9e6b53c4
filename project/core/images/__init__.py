"""Images that strangers sent: decoded where it can do no harm, at most so many at once.

Decoders are the largest target an upload can aim at. So each image has a process to itself, with
little memory, little time, and nothing that it could read, open or reach (`decoder_process.py`).
"""

import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Timer
from typing import IO

from flask import current_app

from project.core.errors import UnprocessableContent
from project.core.semaphore import InterprocessSemaphore

DECODER = Path(__file__).with_name('decoder_process.py')

# Seconds: for a turn, where a client waits for it; and for a decoder, beside those of the core.
DECODER_SLOT_TIMEOUT_SECONDS, DECODER_TIMEOUT_SECONDS = 2.0, 20.0

# Bytes. What it makes is a few hundred KB; whoever has taken it over could send without end.
MAX_DECODER_OUTPUT_BYTES = 8 * 1024 * 1024

# At import, before the service forks: all its processes share them.
decoder_slots = InterprocessSemaphore()


class ImageRejected(UnprocessableContent):
    """Nothing can be made of this image."""

    field = 'file'


class ImageUnreadable(ImageRejected):
    """No image, a damaged one, or of a kind that is not read."""

    reason = 'Must be an image: JPEG, PNG, GIF, WebP or AVIF'


class ImageTooLarge(ImageRejected):
    """It could be small as a file, and still be a bomb."""

    reason = 'More than 25 megapixels'


class ImageTooCostly(ImageRejected):
    """Its decoder was ended: too much memory, too much time, or a crash."""

    reason = 'Takes too much to decode'


# How the decoder ends where it refuses.
ERRORS_BY_EXIT_CODE = {3: ImageUnreadable, 4: ImageTooLarge, 5: ImageTooCostly}


def resize_to_webp(
    source: IO[bytes],
    *,
    edge: int,
    square: bool = False,
    timeout: float = DECODER_SLOT_TIMEOUT_SECONDS,
) -> bytes:
    """Return an image as a small WebP: upright, sRGB, without metadata, the first of an animation.

    :param source: a file of the system's; read from its first byte on.
    :param edge: in pixels: of the longer side, which is never made longer, or of the square that is
        cut out of the middle.
    :param patience: seconds to wait for one of `IMAGES_CONCURRENCY` turns.

    Refuses with ImageUnreadable, ImageTooLarge and ImageTooCostly, all of which are ImageRejected;
    with ServiceUnavailable when no turn was free. Slow: never inside `atomic`.
    """
    source.seek(0)
    with decoder_slots.acquire(current_app.config['IMAGES_CONCURRENCY'], timeout=timeout):
        code, found = _decode(source, str(edge), 'square' if square else 'whole')
    if code == 0 and found.startswith(b'RIFF') and found[8:12] == b'WEBP':
        return found
    raise _error_for_exit_code(code)


def _decode(source: IO[bytes], *arguments: str) -> tuple[int, bytes]:
    """Run the decoder to its end, and return how it ended and what it said."""
    # Isolated, and with no environment: in ours there are secrets.
    command = [sys.executable, '-I', str(DECODER), *arguments]
    child = Popen(command, stdin=source, stdout=PIPE, stderr=DEVNULL, env={})  # noqa: S603
    watch = Timer(DECODER_TIMEOUT_SECONDS, child.kill)
    watch.start()
    try:
        with child:
            found = child.stdout.read(MAX_DECODER_OUTPUT_BYTES) if child.stdout else b''
    finally:
        watch.cancel()
    return child.returncode, found


def _error_for_exit_code(code: int) -> Exception:
    if code in ERRORS_BY_EXIT_CODE:
        return ERRORS_BY_EXIT_CODE[code]()
    if code < 0:
        # A signal: out of time, or a decoder that crashed.
        return ImageTooCostly()
    return RuntimeError(f'the decoder itself does not work: it ended with {code}')
