"""Images, as cameras, editors and browsers write them, and files that only look like images.

All pictures show red on the left and blue on the right, so a wrong colour, a wrong orientation and
a wrong frame are visible in the result. `python -m tests.corpus.images FOLDER` writes all of them
and their thumbnails to a folder.
"""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, PngImagePlugin

from tests.core.images.sample_images import encoded, halves
from tests.corpus.colour_profiles import ink_profile, swapped_grey_profile, swapped_profile

SHOWN = ('red', 'blue')
# The same picture, but its lower half is missing, so the result is compared in its upper half.
UPPER_HALF = ('red', 'blue', 'upper half')
GREY = ('dark', 'light')
REJECTED = None


class Input(NamedTuple):
    """A file, the media type that the service must detect, and the expected thumbnail.

    The thumbnail and the avatar have the same colours, or both are rejected. A browser may display
    a file inline if and only if it has a thumbnail or is no image.
    """

    content: bytes
    media_type: str
    colours: tuple[str, ...] | None


@cache
def inputs() -> dict[str, Input]:
    """Return all inputs by their names."""
    return {**_jpegs(), **_pngs(), **_others(), **_not_decodable()}


def _jpegs() -> dict[str, Input]:
    plain = _made('JPEG')
    orientation, damaged = Image.Exif(), b'Exif\0\0' + b'II*\0\xff\xff\xff\xff damaged'
    orientation[0x0112] = 3
    turned = halves().rotate(180)
    found = {
        'baseline': plain,
        'progressive': _made('JPEG', progressive=True),
        'not subsampled': _made('JPEG', subsampling=0),
        'grey': _made('JPEG', _grey()),
        'CMYK': _made('JPEG', halves(mode='CMYK')),
        # Adobe's editors write such files. Without the profile, the colours are cyan and magenta.
        'CMYK with a profile': _made('JPEG', _inks(), icc_profile=ink_profile()),
        'RGB with a profile': _made('JPEG', _swapped(), icc_profile=swapped_profile()),
        'grey with a profile': _made('JPEG', _grey(-1), icc_profile=swapped_grey_profile()),
        'grey with a profile for RGB': _made('JPEG', _grey(), icc_profile=swapped_profile()),
        'with a damaged profile': _made('JPEG', icc_profile=b'nonsense' * 20),
        'upside down by EXIF': _made('JPEG', turned, exif=orientation.tobytes()),
        'with damaged EXIF': _made('JPEG', exif=damaged),
        'without an end marker': plain.removesuffix(b'\xff\xd9'),
        'with bytes after its end': plain + b'MotionPhoto_Data' + bytes(5000),
        'without JFIF': plain[:2] + plain[2 + 2 + int.from_bytes(plain[4:6]) :],
        'multi-picture': _made('MPO', save_all=True, append_images=[halves().rotate(180)]),
        'half': _noisy('JPEG'),
    }  # fmt: skip
    colours: dict[str, tuple[str, ...]] = {name: GREY for name in found if name.startswith('grey')}
    colours['half'] = UPPER_HALF
    return {
        f'JPEG {name}': Input(content, 'image/jpeg', colours.get(name, SHOWN))
        for name, content in found.items()
    }


