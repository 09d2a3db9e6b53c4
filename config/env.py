"""Parsers of environment variables. The variable `<NAME>_FILE` may name a file with the value."""

import os
import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError, ValidationError

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / 'var'

HOST_NAME_PATTERN = re.compile(r'[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*\.?')


class UnreadableVariable(Exception):
    """The file of an environment variable cannot be read."""


def text(name: str, default: str = '') -> str:
    """Return the value of a variable, or the content of the file that `<NAME>_FILE` names.

    The content is UTF-8. Trailing newlines are removed; other whitespace is part of the value.

    :raises UnreadableVariable: with one line, if the file cannot be read.
    """
    if path := os.environ.get(f'{name}_FILE'):
        try:
            return Path(path).read_text(encoding='utf-8').rstrip('\n')
        except OSError as error:
            raise UnreadableVariable(f'{name}_FILE cannot be read: {error.strerror}') from None
        except ValueError:  # Not UTF-8, or an invalid path.
            raise UnreadableVariable(f'{name}_FILE cannot be read: it is not UTF-8') from None
    return os.environ.get(name) or default


class _FileEnv(Env):
    """Typed variables whose values may be in files.

    The class `FileAwareEnv` of environs strips whitespace, which may be part of a secret.
    """

    def _get_value(self, env_key: str, default: Any) -> Any:
        return text(env_key) or default


_env = _FileEnv()


def parse(reader: str, name: str, **options: Any) -> Any:
    """Return the parsed value of a variable, from the environment or from its file.

    The file of `SECRET_KEY`, for example, is named by `SECRET_KEY_FILE`.

    :param reader: the name of a parser of environs or of this module: `str`, `words`, …
    :raises UnreadableVariable: if the file cannot be read; its message is one line.
    :raises ValueError: if the parser does not accept the text.
    """
    try:
        return getattr(_env, reader)(name, **options)
    except EnvValidationError as error:
        raise ValueError(*error.args) from None


@_env.parser_for('whole_number')
def parse_whole_number(word: str) -> int:
    """Return a whole number, written in decimal digits.

    `int` alone would also accept signs and `1_000`.

    :raises ValidationError: if the word is not a whole number.
    """
    if not (word.isascii() and word.isdigit()):
        raise ValidationError('Not a whole number.')
    try:
        return int(word)
    except ValueError:  # Python reads numbers of at most 4,300 digits.
        raise ValidationError('Too large.') from None


@_env.parser_for('size')
def parse_size(word: str) -> int:
    """Return the number of bytes of a size such as `5GB`, `512KiB` or `1000`.

    :raises ValidationError: if the word is not a size.
    """
    number = word.upper().removesuffix('B')
    base, number = (1024, number.removesuffix('I')) if number.endswith('I') else (1000, number)
    power = 'KMGT'.find(number[-1:]) + 1 if number[-1:] else 0
    count: int = parse_whole_number(number[:-1] if power else number)
    return count * int(base**power)


@_env.parser_for('boolean')
def _parse_boolean(word: str) -> bool:
    words = {'1': True, 'true': True, 'yes': True, 'on': True}
    words |= {'0': False, 'false': False, 'no': False, 'off': False}
    if word.lower() not in words:
        raise ValidationError('Not a boolean.')
    return words[word.lower()]


@_env.parser_for('duration')
def _parse_duration(word: str, *, unit: str) -> timedelta:
    try:
        return timedelta(**{unit: parse_whole_number(word)})
    except OverflowError:
        raise ValidationError('Too long.') from None


@_env.parser_for('words')
def _parse_words(text: str) -> list[str]:
    return text.split()


@_env.parser_for('word')
def _parse_word(word: str, *, upper: bool) -> str:
    return word.upper() if upper else word


@_env.parser_for('host')
def _parse_host(host: str) -> str:
    """Return a host name or IP address as needed in `host:port`: an IPv6 address gets brackets."""
    try:
        address = ip_address(host.removeprefix('[').removesuffix(']'))
    except ValueError:
        if not HOST_NAME_PATTERN.fullmatch(host):
            raise ValidationError('Not a host.') from None
        return host
    return f'[{address}]' if address.version == 6 else str(address)


@_env.parser_for('address')
def _parse_address(text: str) -> str:
    host, _, port = text.rpartition(':')
    if not 0 < parse_whole_number(port) < 65536:
        raise ValidationError('Not a port.')
    return f'{_parse_host(host)}:{port}'


@_env.parser_for('database_url')
def parse_database_url(url: str) -> str:
    """Return the URL of a database in the form that SQLAlchemy expects.

    `postgres://`, which hosting services still provide, becomes `postgresql://`. A relative path of
    an SQLite file is relative to the repository, not to the working directory.
    """
    if url.startswith('postgres://'):
        return url.replace('postgres://', 'postgresql://', 1)
    prefix = 'sqlite:///'
    path = url.removeprefix(prefix)
    if url.startswith(prefix) and path and path != ':memory:' and not path.startswith('/'):
        return f'{prefix}{ROOT / path}'
    return url
