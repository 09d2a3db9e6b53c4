"""Colour profiles (ICC.1) in which colours are exchanged, so that a test sees whether they apply.

Real profiles of printers have hundreds of kilobytes and a licence.
"""

import struct
from itertools import product

from PIL import ImageCms

# Colours in CIE Lab: lightness 0 to 100, a and b -128 to 127.
RED, BLUE, WHITE, BLACK = (54, 81, 70), (32, 79, -108), (100, 0, 0), (0, 0, 0)


def swapped_profile() -> bytes:
    """Return a profile of RGB in which red and blue are exchanged."""
    known = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
    red, blue = known.index(b'rXYZ'), known.index(b'bXYZ')
    known[red : red + 4], known[blue : blue + 4] = b'bXYZ', b'rXYZ'
    return bytes(known)


def swapped_grey_profile() -> bytes:
    """Return a profile of grey in which dark and light are exchanged."""
    falling = struct.pack('>4sII2H', b'curv', 0, 2, 65535, 0)
    return _profile(b'mntr', b'GRAY', b'XYZ ', kTRC=falling)


def ink_profile() -> bytes:
    """Return a profile of CMYK in which cyan ink is red, magenta ink is blue, others are black."""
    colours = {(0, 0, 0, 0): WHITE, (1, 0, 0, 0): RED, (0, 1, 0, 0): BLUE}
    grid = b''.join(
        struct.pack('3B', round(light * 2.55), a + 128, b + 128)
        for inks in product((0, 1), repeat=4)
        for light, a, b in [colours.get(inks, BLACK)]
    )
    # A `lut8Type`: 4 inputs, 3 outputs, 2 points for each ink, the identity matrix and curves.
    identity = struct.pack('>9i', *(65536 if n in (0, 4, 8) else 0 for n in range(9)))
    curve = bytes(range(256))
    table = struct.pack('>4sI4B', b'mft1', 0, 4, 3, 2, 0) + identity + curve * 4 + grid + curve * 3
    return _profile(b'prtr', b'CMYK', b'Lab ', A2B0=table)


def _profile(device: bytes, space: bytes, connection: bytes, **tags: bytes) -> bytes:
    """Return a profile of version 2 with these tags, a name and a white point (D50)."""
    white = struct.pack('>4sI3i', b'XYZ ', 0, 63190, 65536, 54061)
    name = struct.pack('>4sII', b'desc', 0, 5) + b'Test\0' + bytes(78)
    all_tags = {'desc': name, 'cprt': b'text\0\0\0\0None\0', 'wtpt': white, **tags}
    at = 128 + 4 + 12 * len(all_tags)
    index, data = struct.pack('>I', len(all_tags)), b''
    for tag, content in all_tags.items():
        index += struct.pack('>4sII', tag.encode(), at + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(
        '>I4sI4s4s4s12x4s4s4s28x3i48x', at + len(data), b'lcms', 0x02400000, device, space,
        connection, b'acsp', b'APPL', bytes(4), 63190, 65536, 54061,
    )  # fmt: skip
    return head[:128] + index + data
