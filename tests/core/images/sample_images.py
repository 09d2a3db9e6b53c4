"""Functions that create test images, so that the repository needs no image files."""

import io
from typing import Any

from PIL import Image

RED, BLUE = (250, 10, 10), (10, 10, 250)


def halves(width: int = 400, height: int = 200, mode: str = 'RGB') -> Image.Image:
    """Return a picture: its left half is red, its right half is blue."""
    picture = Image.new('RGB', (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture if mode == 'RGB' else picture.convert(mode)


def encoded(picture: Image.Image, kind: str = 'PNG', **options: Any) -> io.BytesIO:
    """Return a picture as a file object in the given format."""
    target = io.BytesIO()
    picture.save(target, kind, **options)
    target.seek(0)
    return target


def decoded(data: bytes) -> Image.Image:
    """Return the picture that a file object contains."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def sides(picture: Image.Image) -> tuple[str, str]:
    """Return the names of the two colours in a picture: of the left and of the right half."""
    plain = picture.convert('RGB')
    at = [plain.getpixel((x, picture.height // 2)) for x in (picture.width // 8, -1)]
    at[1] = plain.getpixel((picture.width - 1 - picture.width // 8, picture.height // 2))
    return tuple('red' if red > blue else 'blue' for red, _, blue in at)  # type: ignore[return-value]
