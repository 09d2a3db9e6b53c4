"""CSV files, as spreadsheet programs write them, and the users that an import creates."""

import codecs
from typing import NamedTuple

ADA = ('ada', 'ada@example.test', 'Ada')
HEADER = 'username,email,name\n'


class CsvFile(NamedTuple):
    """A CSV file.

    :param users: the username, email address and name of each created user.
    :param message: a part of the error message or of the report, if the file or a row is rejected.
    """

    content: bytes
    users: tuple[tuple[str, str, str], ...] = ()
    message: str = ''


def _text(text: str, encoding: str = 'utf-8') -> bytes:
    return text.encode(encoding)


PLAIN = f'{HEADER}ada,ada@example.test,Ada\n'
GERMAN = PLAIN.replace(',', ';')
NOT_NAMED = 'the first line must name the columns username, email'

CSV_FILES = {
    # Separators.
    'commas': CsvFile(_text(PLAIN), (ADA,)),
    'semicolons': CsvFile(_text(GERMAN), (ADA,)),
    'tabs': CsvFile(_text(PLAIN.replace(',', '\t')), (ADA,)),
    'a line with the separator': CsvFile(_text(f'sep=;\n{GERMAN}'), (ADA,)),
    'a line with another separator': CsvFile(_text(f'sep=|\n{PLAIN.replace(",", "|")}'), (ADA,)),
    'commas in cells with semicolons': CsvFile(
        _text(GERMAN.replace('Ada', 'Lovelace, A.')), (('ada', 'ada@example.test', 'Lovelace, A.'),)
    ),
    'another separator': CsvFile(_text(PLAIN.replace(',', '|')), (), f'{NOT_NAMED}'),
    # Encodings.
    'UTF-8 with a mark': CsvFile(codecs.BOM_UTF8 + _text(GERMAN), (ADA,)),
    'UTF-16 with a mark': CsvFile(_text(PLAIN.replace(',', '\t'), 'utf-16'), (ADA,)),
    'UTF-16 of big-endian systems': CsvFile(
        codecs.BOM_UTF16_BE + _text(PLAIN, 'utf-16-be'), (ADA,)
    ),
    'UTF-16 without a mark': CsvFile(
        _text(PLAIN, 'utf-16-le'), (), 'UTF-16 without a byte order mark. Save the file as UTF-8'
    ),
    'UTF-32 with a mark': CsvFile(_text(PLAIN, 'utf-32'), (), 'cannot be read: UTF-32. Save'),
    'UTF-32 of big-endian systems': CsvFile(
        codecs.BOM_UTF32_BE + _text(PLAIN, 'utf-32-be'), (), 'cannot be read: UTF-32. Save'
    ),
    'UTF-32 without a mark': CsvFile(
        _text(PLAIN, 'utf-32-le'), (), 'cannot be read: UTF-32. Save'
    ),
    'half a character of UTF-16': CsvFile(_text(PLAIN, 'utf-16')[:-1], (), 'not UTF-16'),
    'Windows-1252': CsvFile(
        _text(PLAIN.replace('Ada', 'Ädä'), 'cp1252'), (), 'not UTF-8. In Excel, save the file as'
    ),
    # Line breaks.
    'CRLF': CsvFile(_text(PLAIN.replace('\n', '\r\n')), (ADA,)),
    'CR': CsvFile(_text(PLAIN.replace('\n', '\r')), (ADA,)),
    'no line break at the end': CsvFile(_text(PLAIN.rstrip()), (ADA,)),
    'blank lines': CsvFile(_text(f'{PLAIN}\n\nada2,x,\n'), (ADA,), '5,email,'),
    # Headings and cells.
    'a blank before a heading': CsvFile(
        _text('username, email, name\nada, ada@example.test, Ada\n'), (ADA,)
    ),
    'headings in upper case': CsvFile(_text(PLAIN.replace(HEADER, HEADER.upper())), (ADA,)),
    'quoted cells': CsvFile(
        _text('"username","email","name"\n"ada","ada@example.test","Ada"\n'), (ADA,)
    ),
    'quoted cells after blanks': CsvFile(
        _text('"username", "email", "name"\n"ada", "ada@example.test", "Ada"\n'), (ADA,)
    ),
    'columns in another order': CsvFile(_text('email,username\nada@example.test,ada\n'),
                                        (('ada', 'ada@example.test', ''),)),
    'a formula': CsvFile(_text(f"{HEADER}ada,ada@example.test,'=1+1\n"),
                         (('ada', 'ada@example.test', '=1+1'),)),
    'a quote that is not closed': CsvFile(_text(f'{HEADER}"ada,a@x.test,\n'), (), 'cannot be read'),
    'too few cells': CsvFile(_text(f'{HEADER}ada\n'), (), '2,row,Has more or fewer cells'),
    'an unknown heading': CsvFile(_text('username,email,phone\n'), (), "'email', 'phone'"),
    'a heading twice': CsvFile(_text('username,email,email\n'), (), NOT_NAMED),
    'passwords': CsvFile(_text('username;email;password\n'), (), 'passwords are not imported'),
    'no heading': CsvFile(_text('ada,ada@example.test\n'), (), NOT_NAMED),
    'nothing': CsvFile(b'', (), 'it names no column'),
    'a spreadsheet': CsvFile(b'PK\x03\x04\x14\0\x06\0' + bytes(range(256)), (), 'cannot be read'),
}  # fmt: skip
