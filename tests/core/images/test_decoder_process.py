"""What the decoder makes of images, in this process; what it is not let do is tested beside it."""

import io

import pytest
from PIL import Image, ImageCms

from project.core.images.decoder_process import FORMATS, TooManyPixels, render

from .sample_images import decoded, encoded, halves, sides

GPS = {1: 'N', 2: (48.0, 51.0, 24.0)}


def exif(orientation=1):
    """Return what a camera writes into a picture, the place included."""
    known = Image.Exif()
    known[0x0112] = orientation
    known[0x010F] = 'Camera of Ada'
    known.get_ifd(0x8825).update(GPS)
    return known.tobytes()


class TestRender:
    @pytest.mark.parametrize('kind', FORMATS)
    def test_reads_every_kind_on_the_list(self, kind):
        made = decoded(render(encoded(halves(), kind), 64, square=True))

        assert (made.format, made.size) == ('WEBP', (64, 64))
        assert sides(made) == ('red', 'blue')

    @pytest.mark.parametrize('kind', ['BMP', 'TIFF', 'PPM', 'JPEG2000', 'ICO', 'PDF', 'TGA', 'PCX'])
    def test_reads_no_other(self, kind):
        with pytest.raises(Exception, match='cannot identify'):
            render(encoded(halves(), kind), 64, square=True)

    @pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16'])
    def test_reads_every_kind_of_pixel(self, mode):
        source = Image.new(mode, (40, 40), 40_000 if mode == 'I;16' else 1)

        assert decoded(render(encoded(source), 16, square=True)).size == (16, 16)

    def test_reads_four_colours_of_print(self):
        made = decoded(render(encoded(halves(mode='CMYK'), 'JPEG'), 64, square=True))

        assert sides(made) == ('red', 'blue')

    def test_keeps_sixteen_bits_of_grey_as_bright_as_they_were(self):
        source = Image.new('I;16', (20, 20), 0x8000)

        made = decoded(render(encoded(source), 16, square=True))

        assert abs(made.convert('L').getpixel((8, 8)) - 0x80) <= 3

    def test_keeps_what_can_be_seen_through(self):
        source = Image.new('RGBA', (20, 20), (10, 20, 30, 0))

        made = decoded(render(encoded(source), 16, square=True))

        assert made.mode == 'RGBA'
        assert made.getpixel((8, 8))[3] == 0

    def test_takes_the_first_of_an_animation(self):
        frames = [Image.new('RGB', (20, 20), colour) for colour in ('red', 'blue')]
        source = encoded(frames[0], 'GIF', save_all=True, append_images=frames[1:])

        made = decoded(render(source, 16, square=True))

        assert getattr(made, 'n_frames', 1) == 1
        assert sides(made) == ('red', 'red')

    def test_cuts_a_square_out_of_the_middle(self):
        source = Image.new('RGB', (300, 100), 'blue')
        source.paste((250, 0, 0), (100, 0, 200, 100))

        made = decoded(render(encoded(source), 50, square=True))

        assert made.size == (50, 50)
        assert sides(made) == ('red', 'red')

    def test_makes_the_longer_side_fit(self):
        assert decoded(render(encoded(halves(400, 200)), 64, square=False)).size == (64, 32)
        assert decoded(render(encoded(halves(200, 400)), 64, square=False)).size == (32, 64)
        assert decoded(render(encoded(halves(1000, 1)), 64, square=False)).size == (64, 1)

    def test_makes_none_larger_but_to_a_square(self):
        assert decoded(render(encoded(halves(40, 20)), 64, square=False)).size == (40, 20)
        assert decoded(render(encoded(halves(40, 20)), 64, square=True)).size == (64, 64)

    @pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
    @pytest.mark.parametrize('square', [True, False])
    def test_rotates_it_as_the_camera_was_held(self, kind, square):
        source = encoded(halves(), kind, exif=exif(orientation=3))

        made = decoded(render(source, 64, square=square))

        assert sides(made) == ('blue', 'red')

    def test_swaps_its_sides_as_well(self):
        source = encoded(halves(400, 200), 'JPEG', exif=exif(orientation=6))

        assert decoded(render(source, 64, square=False)).size == (32, 64)

    @pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'AVIF'])
    def test_hands_no_metadata_on(self, kind):
        """ASVS 14.2.8: neither the place nor the camera leaves."""
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
        source = encoded(halves(), kind, exif=exif(), icc_profile=profile)
        assert b'Camera of Ada' in source.getvalue()

        made = render(source, 64, square=True)

        assert b'Camera' not in made
        assert b'EXIF' not in made
        assert b'ICCP' not in made
        assert not dict(decoded(made).getexif())

    def test_says_its_colours_in_the_usual_way(self):
        # A profile whose red and blue have changed places.
        def swapped():
            known = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
            red, blue = known.index(b'rXYZ'), known.index(b'bXYZ')
            known[red : red + 4], known[blue : blue + 4] = b'bXYZ', b'rXYZ'
            return bytes(known)

        source = encoded(halves(), icc_profile=swapped())

        assert sides(decoded(render(source, 64, square=True))) == ('blue', 'red')

    def test_goes_by_no_profile_that_nobody_understands(self):
        source = encoded(halves(), icc_profile=b'nonsense' * 20)

        assert sides(decoded(render(source, 64, square=True))) == ('red', 'blue')

    def test_rejects_more_pixels_before_it_decodes_them(self, monkeypatch):
        source = encoded(Image.new('1', (5001, 5000)))
        monkeypatch.setattr('PIL.ImageFile.ImageFile.load', pytest.fail)

        with pytest.raises(TooManyPixels):
            render(source, 64, square=True)

    def test_takes_as_many_as_are_allowed(self):
        assert render(encoded(Image.new('1', (5000, 5000))), 16, square=True)

    @pytest.mark.parametrize('kind', FORMATS)
    def test_rejects_what_breaks_off(self, kind):
        noise = Image.effect_noise((200, 200), 90).convert('RGB')
        whole = encoded(noise, kind).getvalue()

        with pytest.raises(Exception):  # noqa: B017 - whatever the decoder raises
            render(io.BytesIO(whole[: len(whole) // 2]), 64, square=True)
