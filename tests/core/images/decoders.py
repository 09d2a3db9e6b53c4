"""Image decoders for tests: one without its own process, and one that runs attack code."""

import io
import warnings
from pathlib import Path
from typing import IO

import pytest

from project.core import images
from project.core.images import DECODER, SANDBOX, decoder_process


def decode_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode images in the process of the test: a decoder process takes 0.08 CPU seconds.

    If a test replaces `images.DECODER`, a process is still started. The tests in
    `tests/core/images` do so, too: they start a process for each image.
    """
    start_process = images._decode

    def decode(source: IO[bytes], edge: str, shape: str) -> tuple[int, bytes]:
        if images.DECODER != DECODER:
            return start_process(source, edge, shape)
        image = io.BytesIO(source.read())
        try:
            with warnings.catch_warnings():
                # The decoder process prints warnings, such as that of damaged metadata.
                warnings.simplefilter('ignore')
                return 0, decoder_process.render(image, int(edge), square=shape == 'square')
        except decoder_process.TooManyPixels:
            return decoder_process.TOO_LARGE, b''
        except Exception:
            return decoder_process.UNREADABLE, b''

    monkeypatch.setattr(images, '_decode', decode)


def disguised(folder: Path, code: str, before: str = '', **changes: str) -> Path:
    """Return the path of a sandboxed decoder that runs `code` instead of decoding an image.

    :param before: code that runs outside of the sandbox.
    :param changes: the constants of the sandbox to replace.
    """
    text = DECODER.read_text()
    rendering = next(
        line for line in text.splitlines() if line.startswith('        found = render')
    )
    text = text.replace(rendering, f"        {code}; found = b''")
    text = text.replace('\nif __name__', f'\n{before}\nif __name__')
    sandbox = SANDBOX.read_text().splitlines()
    for name, value in changes.items():
        (at,) = [n for n, each in enumerate(sandbox) if each.startswith(f'{name} =')]
        sandbox[at] = f'{name} = {value}'
    (folder / 'sandbox.py').write_text('\n'.join(sandbox))
    path = folder / 'decoder_process.py'
    path.write_text(text)
    return path
