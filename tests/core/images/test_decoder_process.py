"""The functions of the image decoder, called in the process of the test.

`test_sandbox.py` tests the sandbox of the decoder process.
"""

import io

import pytest
from PIL import Image, ImageCms, ImageFile

from project.core.images.decoder_process import FORMATS, TooManyPixels, render

from .sample_images import decoded, encoded, halves, sides

GPS = {1: 'N', 2: (48.0, 51.0, 24.0)}


def exif(orientation=1):
    """Return the metadata that a camera adds to a photo, including the location."""
    known = Image.Exif()
    known[0x0112] = orientation
    known[0x010F] = 'Camera of Ada'
    known.get_ifd(0x8825).update(GPS)
    return known.tobytes()


class TestRender:
    @pytest.mark.parametrize('kind', FORMATS)
    def test_reads_every_supported_format(self, kind):
        made = decoded(render(encoded(halves(), kind), 64, square=True))

        assert (made.format, made.size) == ('WEBP', (64, 64))
        assert sides(made) == ('red', 'blue')

    @pytest.mark.parametrize('kind', ['BMP', 'TIFF', 'PPM', 'JPEG2000', 'ICO', 'PDF', 'TGA', 'PCX'])
    def test_rejects_other_formats(self, kind):
        with pytest.raises(Exception, match='cannot identify'):
            render(encoded(halves(), kind), 64, square=True)

    @pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16'])
    def test_reads_every_pixel_mode(self, mode):
        source = Image.new(mode, (40, 40), 40_000 if mode == 'I;16' else 1)

        assert decoded(render(encoded(source), 16, square=True)).size == (16, 16)

    def test_reads_cmyk(self):
        made = decoded(render(encoded(halves(mode='CMYK'), 'JPEG'), 64, square=True))

        assert sides(made) == ('red', 'blue')

    def test_keeps_the_brightness_of_16_bit_grey(self):
        source = Image.new('I;16', (20, 20), 0x8000)

        made = decoded(render(encoded(source), 16, square=True))

        assert abs(made.convert('L').getpixel((8, 8)) - 0x80) <= 3

    def test_keeps_transparency(self):
        source = Image.new('RGBA', (20, 20), (10, 20, 30, 0))

        made = decoded(render(encoded(source), 16, square=True))

        assert made.mode == 'RGBA'
        assert made.getpixel((8, 8))[3] == 0

    def test_renders_the_first_frame_of_an_animation(self):
        frames = [Image.new('RGB', (20, 20), colour) for colour in ('red', 'blue')]
        source = encoded(frames[0], 'GIF', save_all=True, append_images=frames[1:])

        made = decoded(render(source, 16, square=True))

        assert getattr(made, 'n_frames', 1) == 1
        assert sides(made) == ('red', 'red')

    def test_crops_the_centre_to_a_square(self):
        source = Image.new('RGB', (300, 100), 'blue')
        source.paste((250, 0, 0), (100, 0, 200, 100))

        made = decoded(render(encoded(source), 50, square=True))

        assert made.size == (50, 50)
        assert sides(made) == ('red', 'red')

    def test_scales_the_longer_side_to_the_limit(self):
        assert decoded(render(encoded(halves(400, 200)), 64, square=False)).size == (64, 32)
        assert decoded(render(encoded(halves(200, 400)), 64, square=False)).size == (32, 64)
        assert decoded(render(encoded(halves(1000, 1)), 64, square=False)).size == (64, 1)

    def test_enlarges_images_only_to_a_square(self):
        assert decoded(render(encoded(halves(40, 20)), 64, square=False)).size == (40, 20)
        assert decoded(render(encoded(halves(40, 20)), 64, square=True)).size == (64, 64)

    @pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
    @pytest.mark.parametrize('square', [True, False])
    def test_applies_the_exif_orientation(self, kind, square):
        source = encoded(halves(), kind, exif=exif(orientation=3))

        made = decoded(render(source, 64, square=square))

        assert sides(made) == ('blue', 'red')

    def test_swaps_width_and_height_of_a_rotated_image(self):
        source = encoded(halves(400, 200), 'JPEG', exif=exif(orientation=6))

        assert decoded(render(source, 64, square=False)).size == (32, 64)

    @pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'AVIF'])
    def test_removes_metadata(self, kind):
        """ASVS 14.2.8: the output contains neither location nor camera."""
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
        source = encoded(halves(), kind, exif=exif(), icc_profile=profile)
        assert b'Camera of Ada' in source.getvalue()

        made = render(source, 64, square=True)

        assert b'Camera' not in made
        assert b'EXIF' not in made
        assert b'ICCP' not in made
        assert not dict(decoded(made).getexif())

    def test_converts_colours_to_srgb(self):
        # Return a colour profile in which red and blue are swapped.
        def swapped():
            known = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
            red, blue = known.index(b'rXYZ'), known.index(b'bXYZ')
            known[red : red + 4], known[blue : blue + 4] = b'bXYZ', b'rXYZ'
            return bytes(known)

        source = encoded(halves(), icc_profile=swapped())

        assert sides(decoded(render(source, 64, square=True))) == ('blue', 'red')

    def test_ignores_an_invalid_colour_profile(self):
        source = encoded(halves(), icc_profile=b'nonsense' * 20)

        assert sides(decoded(render(source, 64, square=True))) == ('red', 'blue')

    def test_rejects_too_many_pixels_before_it_decodes_them(self, monkeypatch):
        source = encoded(Image.new('1', (5001, 5000)))
        monkeypatch.setattr('PIL.ImageFile.ImageFile.load', pytest.fail)

        with pytest.raises(TooManyPixels):
            render(source, 64, square=True)

    def test_accepts_the_maximum_number_of_pixels(self):
        assert render(encoded(Image.new('1', (5000, 5000))), 16, square=True)

    @pytest.mark.parametrize('kind', ['WEBP', 'AVIF'])
    def test_rejects_truncated_images_of_which_no_part_can_be_decoded(self, kind):
        with pytest.raises(Exception):  # noqa: B017 - whatever the decoder raises
            render(self._half(kind), 64, square=True)

    @pytest.mark.parametrize('kind', ['GIF', 'JPEG', 'PNG'])
    def test_renders_the_first_part_of_a_truncated_image(self, kind):
        made = decoded(render(self._half(kind), 64, square=True)).convert('L')

        assert made.crop((0, 0, 64, 24)).getextrema() != (0, 0)

    def test_rejects_other_truncated_images_after_that(self):
        render(self._half('PNG'), 64, square=True)

        assert not ImageFile.LOAD_TRUNCATED_IMAGES

    def _half(self, kind):
        noise = Image.effect_noise((200, 200), 90).convert('RGB')
        whole = encoded(noise, kind).getvalue()
        return io.BytesIO(whole[: len(whole) // 2])
