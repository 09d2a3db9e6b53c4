"""Typed environment variables; `<NAME>_FILE` names a file that holds the value."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError, ValidationError, validate

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / 'var'


def text(name: str, default: str = '') -> str:
    """Return a variable, or the content of the file that `<NAME>_FILE` names.

    The content is UTF-8, and the line ends after it are left out; other spaces belong to it.

    :raises SystemExit: in one line, if the file cannot be read.
    """
    if path := os.environ.get(f'{name}_FILE'):
        try:
            return Path(path).read_text(encoding='utf-8').rstrip('\n')
        except OSError as error:
            raise SystemExit(f'{name}_FILE cannot be read: {error.strerror}.') from None
        except UnicodeDecodeError:
            raise SystemExit(f'{name}_FILE cannot be read: it is not UTF-8.') from None
    return os.environ.get(name) or default


class _FileEnv(Env):
    """Typed variables; `FileAwareEnv` of environs would change secrets: it strips all spaces."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        return text(env_key) or default


_env = _FileEnv()


def integer(name: str, default: int, allowed: range | None = None) -> int:
    """Return a variable as a whole number, 0 or more.

    :raises SystemExit: in one line, if the value is not one of the allowed numbers.
    """
    kind = f'a whole number from {allowed[0]} to {allowed[-1]}' if allowed else 'a whole number'
    value: int = _typed(_env.whole_number, name, default, kind, allowed=allowed)
    return value


def days(name: str, default: int) -> timedelta:
    """Return a variable that counts days as a duration."""
    value: timedelta = _typed(
        _env.duration, name, timedelta(days=default), 'days to count', unit='days'
    )
    return value


def minutes(name: str, default: int) -> timedelta:
    """Return a variable that counts minutes as a duration."""
    value: timedelta = _typed(
        _env.duration, name, timedelta(minutes=default), 'minutes', unit='minutes'
    )
    return value


def boolean(name: str, default: bool) -> bool:
    """Return a variable as true or false.

    :raises SystemExit: in one line, if the value is neither.
    """
    value: bool = _typed(_env.boolean, name, default, 'true or false')
    return value


def size(name: str, default: str) -> int:
    """Return a variable such as `5GB` in bytes (K, M, G, T: powers of 1,000; KiB …: of 1,024)."""
    value: int = _typed(_env.size, name, parse_size(default), 'a size such as 500MB')
    return value


def optional_size(name: str, allowed: range) -> int | None:
    """Return a variable such as `5GB` in bytes, or None if it is unset.

    :raises SystemExit: in one line, if the value is not a size, or not an allowed one.
    """
    kind = f'a size such as 500MB, of at most {allowed[-1]} bytes'
    value: int | None = _typed(_env.size, name, None, kind, allowed=allowed)
    return value


def word_list(name: str, default: str = '') -> list[str]:
    """Return a variable of words separated by spaces."""
    return text(name, default).split()


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return a variable that must be one of the allowed words.

    :raises SystemExit: in one line, if the value is another word.
    """
    is_allowed = validate.OneOf(allowed)
    value: str = _typed(_env.str, name, default, ' or '.join(allowed), validate=is_allowed)
    return value


def database_url(default: str = '') -> str:
    """Return `DATABASE_URL` in the form that SQLAlchemy expects.

    `postgres://`, which hosting services still provide, becomes `postgresql://`. A relative SQLite
    path is relative to the repository, whatever the working directory of the command is.
    """
    url = text('DATABASE_URL', default)
    if url.startswith('postgres://'):
        return url.replace('postgres://', 'postgresql://', 1)
    prefix = 'sqlite:///'
    path = url.removeprefix(prefix)
    if url.startswith(prefix) and path and path != ':memory:' and not path.startswith('/'):
        return f'{prefix}{ROOT / path}'
    return url


@_env.parser_for('whole_number')
def parse_whole_number(word: str, *, allowed: range | None = None) -> int:
    """Return a number without a sign; `int` would also accept signs and `1_000`.

    :raises ValidationError: if the word is not one of the allowed numbers.
    """
    if not (word.isascii() and word.isdigit()):
        raise ValidationError('Not a whole number.')
    try:
        number = int(word)
    except ValueError:  # Python reads numbers of at most 4,300 digits.
        raise ValidationError('Too large.') from None
    if allowed and number not in allowed:
        raise ValidationError('Out of range.')
    return number


@_env.parser_for('size')
def parse_size(word: str, *, allowed: range | None = None) -> int:
    """Return the bytes that `5GB`, `512KiB` or `1000` stand for.

    :raises ValidationError: if the word is not a size, or not one of the allowed sizes.
    """
    number = word.upper().removesuffix('B')
    base, number = (1024, number.removesuffix('I')) if number.endswith('I') else (1000, number)
    power = 'KMGT'.find(number[-1:]) + 1 if number[-1:] else 0
    count: int = parse_whole_number(number[:-1] if power else number)
    size = count * int(base**power)
    if allowed and size not in allowed:
        raise ValidationError('Out of range.')
    return size


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


def _typed(read: Callable[..., Any], name: str, default: Any, kind: str, **options: Any) -> Any:
    """Return a variable as `read` of environs understands it; unset or empty means the default."""
    value = text(name)
    if not value:
        return default
    try:
        return read(name, **options)
    except EnvValidationError:
        raise SystemExit(f'{name} is {value!r}; it must be {kind}.') from None
