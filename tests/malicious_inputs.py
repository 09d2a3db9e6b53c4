"""Malicious file names and contents: path traversal, scripts, wrong sizes and image bombs.

Tests create them at run time, so that the repository contains no such files.
"""

import gzip
import io
import struct
import zipfile
import zlib
from base64 import b64encode

from tests.core.images.sample_images import encoded, halves

MARKER = 'hostile-marker'


def names() -> list[str]:
    """Return 55 file names that attack folders, headers or web pages."""
    return [
        # Path traversal and shell commands.
        f'../{MARKER}', f'../../../../../../tmp/{MARKER}', f'/tmp/{MARKER}',
        f'/etc/cron.d/{MARKER}',
        f'..\\..\\{MARKER}', f'C:\\Windows\\{MARKER}', f'\\\\server\\share\\{MARKER}',
        f'....//....//{MARKER}', f'..%2f..%2f{MARKER}', f'%2e%2e%2f{MARKER}',
        f'%252e%252e%252f{MARKER}',
        f'..%c0%af{MARKER}', f'..\u2215{MARKER}', f'\uff0e\uff0e\uff0f{MARKER}', f'./{MARKER}',
        f'{MARKER}/../../{MARKER}', f'file:///tmp/{MARKER}', f'~/{MARKER}', f'$HOME/{MARKER}',
        f'`touch /tmp/{MARKER}`', f'$(touch /tmp/{MARKER})', f';touch /tmp/{MARKER}', f'|{MARKER}',
        '.', '..', '/', '\\', '', ' ', '...', '-rf', '--help',
        # Control characters, reversed and invisible text.
        f'{MARKER}.txt\0.exe', '\0', 'gpj.\u202eexe', 'zero\u200bwidth.txt', '\ufeffbom.txt',
        'e\u0301.txt', 'sur\ud800rogate', '\x1b[31mred', 'tab\tand\x7fdelete', 'line\u2028end',
        # Injection into headers, SQL, pages and templates.
        'a\r\nSet-Cookie: evil=1', 'a\nX-Evil: 1', 'a"; filename="evil.exe',
        "a'; DROP TABLE files;--", '<script>alert(1)</script>.html',
        '"><img src=x onerror=alert(1)>', '{{7*7}}', '${7*7}', '%s%n%x',
        # Reserved names, and a name that is too long.
        'CON', 'aux.txt', '.htaccess', 'x' * 300,
    ]  # fmt: skip


def contents(beacon: str) -> dict[str, bytes]:
    """Return malicious file contents by name.

    Contents with a script request the URL `beacon` with their name if the script runs.
    """
    return {**_active(beacon), **_polyglots(beacon), **_images(), **_archives()}


def bombs() -> dict[str, bytes]:
    """Return image files that are small but have many pixels.

    Those whose name begins with `allowed` are within the limit of pixels.
    """
    plain = halves(5000, 4990)
    return {
        'allowed PNG': encoded(plain).getvalue(),
        'allowed RGBA PNG': encoded(plain.convert('RGBA')).getvalue(),
        'allowed JPEG': encoded(plain, 'JPEG').getvalue(),
        'allowed progressive JPEG': encoded(plain, 'JPEG', progressive=True).getvalue(),
        'allowed GIF': encoded(plain, 'GIF').getvalue(),
        'allowed WebP': encoded(plain, 'WEBP', quality=50, method=0).getvalue(),
        **_images(),
    }


def _script(beacon: str, what: str) -> str:
    return (
        f"new Image().src='{beacon}?what={what}';try{{fetch('{beacon}?what={what}')}}catch(e){{}}"
    )


