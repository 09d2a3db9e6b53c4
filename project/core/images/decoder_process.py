"""Decode an untrusted image in a process of its own.

Command: `python -I decoder_process.py EDGE SHAPE < image`.

Nothing here knows the service, which runs this file by its path and hands over no secret, no
connection and no environment. Before the first byte is read, `sandbox.py` limits its resources and
its system calls. WebP on stdout, or an exit code that says why not.
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

# Which kinds are read; all their plugins are loaded by now, for later nothing can be.
FORMATS = ('AVIF', 'GIF', 'JPEG', 'PNG', 'WEBP')
PLUGINS = (
    AvifImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin,
    WebPImagePlugin,
)  # fmt: skip

MAX_PIXELS = 25_000_000
Image.MAX_IMAGE_PIXELS = None  # Theirs is seven times as much, and a mere warning.
AVIF_THREADS = 2

# Exit codes. Others, as NO_VERDICT, say nothing about the image.
UNREADABLE, TOO_LARGE, NO_VERDICT = 3, 4, 5


class TooManyPixels(Exception):
    """More than may be decoded."""


def render(source: BinaryIO, edge: int, *, square: bool) -> bytes:
    """Return an image as WebP without metadata: upright, its colours as sRGB, the first of many.

    :param edge: in pixels; of the square that is cut out of its middle, or of the longer side, if
        that is not shorter already.

    Refuses with TooManyPixels before it decodes; what is no image raises whatever decoders raise.
    """
    with Image.open(source, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise TooManyPixels
        # Of a JPEG it decodes no more than this needs.
        image.draft(None, (2 * edge, 2 * edge))
        small = _cut(_plain(image), edge) if square else _fit(_plain(image), edge)
        small.info = image.info
        upright = _with_usual_colours(ImageOps.exif_transpose(small), image)
    # Whatever is known about it, place and camera first of all, ends here (ASVS 14.2.8).
    upright.info = {}
    target = io.BytesIO()
    upright.save(target, 'WEBP', quality=82)
    return target.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    """Return it with eight bits of red, green and blue, and of alpha if it has any."""
    if image.mode in ('RGB', 'RGBA'):
        return image
    if image.mode.startswith(('I', 'F')):
        # Sixteen bits of grey.
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
    """Return it in sRGB: its profile, which says what its colours mean, is not handed on."""
    profile = source.info.get('icc_profile')
    if not profile or source.mode not in ('RGB', 'RGBA'):
        return image
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        usual = ImageCms.createProfile('sRGB')
        return ImageCms.profileToProfile(image, theirs, usual) or image
    except (ImageCms.PyCMSError, OSError):
        # A profile that nobody understands says nothing.
        return image


def warm_up() -> list[bytes]:
    """Load whatever the decoders load with their first image, for later nothing can be.

    :returns: an image of each kind that this process can decode.
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
    """Give up what a decoder does not need, or would need only if its input has taken it over."""
    # By path: `-I` leaves the folder of this file out of the module path.
    sandbox = runpy.run_path(str(Path(__file__).with_name('sandbox.py')))
    missing = sandbox['restrict']()
    # Not the number of cores, which is the default: each thread needs address space.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1 if 'seccomp' in missing else AVIF_THREADS


def verdict(error: Exception, known_images: list[bytes]) -> int:
    """Return the exit code for whatever a decoder has raised.

    The image is the cause, except for want of memory, which some libraries report as any other
    error ("out of memory error when reading image file"), or if a known image fails as well: then
    it is the system, which may have no thread to spare.
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
    """Read stdin, write stdout."""
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
