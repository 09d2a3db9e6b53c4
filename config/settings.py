"""Declarations of settings: source, accepted values and meaning.

A class attribute `FILES_QUOTA = size('50GB', '…')` declares the environment variable `FILES_QUOTA`
and the key `FILES_QUOTA` of `app.config`.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from . import env

# The limit of sizes in bytes. The sum of several such sizes still fits into a BIGINT column (2^63 -
# 1).
MAX_BYTES = 2**60
# The limit of durations, equal to `project.core.clock.MAX_LIFETIME`. A timestamp from a client plus
# this duration does not overflow.
MAX_DURATION = timedelta(days=36_500)

MAX_SHOWN_CHARACTERS = 60
MASK = '***'
# Query parameters of a URL that contain passwords: `?password=…`.
SECRET_PARAMETER_PATTERN = re.compile(
    r'(?<=[?&])([^=&]*(?:password|secret|token)[^=&]*)=[^&]*', re.I
)
CONTROL_CHARACTERS = re.compile('[\x00-\x1f\x7f\x85\u2028\u2029]')


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of value that a setting accepts, such as a size, and the checks of it.

    :param of: the Python type of the value.
    :param reader: the name of the parser in `config.env`.
    :param wanted: a description of the accepted text for messages: `a whole number from 1 to 64`.
    :param accepts: a function that returns whether a value of this type is accepted.
    :param wanted_of_python: a description of the accepted Python values in `APP_CONFIG_FILE`, for
        messages; by default `wanted`.
    :param options: keyword arguments of the parser.
    :param is_optional: whether the value may be None.
    """

    of: type
    reader: str
    wanted: str
    accepts: Callable[[Any], bool] = lambda value: True
    wanted_of_python: str = ''
    options: dict[str, Any] = field(default_factory=dict)
    is_optional: bool = False

    def read(self, variable: str) -> Any:
        """Return the parsed value of an environment variable, which must be set.

        :raises ValueError: if the text or its value is not accepted.
        """
        value = env.parse(self.reader, variable, **self.options)
        if not self.accepts(value):
            raise ValueError
        return value

    def fault_of(self, value: Any) -> str | None:
        """Return None if a Python value is accepted, else the message: "must be a number"."""
        if value is None and self.is_optional:
            return None
        # The exact type, because a boolean is an instance of `int`.
        if type(value) is self.of and self.accepts(value):
            return None
        return f'must be {self.wanted_of_python or self.wanted}'


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a setting and its source.

    If the given value was rejected, `value` is the default, and `fault` is the reason.
    """

    value: Any
    source: str
    fault: str | None = None


@dataclass
class Setting:
    """Declaration of a setting, as a class attribute. Each access reads the environment again.

    :param default_text: the default, as it would be written in an environment variable.
    :param variable: the environment variable; by default the name of the attribute. None: the
        setting has no variable.
    :param is_secret: whether messages and commands must not print the value.
    """

    kind: Kind
    default: Any
    default_text: str
    meaning: str
    variable: str | None = ''
    is_secret: bool = False

    def __set_name__(self, owner: type, name: str) -> None:
        """Store the name of the attribute; it also names the variable, unless one is declared."""
        self.key = name
        self.variable = name if self.variable == '' else self.variable

    def __get__(self, instance: object, owner: type) -> Any:
        """Return the value that the environment has now.

        :raises SystemExit: with one line, if the value in the environment is not accepted.
        """
        reading = self.read()
        if reading.fault:
            raise SystemExit(f'Refusing to start: {reading.fault}. See .env.example.')
        return reading.value

    def read(self) -> Reading:
        """Return the value in the environment, or the default if that is missing or rejected."""
        if self.variable is None:
            return Reading(self.default, 'default')
        try:
            text = env.text(self.variable)
            if not text:
                return Reading(self.default, 'default')
            source = 'file' if os.environ.get(f'{self.variable}_FILE') else 'environment'
            try:
                return Reading(self.kind.read(self.variable), source)
            except ValueError:
                return Reading(self.default, 'default', self._fault(text))
        except env.UnreadableVariable as error:
            return Reading(self.default, 'default', str(error))

    def shown(self, value: Any) -> Any:
        """Return a value as `flask config show` prints it, with masked secrets."""
        if isinstance(value, list):
            return [self.shown(item) for item in value]
        if self.is_secret:
            return MASK if value else ''
        if isinstance(value, timedelta):
            unit = self.kind.options['unit']
            count, rest = divmod(value, timedelta(**{unit: 1}))
            return str(value) if rest else f'{count} {unit}'
        return mask_password(value) if isinstance(value, str) else value

    def quoted(self, value: Any) -> str:
        """Return a rejected value for an error message: on one line, without secrets."""
        if self.is_secret:
            return 'another value'
        if isinstance(value, str | list):
            return shortened(self.shown(value))
        # The text of bytes or an object could contain a password.
        is_harmless = value is None or isinstance(value, int | float | timedelta)
        return shortened(value) if is_harmless else f'a value of type {type(value).__name__}'

    def _fault(self, text: str) -> str:
        return f'{self.variable} must be {self.kind.wanted}, and not {self.quoted(text)}'


def mask_password(text: str) -> str:
    """Return a text in which the passwords of URLs are masked: `scheme://user:***@host`."""
    text = SECRET_PARAMETER_PATTERN.sub(rf'\1={MASK}', text)
    before, at, after = text.rpartition('@')
    # The first `://` ends the scheme; a password may contain another one.
    start = before.find('://') + len('://') if '://' in before else 0
    user = before[start:]
    if not at or ':' not in user:
        return text
    return f'{before[:start]}{user.partition(":")[0]}:{MASK}@{after}'


def shortened(value: Any) -> str:
    """Return the `repr` of a value for a message, at most `MAX_SHOWN_CHARACTERS` long."""
    shown = repr(value)
    if len(shown) <= MAX_SHOWN_CHARACTERS:
        return shown
    return f'{shown[:MAX_SHOWN_CHARACTERS]}…'


def text(default: str, meaning: str, **options: Any) -> Any:
    """Declare a setting whose value is a text on one line."""
    return Setting(
        Kind(str, 'str', 'text on one line', _is_on_one_line), default, default, meaning, **options
    )


def secret(meaning: str) -> Any:
    """Declare a setting whose value is a secret: any text, without a default."""
    return Setting(Kind(str, 'str', 'text'), '', '', meaning, is_secret=True)


def words(default: str, meaning: str, *, is_optional: bool = False, is_secret: bool = False) -> Any:
    """Declare a setting whose value is a list of words, separated by spaces in the environment.

    :param is_optional: whether an empty text means None instead of an empty list.
    """
    kind = Kind(
        list, 'words', 'words separated by spaces', lambda value: set(map(type, value)) <= {str},
        'a list of texts', is_optional=is_optional,
    )  # fmt: skip
    value = default.split() or (None if is_optional else [])
    return Setting(kind, value, default, meaning, is_secret=is_secret)


def number(
    default: int, low: int, high: int, meaning: str, *, shown_default: str = '', **options: Any
) -> Any:
    """Declare a setting whose value is a whole number between two bounds.

    :param shown_default: a description of the default, if it is computed: `one per core`.
    """
    kind = Kind(
        int, 'whole_number', f'a whole number from {low} to {high}', lambda n: low <= n <= high
    )
    return Setting(kind, default, shown_default or str(default), meaning, **options)


def size(default: str, meaning: str, *, low: int = 0, high: int = MAX_BYTES, **options: Any) -> Any:
    """Declare a number of bytes between two bounds. It may be None if `default` is empty."""
    kind = Kind(
        int, 'size', f'a size such as 500MB, from {low} to {high} bytes',
        lambda n: low <= n <= high, f'a number of bytes from {low} to {high}',
        is_optional=not default,
    )  # fmt: skip
    value = env.parse_size(default) if default else None
    return Setting(kind, value, default, meaning, **options)


def duration(unit: str, default: int, meaning: str, *, low: int = 1, **options: Any) -> Any:
    """Declare a setting whose value is a duration between `low` and `MAX_DURATION`.

    :param unit: `days` or `minutes`, the unit of `default`, `low` and the environment variable.
    """
    step = timedelta(**{unit: 1})
    high = MAX_DURATION // step
    bounds = f'from {low} to {high}'
    kind = Kind(
        timedelta, 'duration', f'a whole number of {unit} {bounds}',
        lambda value: low * step <= value <= MAX_DURATION,
        f'a timedelta of {bounds.removeprefix("from ")} {unit}', {'unit': unit},
    )  # fmt: skip
    return Setting(kind, default * step, str(default), meaning, **options)


def switch(default: bool, meaning: str) -> Any:
    """Declare a setting whose value is a boolean."""
    wanted, of_python = 'true or false', 'True or False'
    kind = Kind(bool, 'boolean', wanted, wanted_of_python=of_python)
    return Setting(kind, default, str(default).lower(), meaning)


def choice(
    default: str, allowed: tuple[str, ...], meaning: str, *, upper: bool = False, **options: Any
) -> Any:
    """Declare a setting whose value is one of several words.

    :param upper: whether the allowed words are in upper case; the variable may then have any case.
    """
    wanted = f'{", ".join(allowed[:-1])} or {allowed[-1]}'
    kind = Kind(str, 'word', wanted, allowed.__contains__, options={'upper': upper})
    return Setting(kind, default, default, meaning, **options)


def host(default: str, meaning: str) -> Any:
    """Declare a setting whose value is a host to listen on; an IPv6 address gets brackets."""
    wanted = 'a host name or an IP address, without a port (a Unix socket is not supported)'
    return Setting(Kind(str, 'host', wanted), default, default, meaning)


def address(meaning: str) -> Any:
    """Declare a setting whose value is a host and a port to listen on, or empty."""
    wanted = 'a host and a port, such as 127.0.0.1:9100 or [::1]:9100'
    return Setting(Kind(str, 'address', wanted), '', '', meaning)


def database_url(meaning: str) -> Any:
    """Declare `DATABASE_URL`."""
    kind = Kind(str, 'database_url', 'text on one line', _is_on_one_line)
    return Setting(kind, '', '', meaning, variable='DATABASE_URL')


def with_default(owner: type, key: str, default: str) -> Any:
    """Declare a setting of the class `owner` again for a subclass, with another default.

    The setting must be a text, a word or a database URL.
    """
    declared = declared_settings(owner)[key]
    parse = env.parse_database_url if declared.kind.reader == 'database_url' else str
    return replace(declared, default=parse(default), default_text=default)


def declared_settings(owner: type) -> dict[str, Setting]:
    """Return the settings that a class and its base classes declare, by name."""
    found: dict[str, Setting] = {}
    for parent in reversed(owner.__mro__):
        found |= {key: value for key, value in vars(parent).items() if isinstance(value, Setting)}
    return found


def _is_on_one_line(value: str) -> bool:
    # Control characters may be percent-encoded. For example, `file:///a%00b` is not a valid path.
    return not CONTROL_CHARACTERS.search(unquote(value))
