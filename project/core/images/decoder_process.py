"""The decoder of untrusted images, which runs as a separate process.

Command: `python -I decoder_process.py EDGE SHAPE < image`. SHAPE is the form of the result: square
or not. It writes WebP to stdout, or exits with a code that states the reason of the failure.

The service runs this file by its path, without secrets, connections or environment variables. This
file imports no module of the service. `sandbox.py` limits the resources and system calls of the
process before the first byte of the image is read.
"""

import io
import runpy
import sys
from pathlib import Path
from typing import BinaryIO

from PIL import (
    AvifImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageCms,
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

# Exit codes. UNREADABLE and TOO_LARGE mean that the image cannot be used. NO_VERDICT and all other
# codes mean that the decoder failed, and do not concern the image.
UNREADABLE, TOO_LARGE, NO_VERDICT = 3, 4, 5


class TooManyPixels(Exception):
    """The image has more than `MAX_PIXELS` pixels."""


def render(source: BinaryIO, edge: int, *, square: bool) -> bytes:
    """Return the first frame of an image as upright sRGB WebP without metadata.

    :param edge: the length of the longer side of the result in pixels; a smaller image is not
        enlarged. With `square`: the side of the square that is cropped from the middle.
    :raises TooManyPixels: if the image is too large. It is then not decoded.
    :raises Exception: any exception of a decoder, if the file is not a valid image.
    """
    with Image.open(source, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise TooManyPixels
        # Effective for JPEG only: decode at a reduced resolution that is sufficient for the result.
        image.draft(None, (2 * edge, 2 * edge))
        small = _cut(_plain(image), edge) if square else _fit(_plain(image), edge)
        small.info = image.info
        upright = _with_usual_colours(ImageOps.exif_transpose(small), image)
    # Remove all metadata, such as location and camera (ASVS 14.2.8).
    upright.info = {}
    target = io.BytesIO()
    upright.save(target, 'WEBP', quality=82)
    return target.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    """Return an image in 8-bit RGB, or in RGBA if it has transparency."""
    if image.mode in ('RGB', 'RGBA'):
        return image
    if image.mode.startswith(('I', 'F')):
        # A 16-bit greyscale image.
        return image.convert('I').point(lambda value: value * (1 / 256)).convert('L').convert('RGB')
    return image.convert('RGBA' if image.has_transparency_data else 'RGB')


def _cut(image: Image.Image, edge: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((edge, edge), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _fit(image: Image.Image, edge: int) -> Image.Image:
    scale = min(1.0, edge / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _with_usual_colours(image: Image.Image, source: Image.Image) -> Image.Image:
    """Return an image converted to sRGB, because the result contains no colour profile."""
    profile = source.info.get('icc_profile')
    if not profile or source.mode not in ('RGB', 'RGBA'):
        return image
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        usual = ImageCms.createProfile('sRGB')
        return ImageCms.profileToProfile(image, theirs, usual) or image
    except (ImageCms.PyCMSError, OSError):
        # The colour profile is damaged or unsupported: ignore it.
        return image


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
