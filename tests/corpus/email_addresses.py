"""Email addresses, as users and other programs write them, and their canonical forms."""

from typing import NamedTuple


class Address(NamedTuple):
    """An email address.

    :param sent: the text that a client sends.
    :param stored: the canonical form; None if the address is rejected.
    :param on_the_wire: the address for mail servers; by default the canonical form.
    """

    sent: str
    stored: str | None
    on_the_wire: str | None = None


ADDRESSES = (
    Address('plain@example.test', 'plain@example.test'),
    Address('Ada.Lovelace@Example.TEST', 'Ada.Lovelace@example.test'),
    Address(' blanks@example.test\t', 'blanks@example.test'),
    Address('plus+tag@example.test', 'plus+tag@example.test'),
    Address("o'brien@example.test", "o'brien@example.test"),
    Address('=1+1@example.test', '=1+1@example.test'),
    Address('-dash@example.test', '-dash@example.test'),
    Address('percent%40x@example.test', 'percent%40x@example.test'),
    Address('!#$%&*/=?^_`{|}~-@example.test', '!#$%&*/=?^_`{|}~-@example.test'),
    Address('x' * 64 + '@example.test', 'x' * 64 + '@example.test'),
    # Internationalized domains and local parts.
    Address('idn@bücher.test', 'idn@bücher.test', 'idn@xn--bcher-kva.test'),
    Address('ascii@xn--bcher-kva.test', 'ascii@bücher.test', 'ascii@xn--bcher-kva.test'),
    Address('nfd@cafe\u0301.test', 'nfd@café.test', 'nfd@xn--caf-dma.test'),
    Address('sharp@faß.test', 'sharp@faß.test', 'sharp@xn--fa-hia.test'),
    Address('ada@日本語.jp', 'ada@日本語.jp', 'ada@xn--wgv71a119e.jp'),
    Address('ada@пример.рф', 'ada@пример.рф', 'ada@xn--e1afmkfd.xn--p1ai'),
    Address('用户@例子.测试', '用户@例子.测试', '用户@xn--fsqu00a.xn--0zwm56d'),
    Address('ju\u0308rgen@example.test', 'jürgen@example.test'),
    Address('wide@ｅxample.test', 'wide@example.test'),
    Address('stop@example。test', 'stop@example.test'),
    Address('é' * 32 + '@example.test', 'é' * 32 + '@example.test'),
    # Quoted local parts, comments, names and other forms of mail headers.
    Address('"quoted"@example.test', None),
    Address('"a b"@example.test', None),
    Address('ada(comment)@example.test', None),
    Address('Ada <ada@example.test>', None),
    Address('<ada@example.test>', None),
    Address('mailto:ada@example.test', None),
    Address('ada@[127.0.0.1]', None),
    Address('ada@[IPv6:::1]', None),
    # Header injection, several addresses and hidden characters.
    Address('ada@example.test\r\nBcc: eve@example.test', None),
    Address('ada\n@example.test', None),
    Address('ada@example.test,eve@example.test', None),
    Address('ada@example.test;eve@example.test', None),
    Address('ada@eve@example.test', None),
    Address('ada\0@example.test', None),
    Address('ada\u202e@example.test', None),
    Address('ada@exam\u200dple.test', None),
    Address('\ufeffada@example.test', None),
    Address('ada@example.test\u00a0', None),
    # Wrong syntax, and more octets than mail servers accept.
    Address('ada', None),
    Address('ada@localhost', None),
    Address('.ada@example.test', None),
    Address('ada.@example.test', None),
    Address('a..da@example.test', None),
    Address('ada@example.test.', None),
    Address('ada@-example.test', None),
    Address('ada@exam_ple.test', None),
    Address('ada@☃.test', None),
    Address('ada@xn--zzzzzz.test', None),
    Address('x' * 65 + '@example.test', None),
    Address('é' * 33 + '@example.test', None),
    Address(f'ada@{"ä" * 50}.{"ö" * 50}.{"ü" * 50}.{"é" * 50}.test', None),
)
