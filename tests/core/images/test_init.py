"""Resizing of images in a separate decoder process.

`test_sandbox.py` tests that attack code in this process has no effect.
"""

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
from tests.corpus.images import colours_of, inputs

from ..test_processes import in_child, is_dumpable
from .decoders import disguised
from .sample_images import decoded, encoded, halves, sides


def resized(data, **options):
    """Resize an image whose file position is at its end: `resize_to_webp` must rewind it."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        return resize_to_webp(file, **options)


def chunk(kind, data):
    """Return a chunk, the unit of the PNG format."""
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width, height, rows, bits=8, colour=6):
    """Return a PNG with any header and compressed pixel rows, which may not match."""
    head = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', rows) + chunk(b'IEND', b'')


# The first bytes of an image, for decoders that do not decode it.
IMAGE = b'GIF89a'

# File contents that cannot be decoded as an image.
NOT_IMAGES = {
    'nothing': b'',
    'text': b'hello',
    'a script': b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    'a document': b'%PDF-1.7\n%...',
    'PostScript': b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n',
    'a TIFF': encoded(halves(), 'TIFF').getvalue(),
    'an icon': encoded(halves(), 'ICO').getvalue(),
    'a JPEG 2000': encoded(halves(), 'JPEG2000').getvalue(),
    'no pixels': png(0, 0, b''),
    'rows that are not compressed': png(99, 99, b'\xff' * 99),
}


class TestResizeToWebp:
    @pytest.mark.parametrize('kind', FORMATS)
    def test_returns_a_small_webp_for_every_format(self, kind):
        made = decoded(resized(encoded(halves(), kind).getvalue(), edge=64, square=True))

        assert (made.format, made.size, sides(made)) == ('WEBP', (64, 64), ('red', 'blue'))

    @pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGBA', 'I;16'])
    def test_opens_no_file_for_any_pixel_mode(self, mode):
        """The sandbox forbids opening files, so all decoders must be loaded before it starts."""
        source = Image.new(mode, (40, 40), 40_000 if mode == 'I;16' else 1)

        assert decoded(resized(encoded(source).getvalue(), edge=16)).size == (16, 16)

    @pytest.mark.parametrize('name', NOT_IMAGES)
    def test_rejects_other_files(self, name):
        with pytest.raises(ImageUnreadable):
            resized(NOT_IMAGES[name], edge=64)

    def test_rejects_a_decompression_bomb_by_its_header(self):
        """A file of 516 KB can need 709 MB of memory (such as in CVE-2023-44271)."""
        with pytest.raises(ImageTooLarge):
            resized(png(13_300, 13_300, zlib.compress(bytes(1000))), edge=64)
        with pytest.raises(ImageTooLarge):
            resized(png(2**31 - 1, 2**31 - 1, b''), edge=64)

    @pytest.mark.parametrize('greedy', [
        'bytearray(700 * 1024**2)', "raise OSError('out of memory error when reading image file')",
    ])  # fmt: skip
    def test_raises_decoding_failed_when_memory_runs_out(self, monkeypatch, tmp_path, greedy):
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, greedy))

        with pytest.raises(ImageDecodingFailed, match='ended with 5'):
            resized(IMAGE, edge=64)

    @pytest.mark.slow('the limit of CPU time is in whole seconds')
    def test_rejects_images_that_exceed_the_cpu_time_limit(self, monkeypatch, tmp_path):
        endless = 'while True: pass'
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, endless, MAX_CPU_SECONDS='1'))

        with pytest.raises(ImageTooCostly):
            resized(IMAGE, edge=64)

    def test_kills_a_hanging_decoder_and_raises_decoding_failed(self, monkeypatch, tmp_path):
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, 'import time; time.sleep(99)'))
        monkeypatch.setattr(images, 'DECODER_TIMEOUT_SECONDS', 0.5)

        with pytest.raises(ImageDecodingFailed, match='ended with -9'):
            resized(IMAGE, edge=64)

    def test_raises_decoding_failed_if_the_decoder_crashes(self, monkeypatch, tmp_path):
        crash = 'sandbox = __import__("ctypes").string_at(0)'
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, crash))

        with pytest.raises(ImageDecodingFailed, match='ended with -11'):
            resized(IMAGE, edge=64)

    def test_raises_decoding_failed_if_the_decoder_does_not_start(self, monkeypatch, tmp_path):
        monkeypatch.setattr(sys, 'executable', str(tmp_path / 'python'))

        with pytest.raises(ImageDecodingFailed, match='did not start'):
            resized(encoded(halves()).getvalue(), edge=64)

    def test_limits_the_output_of_the_decoder(self, monkeypatch, tmp_path):
        flood = "[sys.stdout.buffer.write(b'RIFFxxxxWEBP' * 9999) for _ in iter(int, 1)]"
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, flood))

        # The decoder may report the closed pipe as an unreadable image.
        with pytest.raises((ImageUnreadable, ImageDecodingFailed)):
            resized(IMAGE, edge=64)

    def test_hides_the_environment_from_the_decoder(self, monkeypatch, tmp_path):
        monkeypatch.setenv('SECRET_KEY', 'hush')
        print_environment = (
            "import os; sys.stdout.buffer.write(b'RIFFxxxxWEBP' + repr(dict(os.environ)).encode())"
        )
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, print_environment))

        assert b'hush' not in resized(IMAGE, edge=64)

    def test_raises_decoding_failed_for_output_that_is_not_webp(self, monkeypatch, tmp_path):
        print_script = "sys.stdout.buffer.write(b'<script>')"
        monkeypatch.setattr(images, 'DECODER', disguised(tmp_path, print_script))

        with pytest.raises(ImageDecodingFailed, match='ended with 0'):
            resized(IMAGE, edge=64)

    def test_raises_decoding_failed_if_the_decoder_is_broken(self, monkeypatch, tmp_path):
        broken = tmp_path / 'decoder_process.py'
        broken.write_text('import no_such_module')
        monkeypatch.setattr(images, 'DECODER', broken)

        with pytest.raises(ImageDecodingFailed, match='ended with 1'):
            resized(IMAGE, edge=64)

    def test_raises_service_unavailable_if_no_slot_becomes_free(self):
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
                resized(encoded(halves()).getvalue(), edge=64, timeout=0.05)
        finally:
            over.set()
            thread.join()


@pytest.mark.servers
class TestImagesOfTheCorpus:
    """`tests/servers/test_unprivileged.py` runs this test as the user of the container image."""

    def test_have_the_colours_of_the_table_in_the_sandbox(self):
        different = []
        for name, found in inputs().items():
            try:
                colours = colours_of(decoded(resized(found.content, edge=120)))
            except ImageUnreadable:
                colours = None
            if colours != (found.colours and found.colours[:2]):
                different.append((name, colours))

        assert different == []


@pytest.fixture
def fresh_protections():
    """Clear the cached list of missing sandbox protections, before and after the test."""
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
    def test_returns_the_protections_that_the_sandbox_did_not_find(
        self, monkeypatch, tmp_path, sandbox, missing
    ):
        (tmp_path / 'sandbox.py').write_text(sandbox)
        monkeypatch.setattr(images, 'SANDBOX', tmp_path / 'sandbox.py')

        assert images.missing_protections() == missing

    def test_contains_dumpable_without_the_dump_flag(self, monkeypatch):
        missing = images.missing_protections()
        images.missing_protections.cache_clear()
        monkeypatch.setattr(ctypes, 'CDLL', lambda _name: object())

        assert images.missing_protections() == [*missing, 'dumpable']


@pytest.mark.usefixtures('fresh_protections')
class TestProtectProcess:
    def test_hides_memory_and_logs_missing_protections(self, monkeypatch, tmp_path, caplog):
        (tmp_path / 'sandbox.py').write_text("print('landlock\\nseccomp')")
        monkeypatch.setattr(images, 'SANDBOX', tmp_path / 'sandbox.py')

        def check():
            images.protect_process()
            assert not is_dumpable()
            assert [record.getMessage() for record in caplog.records] == [
                'image decoders run without these protections: landlock, seccomp'
            ]

        assert in_child(check) == 0


def test_the_decoder_imports_no_module_of_the_service():
    loaded = 'import sys, runpy; sys.argv = ["x", "1", "square"]\n'
    loaded += f'try: runpy.run_path({str(DECODER)!r}, run_name="seen")\nfinally: '
    loaded += 'print(sorted(name for name in sys.modules if name.partition(".")[0] in ('
    loaded += '"project", "config", "flask", "sqlalchemy")))'

    found = subprocess.run(
        [sys.executable, '-I', '-c', loaded], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == '[]'
