"""The decoder of untrusted images, which runs as a separate process.

Command: `python -I decoder_process.py EDGE SHAPE < image`. SHAPE is the form of the result: square
or not. It writes WebP to stdout, or exits with a code that states the reason of the failure.

The service runs this file by its path, without secrets, connections or environment variables. This
file imports no module of the service. `sandbox.py` limits the resources and system calls of the
process before the first byte of the image is read.
"""

import io
import runpy
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import (
    AvifImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

# The supported formats. All plugins must be imported here: the sandbox prevents later imports.
FORMATS = ('AVIF', 'GIF', 'JPEG', 'PNG', 'WEBP')
PLUGINS = (
    AvifImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin,
    WebPImagePlugin,
)  # fmt: skip

MAX_PIXELS = 25_000_000
Image.MAX_IMAGE_PIXELS = None  # Pillow's limit is seven times as high, and only causes a warning.
AVIF_THREADS = 2

# Decompressed colour profiles and metadata of a PNG. A longer one is ignored. Profiles of printers
# have several MB; the memory of the process is limited to 640 MB.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 1024 * 1024
PngImagePlugin.MAX_TEXT_MEMORY = 64 * 1024 * 1024

# The modes in which images are resized, and the colour spaces of their profiles (ICC.1, table 19).
COLOUR_SPACES = {'RGB': 'RGB ', 'RGBA': 'RGB ', 'CMYK': 'CMYK', 'L': 'GRAY', 'LA': 'GRAY'}

# Exit codes. UNREADABLE and TOO_LARGE mean that the image cannot be used. NO_VERDICT and all other
# codes mean that the decoder failed, and do not concern the image.
UNREADABLE, TOO_LARGE, NO_VERDICT = 3, 4, 5


class TooManyPixels(Exception):
    """The image has more than `MAX_PIXELS` pixels."""


def render(source: BinaryIO, edge: int, *, square: bool) -> bytes:
    """Return the first frame of an image as upright sRGB WebP without metadata.

    Browsers display an image whose end is missing, such as a JPEG without its end marker. So it is
    decoded as far as it reaches, if its decoder supports that (GIF, JPEG and PNG).

    :param edge: the length of the longer side of the result in pixels; a smaller image is not
        enlarged. With `square`: the side of the square that is cropped from the middle.
    :raises TooManyPixels: if the image is too large. It is then not decoded.
    :raises Exception: any exception of a decoder, if the file is not a valid image.
    """
    try:
        return _render(source, edge, square=square, is_whole=True)
    except OSError as error:
        if 'truncated' not in str(error).lower():
            raise
    source.seek(0)
    return _render(source, edge, square=square, is_whole=False)


def _render(source: BinaryIO, edge: int, *, square: bool, is_whole: bool) -> bytes:
    with _opened(source) as image, _truncation_allowed(not is_whole):
        if image.width * image.height > MAX_PIXELS:
            raise TooManyPixels
        # Effective for JPEG only: decode at a reduced resolution that is sufficient for the result.
        image.draft(None, (2 * edge, 2 * edge))
        plain = _plain(image)
        profile = _profile_of(image, COLOUR_SPACES[plain.mode])
        small = _cut(plain, edge) if square else _fit(plain, edge)
        upright = _upright(_with_usual_colours(small, profile), image)
    # Remove all metadata, such as location and camera (ASVS 14.2.8).
    upright.info = {}
    target = io.BytesIO()
    upright.save(target, 'WEBP', quality=82)
    return target.getvalue()


def _opened(source: BinaryIO) -> Image.Image:
    """Return an image whose pixels are not decoded yet.

    Metadata that is too long, or has a wrong checksum, is ignored, as by browsers.
    """
    with _truncation_allowed(True):
        return Image.open(source, formats=FORMATS)


@contextmanager
def _truncation_allowed(is_allowed: bool) -> Iterator[None]:
    """Set whether Pillow ignores missing bytes and damaged metadata."""
    ImageFile.LOAD_TRUNCATED_IMAGES = is_allowed
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _plain(image: Image.Image) -> Image.Image:
    """Return an image with 8 bits per channel, in a mode of `COLOUR_SPACES`."""
    if image.mode.startswith(('I', 'F')):
        # A 16-bit greyscale image.
        return image.convert('I').point(lambda value: value * (1 / 256)).convert('L')
    if image.mode in ('L', 'RGB') and image.has_transparency_data:
        # One colour of the image is transparent.
        return image.convert(f'{image.mode}A')
    if image.mode in COLOUR_SPACES:
        return image
    return image.convert('RGBA' if image.has_transparency_data else 'RGB')


def _upright(image: Image.Image, source: Image.Image) -> Image.Image:
    """Return an image as its metadata orients it; damaged metadata is ignored."""
    image.info = source.info
    try:
        return ImageOps.exif_transpose(image)
    except (ValueError, SyntaxError, struct.error, TypeError):
        return image


def _cut(image: Image.Image, edge: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((edge, edge), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _fit(image: Image.Image, edge: int) -> Image.Image:
    scale = min(1.0, edge / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _profile_of(image: Image.Image, space: str) -> ImageCms.ImageCmsProfile | None:
    """Return the colour profile of an image; None if it has none, or an unusable one.

    :param space: the colour space of the pixels.
    """
    if not (data := image.info.get('icc_profile')):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    except (ImageCms.PyCMSError, OSError):
        return None
    # The types of Pillow name the argument of the constructor instead of the attribute.
    found = profile.profile.xcolor_space  # pyright: ignore[reportAttributeAccessIssue]
    return profile if found == space else None


def _with_usual_colours(
    image: Image.Image, profile: ImageCms.ImageCmsProfile | None
) -> Image.Image:
    """Return an image in sRGB, because the result contains no colour profile."""
    if image.mode == 'LA':
        alpha = image.getchannel('A')
        image = _with_usual_colours(image.getchannel('L'), profile)
        image.putalpha(alpha)
        return image
    mode = 'RGBA' if image.mode == 'RGBA' else 'RGB'
    try:
        if profile is not None:
            usual = ImageCms.createProfile('sRGB')
            return ImageCms.profileToProfile(image, profile, usual, outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError):
        # The colour profile is damaged or unsupported: ignore it.
        pass
    return image.convert(mode)


def warm_up() -> list[bytes]:
    """Decode a sample image of each format, so that the decoders load their libraries now.

    The sandbox prevents loading them later.

    :returns: a sample image of each format that this process can decode.
    """
    known_images = []
    dot = Image.new('P', (2, 2))
    upside_down = Image.Exif()
    upside_down[ExifTags.Base.Orientation] = 3
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    for kind in FORMATS:
        known = io.BytesIO()
        mode = dot if kind == 'GIF' else dot.convert('RGB')
        mode.save(known, kind, exif=upside_down.tobytes(), icc_profile=profile)
        render(known, 1, square=True)
        known_images.append(known.getvalue())
    return known_images


def limit() -> None:
    """Restrict this process to the resources and system calls that a decoder needs."""
    # Run the file by its path: `-I` removes the folder of this file from the module path.
    sandbox = runpy.run_path(str(Path(__file__).with_name('sandbox.py')))
    missing = sandbox['restrict']()
    # Pillow's default is the number of cores, but each thread needs address space.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1 if 'seccomp' in missing else AVIF_THREADS


def verdict(error: Exception, known_images: list[bytes]) -> int:
    """Return the exit code for an exception of a decoder.

    In two cases, the image is not at fault. First, the decoder lacks memory, which some libraries
    report as an ordinary error ("out of memory error when reading image file"). Second, a sample
    image also fails, for example because the system cannot start a thread.

    :param known_images: the sample images of `warm_up`, which decode without an error normally.
    """
    if isinstance(error, MemoryError) or 'out of memory' in str(error).lower():
        return NO_VERDICT
    try:
        for known in known_images:
            render(io.BytesIO(known), 1, square=True)
    except Exception:
        return NO_VERDICT
    return UNREADABLE


def main() -> None:
    """Decode the image on stdin, and write WebP to stdout."""
    known_images = warm_up()
    limit()
    try:
        found = render(sys.stdin.buffer, int(sys.argv[1]), square=sys.argv[2] == 'square')
    except TooManyPixels:
        sys.exit(TOO_LARGE)
    except Exception as error:
        sys.exit(verdict(error, known_images))
    sys.stdout.buffer.write(found)


if __name__ == '__main__':
    main()
