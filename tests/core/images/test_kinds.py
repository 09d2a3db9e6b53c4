"""The table of kinds of images, with the images of the corpus."""

from project.core.images.decoder_process import FORMATS
from project.core.images.kinds import IMAGE_TYPES, KINDS, SIGNATURE_BYTES, image_type
from tests.corpus.images import inputs


class TestKinds:
    def test_have_a_decoder_each(self):
        assert {kind.decoder for kind in KINDS} == set(FORMATS)


class TestImageType:
    def test_returns_the_type_of_each_image_of_the_corpus(self):
        for name, found in inputs().items():
            expected = found.media_type if found.media_type in IMAGE_TYPES else None

            assert image_type(found.content[:SIGNATURE_BYTES]) == expected, name

    def test_returns_none_for_every_other_beginning(self):
        assert image_type(b'') is None
        assert image_type(b'RIFF\0\0\0\0WAVE') is None
        assert image_type(b'\0\0\0\x18ftypmp42\0\0\0\0mp42isom') is None

    def test_ends_for_a_png_with_a_chunk_of_any_length(self):
        for length in (b'\xff\xff\xff\xff', bytes(4)):
            assert image_type(b'\x89PNG\r\n\x1a\n' + length + b'IHDR' + bytes(64)) == 'image/png'