def _active(beacon: str) -> dict[str, bytes]:
    def tag(what: str) -> str:
        return f'<script>{_script(beacon, what)}</script>'

    made = {
        'html': f'<!doctype html><html><body>{tag("html")}</body></html>',
        'html late': ' ' * 9000 + f'<html>{tag("html-late")}</html>',
        'html fragment': f'<img src=x onerror="{_script(beacon, "fragment")}">',
        'xhtml': '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>'
        f'<script>{_script(beacon, "xhtml").replace("&", "&amp;")}</script></body></html>',
        'svg': '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
        f'<script>{_script(beacon, "svg")}</script></svg>',
        'svg onload': '<svg xmlns="http://www.w3.org/2000/svg" '
        f'onload="{_script(beacon, "svg-onload")}"/>',
        'svg xml': '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        f'<svg xmlns="http://www.w3.org/2000/svg"><text>&e;</text>{tag("svg-xml")}</svg>',
        'xslt': '<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#s"?><a>'
        f'{tag("xslt")}</a>',
        'javascript': _script(beacon, 'javascript'),
        'css': f"body{{background:url('{beacon}?what=css')}}",
        'mhtml': f'MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n{tag("mhtml")}',
        'utf-7': '+ADw-script+AD4-alert(1)+ADw-/script+AD4-',
        'manifest': 'CACHE MANIFEST\n/\n',
        'php': '<?php system("id"); ?>',
        'template': '{{ config }} {% import os %} ${7*7}',
    }
    utf16 = f'<html>{tag("utf-16")}</html>'.encode('utf-16')
    return {**{what: text.encode() for what, text in made.items()}, 'html utf-16': utf16}


def _polyglots(beacon: str) -> dict[str, bytes]:
    html = f'<html><script>{_script(beacon, "polyglot")}</script></html>'.encode()
    script = _script(beacon, 'gif-js').encode()
    picture = encoded(halves(), 'JPEG').getvalue()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w') as archive:
        archive.writestr('index.html', html)
    return {
        'gif that is a script': b'GIF89a=1/*' + bytes(20) + b'*/;' + script,
        'gif that is a page': b'GIF89a' + html,
        'jpeg that is a page': picture[:2] + b'\xff\xfe' + struct.pack('>H', len(html) + 2) + html
        + picture[2:],
        'png that is an archive': encoded(halves()).getvalue() + packed.getvalue(),
        'pdf that is a page': b'%PDF-1.7\n' + html + b'\n%%EOF',
        'pdf that acts': b'%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>',
        'archive that is a page': packed.getvalue() + html,
        'mp4 that is a page': b'\0\0\0\x18ftypmp42' + bytes(16) + html,
        'wav that is a page': b'RIFF\xff\xff\xff\xffWAVEfmt ' + html,
    }  # fmt: skip


def _images() -> dict[str, bytes]:
    whole = encoded(halves()).getvalue()
    webp = bytearray(encoded(halves(), 'WEBP').getvalue())
    webp[26:30] = b'\xff\x3f\xff\x3f'
    avif = encoded(halves(), 'AVIF').getvalue()
    at = avif.index(b'ispe') + 8
    return {
        'png of 50000 x 50000': _png(50_000, 50_000, zlib.compress(bytes(1_000_000), 9)),
        'png of 2 ** 31': _png(2**31 - 1, 2**31 - 1, b''),
        'png that swells': _png(4900, 4900, zlib.compress(bytes(100_000_000), 9)),
        'gif of 65535 x 65535': b'GIF89a\xff\xff\xff\xff\x80\0\0' + bytes(6) + b',\0\0\0\0\xff\xff'
        b'\xff\xff\0\x02\x02D\x01\0;',
        'webp that lies': bytes(webp),
        'avif that lies': avif[:at] + struct.pack('>II', 60_000, 60_000) + avif[at + 8 :],
        'half a png': whole[: len(whole) // 2],
        'png with a long chunk': whole[:8] + b'\xff\xff\xff\xffIHDR',
        'jpeg of nothing': b'\xff\xd8\xff\xe0' + bytes(100),
        'text that swells': _png(
            9, 9, zlib.compress(bytes(300)),
            b'zTXt', b'a\0\0' + zlib.compress(bytes(200_000_000), 9),
        ),
    }  # fmt: skip


def _archives() -> dict[str, bytes]:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('zeros', bytes(50_000_000))
        archive.writestr('../../../../tmp/' + MARKER, b'out')
    return {
        'zip bomb': bomb.getvalue(),
        'gzip bomb': gzip.compress(bytes(50_000_000)),
        'eicar-like base64': b64encode(bytes(1000)),
        'nothing': b'',
        'a zero': b'\0',
    }


def _png(width: int, height: int, rows: bytes, *more: bytes) -> bytes:
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    extra = _chunk(more[0], more[1]) if more else b''
    parts = [_chunk(b'IHDR', head), extra, _chunk(b'IDAT', rows), _chunk(b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