def _pngs() -> dict[str, Input]:
    plain = _made('PNG')
    text = PngImagePlugin.PngInfo()
    text.add_itxt('XML:com.adobe.xmp', '<x:xmpmeta/>' + ' ' * 2_000_000, zip=True)
    transparent = halves(mode='RGBA')
    transparent.putalpha(200)
    frames = {'save_all': True, 'append_images': [halves().rotate(180)], 'duration': 100}
    big = swapped_profile() + bytes(3_000_000)
    found = {
        'RGB': plain,
        'RGBA': _made('PNG', transparent),
        'with a palette': _made('PNG', halves().quantize(2)),
        'with a transparent palette': _made('PNG', halves().quantize(3), transparency=2),
        'interlaced': _interlaced(),
        'grey': _made('PNG', _grey()),
        'grey with transparency': _made('PNG', _grey().convert('LA')),
        'grey of 16 bits': _made('PNG', _deep_grey()),
        'with a profile': _made('PNG', _swapped(), icc_profile=swapped_profile()),
        'with a large profile': _made('PNG', _swapped(), icc_profile=big),
        'RGBA with a profile': _made('PNG', _swapped('RGBA'), icc_profile=swapped_profile()),
        'with a palette and a profile':
            _made('PNG', _swapped().quantize(2), icc_profile=swapped_profile()),
        'grey with a profile': _made('PNG', _grey(-1), icc_profile=swapped_grey_profile()),
        'grey with transparency and a profile':
            _made('PNG', _grey(-1).convert('LA'), icc_profile=swapped_grey_profile()),
        'grey of 16 bits with a profile for RGB':
            _made('PNG', _deep_grey(), icc_profile=swapped_profile()),
        'with a transparent colour': _made('PNG', transparency=(1, 2, 3)),
        'with compressed XMP': _made('PNG', pnginfo=text),
        'with a wrong checksum of its text': _with_chunk(plain, b'tEXt', b'Author\0Ada', crc=1),
        'with an unknown chunk': _with_chunk(plain, b'prVt', bytes(100)),
        'without its end': plain[:-12],
        'animated': _made('PNG', **frames),
        'half': _noisy('PNG'),
    }  # fmt: skip
    colours: dict[str, tuple[str, ...]] = {name: GREY for name in found if name.startswith('grey')}
    colours['half'] = UPPER_HALF
    types = {'animated': 'image/apng'}
    return {
        f'PNG {name}': Input(content, types.get(name, 'image/png'), colours.get(name, SHOWN))
        for name, content in found.items()
    }


def _others() -> dict[str, Input]:
    frames = {'save_all': True, 'append_images': [halves().rotate(180)], 'duration': 100}
    avif = _made('AVIF')
    gif, webp = 'image/gif', 'image/webp'
    size = int.from_bytes(avif[:4])
    # Many encoders name `mif1` as the major brand, and AVIF only as a compatible one.
    generic = avif[:8] + b'mif1' + avif[12:16] + b'avifmif1miaf' + avif[28:size] + avif[size:]
    return {
        'GIF': Input(_made('GIF'), gif, SHOWN),
        'GIF animated': Input(_made('GIF', **frames), gif, SHOWN),
        'GIF transparent': Input(_made('GIF', halves().quantize(3), transparency=2), gif, SHOWN),
        'GIF half': Input(_noisy('GIF'), gif, UPPER_HALF),
        'WebP': Input(_made('WEBP'), webp, SHOWN),
        'WebP lossless': Input(_made('WEBP', lossless=True), webp, SHOWN),
        'WebP RGBA': Input(_made('WEBP', halves(mode='RGBA')), webp, SHOWN),
        'WebP animated': Input(_made('WEBP', **frames), webp, SHOWN),
        'WebP with a profile': Input(
            _made('WEBP', _swapped(), icc_profile=swapped_profile()), webp, SHOWN
        ),
        'AVIF': Input(avif, 'image/avif', SHOWN),
        'AVIF with a generic brand': Input(generic, 'image/avif', SHOWN),
        'AVIF animated': Input(_made('AVIF', **frames), 'image/avif', SHOWN),
        'AVIF with a profile': Input(
            _made('AVIF', _swapped(), icc_profile=swapped_profile()), 'image/avif', SHOWN
        ),
    }


