"""Images are decoded in a process of their own; `test_sandbox.py` attacks from inside of it."""

import ctypes
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

import pytest
from PIL import Image

from project.core import images
from project.core.errors import ServiceUnavailable
from project.core.images import (
    DECODER,
    ImageDecodingFailed,
    ImageTooCostly,
    ImageTooLarge,
    ImageUnreadable,
    resize_to_webp,
)
from project.core.images.decoder_process import FORMATS

from ..test_processes import in_child, is_dumpable
from .decoders import disguised
from .sample_images import decoded, encoded, halves, sides


def shrunk(data, **options):
    """Shrink what is in these bytes, from a file that has been read to its end."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        return resize_to_webp(file, **options)


def chunk(kind, data):
    """Return a chunk of a PNG."""
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width, height, rows, bits=8, colour=6):
    """Return a PNG with that head and these compressed rows, true or not."""
    head = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', rows) + chunk(b'IEND', b'')


# Each the beginning of something else, or of nothing.
NO_IMAGES = {
    'nothing': b'',
    'text': b'hello',
    'a script': b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    'a document': b'%PDF-1.7\n%...',
    'PostScript': b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n',
    'a TIFF': encoded(halves(), 'TIFF').getvalue(),
    'an icon': encoded(halves(), 'ICO').getvalue(),
    'a JPEG 2000': encoded(halves(), 'JPEG2000').getvalue(),
    'half a PNG': encoded(Image.effect_noise((99, 99), 99)).getvalue()[:5000],
    'no pixels': png(0, 0, b''),
    'rows that are no stream': png(99, 99, b'\xff' * 99),
}


class TestShrink:
    @pytest.mark.parametrize('kind', FORMATS)
    def test_returns_a_small_webp_of_every_kind(self, kind):
        made = decoded(shrunk(encoded(halves(), kind).getvalue(), edge=64, square=True))

        assert (made.format, made.size, sides(made)) == ('WEBP', (64, 64), ('red', 'blue'))

    @pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGBA', 'I;16'])
    def test_needs_nothing_more_for_any_kind_of_pixel(self, mode):
        """Once it has given up opening files, there is nothing left to load."""
        source = Image.new(mode, (40, 40), 40_000 if mode == 'I;16' else 1)

        assert decoded(shrunk(encoded(source).getvalue(), edge=16)).size == (16, 16)

    @pytest.mark.parametrize('name', NO_IMAGES)
    def test_rejects_what_is_no_image(self, name):
        with pytest.raises(ImageUnreadable):
            shrunk(NO_IMAGES[name], edge=64)

    def test_rejects_a_bomb_by_its_head(self):
        """516 KB that would be 709 MB (CVE-2023-44271 and its kind)."""
        with pytest.raises(ImageTooLarge):
            shrunk(png(13_300, 13_300, zlib.compress(bytes(1000))), edge=64)
        with pytest.raises(ImageTooLarge):
            shrunk(png(2**31 - 1, 2**31 - 1, b''), edge=64)

    @pytest.mark.parametrize('greedy', [
        'bytearray(700 * 1024**2)', "raise OSError('out of memory error when reading image file')",
    ])  # fmt: skip
    def test_fails_for_now_for_want_of_memory(self, monkeypatch, tmp_path, greedy):
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, greedy))

        with pytest.raises(ImageDecodingFailed, match='ended with 5'):
            shrunk(b'', edge=64)

    @pytest.mark.slow('the limit of CPU time is in whole seconds')
    def test_rejects_what_takes_too_much_time(self, monkeypatch, tmp_path):
        endless = 'while True: pass'
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, endless, MAX_CPU_SECONDS='1'))

        with pytest.raises(ImageTooCostly):
            shrunk(b'', edge=64)

    def test_ends_what_only_waits_and_fails_for_now(self, monkeypatch, tmp_path):
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, 'import time; time.sleep(99)'))
        monkeypatch.setattr(images, 'DECODER_TIMEOUT_SECONDS', 0.5)

        with pytest.raises(ImageDecodingFailed, match='ended with -9'):
            shrunk(b'', edge=64)

    def test_fails_for_now_if_the_decoder_crashes(self, monkeypatch, tmp_path):
        crash = 'sandbox = __import__("ctypes").string_at(0)'
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, crash))

        with pytest.raises(ImageDecodingFailed, match='ended with -11'):
            shrunk(b'', edge=64)

    def test_fails_for_now_if_the_decoder_cannot_be_started(self, monkeypatch, tmp_path):
        monkeypatch.setattr(sys, 'executable', str(tmp_path / 'python'))

        with pytest.raises(ImageDecodingFailed, match='did not start'):
            shrunk(encoded(halves()).getvalue(), edge=64)

    def test_hears_no_more_than_an_image_can_be(self, monkeypatch, tmp_path):
        flood = "[sys.stdout.buffer.write(b'RIFFxxxxWEBP' * 9999) for _ in iter(int, 1)]"
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, flood))

        # To the decoder the closed pipe is an error like any other.
        with pytest.raises((ImageUnreadable, ImageDecodingFailed)):
            shrunk(b'', edge=64)

    def test_tells_its_decoder_no_secret(self, monkeypatch, tmp_path):
        monkeypatch.setenv('SECRET_KEY', 'hush')
        say = (
            "import os; sys.stdout.buffer.write(b'RIFFxxxxWEBP' + repr(dict(os.environ)).encode())"
        )
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, say))

        assert b'hush' not in shrunk(b'', edge=64)

    def test_believes_no_decoder_that_says_something_else(self, monkeypatch, tmp_path):
        lie = "sys.stdout.buffer.write(b'<script>')"
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, lie))

        with pytest.raises(ImageDecodingFailed, match='ended with 0'):
            shrunk(b'', edge=64)

    def test_blames_no_image_for_a_decoder_that_does_not_work(self, monkeypatch, tmp_path):
        broken = tmp_path / 'decoder_process.py'
        broken.write_text('import no_such_module')
        monkeypatch.setattr(images, 'DECODER', broken)

        with pytest.raises(ImageDecodingFailed, match='ended with 1'):
            shrunk(b'', edge=64)

    def test_makes_who_comes_too_late_wait_and_come_again(self):
        taken, over = threading.Event(), threading.Event()

        def hold():
            with images.decoder_slots.acquire(1, timeout=1):
                taken.set()
                over.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        taken.wait(30)
        try:
            with pytest.raises(ServiceUnavailable):
                shrunk(encoded(halves()).getvalue(), edge=64, timeout=0.05)
        finally:
            over.set()
            thread.join()


@pytest.fixture
def fresh_protections():
    """Let the protections be looked for again, before the test and after it."""
    images.missing_protections.cache_clear()
    yield
    images.missing_protections.cache_clear()


@pytest.mark.usefixtures('fresh_protections')
class TestMissingProtections:
    @pytest.mark.parametrize(('sandbox', 'missing'), [
        ("print('landlock\\nseccomp')", ['landlock', 'seccomp']),
        ('print()', []),
        ('raise SystemExit(1)', ['sandbox']),
    ])  # fmt: skip
    def test_returns_what_the_sandbox_did_not_find(self, monkeypatch, tmp_path, sandbox, missing):
        (tmp_path / 'sandbox.py').write_text(sandbox)
        monkeypatch.setattr(images, 'SANDBOX', tmp_path / 'sandbox.py')

        assert images.missing_protections() == missing

    def test_names_the_flag_that_hides_the_memory_of_the_service(self, monkeypatch):
        missing = images.missing_protections()
        images.missing_protections.cache_clear()
        monkeypatch.setattr(ctypes, 'CDLL', lambda _name: object())

        assert images.missing_protections() == [*missing, 'dumpable']


@pytest.mark.usefixtures('fresh_protections')
class TestProtectProcess:
    def test_hides_memory_and_logs_what_is_missing(self, monkeypatch, tmp_path, caplog):
        (tmp_path / 'sandbox.py').write_text("print('landlock\\nseccomp')")
        monkeypatch.setattr(images, 'SANDBOX', tmp_path / 'sandbox.py')

        def check():
            images.protect_process()
            assert not is_dumpable()
            assert [record.getMessage() for record in caplog.records] == [
                'image decoders run without these protections: landlock, seccomp'
            ]

        assert in_child(check) == 0


def test_the_decoder_knows_nothing_of_the_service():
    loaded = 'import sys, runpy; sys.argv = ["x", "1", "square"]\n'
    loaded += f'try: runpy.run_path({str(DECODER)!r}, run_name="seen")\nfinally: '
    loaded += 'print(sorted(name for name in sys.modules if name.partition(".")[0] in ('
    loaded += '"project", "config", "flask", "sqlalchemy")))'

    found = subprocess.run(
        [sys.executable, '-I', '-c', loaded], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == '[]'
