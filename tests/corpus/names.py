"""File names, as programs on all systems send them, and the name under which the file is stored."""

from typing import NamedTuple

# The results of names that are rejected: the status of the response.
NOT_TEXT, TOO_LONG = 400, 422


class Name(NamedTuple):
    """A file name.

    :param sent: the name; bytes if it is not UTF-8.
    :param stored: the name in all responses, or the status of the response that rejects it.
    :param ascii: the name for clients that know only ASCII (`filename=` in Content-Disposition); by
        default the stored name.
    """

    sent: str | bytes
    stored: str | int
    ascii: str | None = None


NAMES = (
    # Ordinary names.
    Name('report.txt', 'report.txt'),
    Name('My report (final).docx', 'My report (final).docx'),
    Name('.htaccess', '.htaccess'),
    Name('archive.tar.gz', 'archive.tar.gz'),
    Name('no suffix', 'no suffix'),
    Name('100%.txt', '100%.txt', '100_.txt'),
    Name('a+b&c=d.txt', 'a+b&c=d.txt', 'a_b_c_d.txt'),
    Name('semi;colon.txt', 'semi;colon.txt', 'semi_colon.txt'),
    Name('quo"te.txt', 'quo"te.txt', 'quo_te.txt'),
    Name("it's.txt", "it's.txt", 'it_s.txt'),
    # Paths: only the last part is the name.
    Name('C:\\Users\\me\\a.txt', 'a.txt'),
    Name('\\\\server\\share\\a.txt', 'a.txt'),
    Name('/home/me/a.txt', 'a.txt'),
    Name('../../etc/passwd', 'passwd'),
    Name('folder/', 'unnamed'),
    Name('..\\../mixed.txt', 'mixed.txt'),
    Name(f'{"folder/" * 50}deep.txt', 'deep.txt'),
    # All languages, composed (NFC) and decomposed (NFD, macOS).
    Name('Café.txt', 'Café.txt', 'Cafe.txt'),
    Name('Cafe\u0301.txt', 'Café.txt', 'Cafe.txt'),
    Name('Größe.txt', 'Größe.txt', 'Gro_e.txt'),
    Name('日本語.pdf', '日本語.pdf', 'file.pdf'),
    Name('한글.txt', '한글.txt', 'file.txt'),
    Name('\u1112\u1161\u11ab.txt', '한.txt', 'file.txt'),
    Name('Отчёт 2026.txt', 'Отчёт 2026.txt', '_____ 2026.txt'),
    Name('שלום.txt', 'שלום.txt', 'file.txt'),
    Name('日本語', '日本語', 'file'),
    Name('🦄.png', '🦄.png', 'file.png'),
    Name('ﬁle.txt', 'ﬁle.txt', 'file.txt'),
    # Latin-1 and Windows-1252.
    Name(b'na\xefve.txt', 'naïve.txt', 'naive.txt'),
    Name(b'\x80 5.txt', '€ 5.txt', '_ 5.txt'),
    # Joiners that belong to words and emoji, and hidden ones.
    Name('می\u200cخواهم.txt', 'می\u200cخواهم.txt', 'file.txt'),
    Name('क्\u200dष.txt', 'क्\u200dष.txt', 'file.txt'),
    Name('👩\u200d💻.png', '👩\u200d💻.png', 'file.png'),
    Name('🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f.png',
         '🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f.png', 'file.png'),
    Name('zero\u200cwidth\u200d.txt', 'zerowidth.txt'),
    Name('a\U000e0062.txt', 'a.txt'),
    Name('zero\u200bspace\ufeff.txt', 'zerospace.txt'),
    # Characters that deceive users or change headers.
    Name('gpj.\u202eexe', 'gpj.exe'),
    Name('a\u2066b\u2069.txt', 'ab.txt'),
    Name('line\r\nSet-Cookie: a=1', 'lineSet-Cookie: a=1', 'lineSet-Cookie_ a_1'),
    Name('tab\tand\x7fdelete', 'tabanddelete'),
    Name('\x1b[31mred', '[31mred', '_31mred'),
    Name('line\u2028end', 'line\u2028end', 'line_end'),
    # Reserved names: Windows programs rename such files themselves.
    Name('CON', 'CON'),
    Name('aux.txt', 'aux.txt'),
    Name('a:b.txt', 'a:b.txt', 'a_b.txt'),
    Name('trailing dot.', 'trailing dot.'),
    Name('  blanks.txt  ', 'blanks.txt'),
    # Names without a visible character.
    Name('.', 'unnamed'),
    Name('..', 'unnamed'),
    Name('...', '...'),
    Name('   ', 'unnamed'),
    Name('\u202e', 'unnamed'),
    Name('\u00a0', 'unnamed'),
    # Rejected names.
    Name('a\0b.txt', NOT_TEXT),
    Name('x' * 255, 'x' * 255),
    Name('x' * 256, TOO_LONG),
    Name('é' * 256, TOO_LONG),
)  # fmt: skip