def _not_decodable() -> dict[str, Input]:
    """Return images of other kinds, damaged images, and other files."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    heic = struct.pack('>I', 24) + b'ftypheic\0\0\0\0mif1heic' + bytes(64)
    found = {
        'BMP': (_made('BMP'), 'image/bmp'),
        'TIFF': (_made('TIFF'), 'image/tiff'),
        'icon': (_made('ICO', halves(32, 32)), 'image/x-icon'),
        'JPEG 2000': (_made('JPEG2000'), 'image/jpx'),
        'HEIC': (heic, 'image/heic'),
        'SVG': (svg, 'text/plain'),
        'text': (b'GIF is a format.', 'text/plain'),
        'nothing': (b'', 'application/octet-stream'),
        'signature of a PNG': (b'\x89PNG\r\n\x1a\n', 'image/png'),
        'damaged signature of a PNG': (b'\x89PNG\n\x1a\n' + bytes(40), 'application/octet-stream'),
        'first bytes of a JPEG': (_made('JPEG')[:20], 'image/jpeg'),
        'WebP half': (_noisy('WEBP'), 'image/webp'),
        'AVIF half': (_noisy('AVIF'), 'image/avif'),
    }
    return {name: Input(*pair, REJECTED) for name, pair in found.items()}


def _made(kind: str, picture: Image.Image | None = None, **options: Any) -> bytes:
    return encoded(picture or halves(), kind, **options).getvalue()


def _grey(direction: int = 1) -> Image.Image:
    """Return a picture whose left half is dark; with the direction -1, its right half is dark."""
    picture = Image.new('L', (400, 200), 30)
    picture.paste(220, (200, 0, 400, 200))
    return picture if direction == 1 else picture.point(lambda value: 250 - value)


def _deep_grey() -> Image.Image:
    row = struct.pack('<H', 30 * 256) * 200 + struct.pack('<H', 220 * 256) * 200
    return Image.frombytes('I;16', (400, 200), row * 200)


def _inks() -> Image.Image:
    """Return a picture of which `ink_profile` defines the colours: cyan ink is red there."""
    picture = Image.new('CMYK', (400, 200), (255, 0, 0, 0))
    picture.paste((0, 255, 0, 0), (200, 0, 400, 200))
    return picture


def _swapped(mode: str = 'RGB') -> Image.Image:
    """Return a picture that is blue and red, and red and blue with `swapped_profile`."""
    return halves().rotate(180).convert(mode)


def _noisy(kind: str) -> bytes:
    """Return the first half of a file that compresses badly, so that half of its rows exist."""
    picture = Image.blend(halves(), Image.effect_noise((400, 200), 90).convert('RGB'), 0.2)
    whole = _made(kind, picture)
    return whole[: len(whole) * 6 // 10]


def _interlaced() -> bytes:
    """Return a PNG with one pass of Adam7 (PNG, section 8.2): all its pixels are in the first."""
    red, blue = b'\xfa\x0a\x0a', b'\x0a\x0a\xfa'
    # The image is 16 x 1 pixels. The passes 1, 2, 4 and 6 have 2, 2, 4 and 8 of them.
    rows = b''.join(b'\0' + red * half + blue * half for half in (1, 1, 2, 4))
    head = struct.pack('>IIBBBBB', 16, 1, 8, 2, 0, 0, 1)
    parts = [(b'IHDR', head), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(_chunk(*part) for part in parts)


def _with_chunk(png: bytes, kind: bytes, data: bytes, *, crc: int = 0) -> bytes:
    """Return a PNG with another chunk after its header.

    :param crc: the number that is added to the checksum of the chunk.
    """
    return png[:33] + _chunk(kind, data, crc) + png[33:]


def _chunk(kind: bytes, data: bytes, crc: int = 0) -> bytes:
    checksum = (zlib.crc32(kind + data) + crc) & 0xFFFFFFFF
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', checksum)


def colours_of(picture: Image.Image) -> tuple[str, str]:
    """Return the names of the colours in the left and in the right of the upper half."""
    plain, y = picture.convert('RGB'), picture.height // 5
    at = [plain.getpixel((picture.width * x // 8, y)) for x in (1, 7)]
    left, right = (sum(pixel) for pixel in at)  # type: ignore[misc,arg-type]
    if all(max(pixel) - min(pixel) < 12 for pixel in at):  # type: ignore[type-var,arg-type]
        return ('dark', 'light') if left < right else ('light', 'dark')
    return tuple('red' if pixel[0] > pixel[2] + 60 else 'blue' for pixel in at)  # type: ignore[return-value,index,misc]


def write_all(folder: Path, render: Callable[..., bytes]) -> None:
    """Write all images and thumbnails to a folder, and one picture with all thumbnails."""
    sheet = Image.new('RGB', (1040, 1200), 'white')
    for number, (name, found) in enumerate(inputs().items()):
        (folder / name.replace(' ', '-')).write_bytes(found.content)
        x, y = number % 8 * 130, number // 8 * 100
        ImageDraw.Draw(sheet).text((x, y), name[:21], fill='black')
        if found.colours is not None:
            shown = Image.open(io.BytesIO(render(io.BytesIO(found.content), 120, square=False)))
            sheet.paste(shown.convert('RGB'), (x, y + 14))
    sheet.save(folder / 'thumbnails.png')


if __name__ == '__main__':
    from project.core.images.decoder_process import render

    write_all(Path(sys.argv[1]), render)
