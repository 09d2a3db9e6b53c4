"""Reading environment variables: typed, and with `<NAME>_FILE` for what should not stand in one."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / 'var'

T = TypeVar('T')


def text(name: str, default: str = '') -> str:
    """Return a variable, or what the file named by `<NAME>_FILE` holds, less the last newline."""
    if path := os.environ.get(f'{name}_FILE'):
        try:
            return Path(path).read_text(encoding='utf-8').rstrip('\n')
        except OSError as error:
            raise SystemExit(f'{name}_FILE cannot be read: {error.strerror}.') from None
        except UnicodeDecodeError:
            raise SystemExit(f'{name}_FILE cannot be read: it is not UTF-8.') from None
    return os.environ.get(name) or default


def integer(name: str, default: int, among: range | None = None) -> int:
    """Return a variable as a whole number, or stop with one line if it is none of these."""
    kind = f'a whole number from {among[0]} to {among[-1]}' if among else 'a whole number'

    def parse(word: str) -> int:
        number = _whole(word)
        return among[among.index(number)] if among else number

    return _parsed(name, str(default), parse, kind)


def days(name: str, default: int) -> timedelta:
    """Return a variable that counts days as a duration."""
    return _parsed(name, str(default), lambda word: timedelta(days=_whole(word)), 'days to count')


def minutes(name: str, default: int) -> timedelta:
    """Return a variable that counts minutes as a duration."""
    return _parsed(name, str(default), lambda word: timedelta(minutes=_whole(word)), 'minutes')


def flag(name: str, default: bool) -> bool:
    """Return a variable as a yes or no, or stop with one line if it is neither."""
    words = {'1': True, 'true': True, 'yes': True, 'on': True}
    words |= {'0': False, 'false': False, 'no': False, 'off': False}
    return _parsed(name, str(default), lambda word: words[word.lower()], 'true or false')


def size(name: str, default: str) -> int:
    """Return a variable such as `5GB` in bytes (K, M, G, T: powers of 1,000; KiB …: of 1,024)."""
    return _parsed(name, default, parse_size, 'a size such as 500MB')


def parse_size(word: str) -> int:
    """Return the bytes that `5GB`, `512KiB` or `1000` stand for; refuses with ValueError."""
    number = word.upper().removesuffix('B')
    base, number = (1024, number.removesuffix('I')) if number.endswith('I') else (1000, number)
    power = 'KMGT'.find(number[-1:]) + 1 if number[-1:] else 0
    return _whole(number[:-1] if power else number) * int(base**power)


def words(name: str, default: str = '') -> list[str]:
    """Return a variable of words separated by spaces."""
    return text(name, default).split()


def choice(name: str, default: str, among: tuple[str, ...]) -> str:
    """Return a variable that must be one of a few words, or stop with one line."""
    return _parsed(name, default, lambda word: among[among.index(word)], ' or '.join(among))


def database_url(default: str = '') -> str:
    """Return `DATABASE_URL` as SQLAlchemy wants it.

    `postgres://`, which hosting services still hand out, becomes `postgresql://`; a relative
    SQLite path is relative to the repository, wherever the command was started.
    """
    url = text('DATABASE_URL', default)
    if url.startswith('postgres://'):
        return url.replace('postgres://', 'postgresql://', 1)
    prefix = 'sqlite:///'
    path = url.removeprefix(prefix)
    if url.startswith(prefix) and path and path != ':memory:' and not path.startswith('/'):
        return f'{prefix}{ROOT / path}'
    return url


def _whole(word: str) -> int:
    """Return a number that is not less than nothing; `int` would also take signs and `1_000`."""
    if not (word.isascii() and word.isdigit()):
        raise ValueError(word)
    return int(word)


def _parsed(name: str, default: str, parse: Callable[[str], T], kind: str) -> T:
    value = text(name, default)
    try:
        return parse(value)
    except (ValueError, KeyError, OverflowError):
        raise SystemExit(f'{name} is {value!r}; it must be {kind}.') from None
