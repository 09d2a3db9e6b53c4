"""Checks of a complete configuration: combinations of values, and the rules of production."""

import errno
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SAWarning

from .hosts import normal_host
from .settings import shortened

PLACEHOLDERS = ('change', 'secret', 'example', 'development', 'password', 'testing')
# The names of headers in use; RFC 9110, section 5.6.2, allows more characters. `*` allows all.
HEADER_NAME_PATTERN = re.compile(r'\*|[A-Za-z0-9_.-]+')
LOCAL_HOSTS = ('localhost', '127.0.0.1', '::1')


def find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each fault because of which the service must not start.

    Staging and production (`STRICT`) have more checks. Call this after `APP_CONFIG_FILE` was read,
    because the file may set a missing value.
    """
    yield from _database_faults(config['SQLALCHEMY_DATABASE_URI'], strict=config['STRICT'])
    if not config['SECRET_KEY']:
        yield 'SECRET_KEY is not set'
    # Browsers send origins in lower case, and domains as A-labels.
    if any(
        _is_invalid_origin(o) or not o.isascii() or o != o.lower() for o in config['CORS_ORIGINS']
    ):
        yield 'CORS_ORIGINS must be exact origins such as https://app.example.com'
    names = config['CORS_ALLOW_HEADERS']
    if wrong := [name for name in names if not HEADER_NAME_PATTERN.fullmatch(name)]:
        yield (
            'CORS_ALLOW_HEADERS must be names of headers, separated by spaces, '
            f'and not {shortened(wrong[0])}'
        )
    yield from _public_url_faults(config['PUBLIC_URL'], strict=config['STRICT'])
    if wrong := [host for host in config['TRUSTED_HOSTS'] or () if not _is_host(host)]:
        yield (
            'TRUSTED_HOSTS must be host names or IP addresses, separated by spaces, without '
            'commas, schemes, ports and `*` (.example.com means all below it), '
            f'and not {shortened(wrong[0])}'
        )
    for name in ('MAINTENANCE_FILE', 'STORAGE_SPOOL'):
        if not Path(config[name]).is_absolute() or _is_too_long(Path(config[name])):
            yield f'{name} must be an absolute path'
    if os.path.isdir(config['MAINTENANCE_FILE']):  # noqa: PTH112 - False for any text
        yield 'MAINTENANCE_FILE is a folder: while it exists, all routes would return 503'
    if config['STRICT']:
        yield from _strict_faults(config)


def find_warnings(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield warnings about valid settings that are probably mistakes."""
    own = urlsplit(config['PUBLIC_URL']).hostname or ''
    hosts = [normal_host(host) for host in config['TRUSTED_HOSTS'] or ()]
    # `.example.com` means that name and all below it.
    if hosts and not any(f'.{own}'.endswith(f'.{host.removeprefix(".")}') for host in hosts):
        yield f'TRUSTED_HOSTS lacks {own}, the host of PUBLIC_URL'


def trusted_hosts(config: Mapping[str, Any]) -> list[str] | None:
    """Return the hosts that the service accepts, in normal form; None if it accepts any host.

    With `STRICT`, the default is the host of `PUBLIC_URL`, and the names of this machine, for
    health checks.
    """
    hosts: list[str] | None = config['TRUSTED_HOSTS']
    if not hosts and config['STRICT']:
        hosts = [urlsplit(config['PUBLIC_URL']).hostname or 'localhost', *LOCAL_HOSTS]
    return hosts and [normal_host(host) for host in hosts]


def _public_url_faults(url: str, *, strict: bool) -> Iterator[str]:
    parts = urlsplit(url) if not _is_invalid_origin(url.rstrip('/')) else None
    if not url:
        yield 'PUBLIC_URL is not set'
    elif parts is None:
        yield 'PUBLIC_URL must be a URL such as https://api.example.com, without a path'
    elif strict and parts.scheme == 'http' and parts.hostname not in LOCAL_HOSTS:
        yield 'PUBLIC_URL must begin with https://, because tokens are in the links of mails'


def _database_faults(address: str, *, strict: bool) -> Iterator[str]:
    if not address:
        yield 'DATABASE_URL is not set'
    elif not address.startswith(('sqlite:', 'postgresql')):
        yield 'DATABASE_URL must begin with sqlite:// or postgresql://'
    else:
        # These messages do not repeat the URL, which may contain a password.
        try:
            url = make_url(address)
            url.get_dialect().import_dbapi()
            is_port = url.port is None or 0 < url.port < 65536
            option = _unknown_option(url)
        except (ArgumentError, ValueError):
            yield 'DATABASE_URL is not a URL that can be read'
        except ImportError:
            yield 'DATABASE_URL needs a driver that is not installed'
        else:
            if not is_port:
                yield 'DATABASE_URL must have a port from 1 to 65535'
            if option:
                yield f'DATABASE_URL has an option that the driver does not know: {option}'
            if url.get_backend_name() == 'sqlite':
                yield from _sqlite_faults(url.database or ':memory:', strict=strict)


def _sqlite_faults(path: str, *, strict: bool) -> Iterator[str]:
    if path != ':memory:' and _is_unwritable(Path(path).parent):
        yield 'DATABASE_URL is in a folder that cannot be written'
    elif path != ':memory:' and (_is_too_long(Path(path)) or Path(path).is_dir()):
        yield 'DATABASE_URL is a path that no file can have'
    if path == ':memory:' and strict:
        yield 'DATABASE_URL must name a file: an in-memory database exists once per process'


def _unknown_option(url: URL) -> str | None:
    """Return the name of the first query parameter of a URL that the driver rejects or ignores."""
    for name in url.query:
        if url.get_backend_name() == 'sqlite' and not _is_sqlite_option(url, name):
            return name
        if url.get_backend_name() == 'postgresql' and not _is_postgresql_option(name):
            return name
    return None


def _is_sqlite_option(url: URL, name: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        try:
            url.get_dialect()().create_connect_args(url.set(query={name: '1'}))
        except (SAWarning, ValueError):
            return False
    return True


def _is_postgresql_option(name: str) -> bool:
    # Imported here, because a service with SQLite does not need it.
    from psycopg import ProgrammingError, conninfo

    try:
        conninfo.make_conninfo('', **{name: 'x'})
    except ProgrammingError:
        return False
    return True


def _strict_faults(config: Mapping[str, Any]) -> Iterator[str]:
    for name in weak_secret_keys(config):
        yield (
            f'{name} is weak (at least 32 random bytes: flask secret-key; '
            'docs/operations.md, "Changing SECRET_KEY")'
        )
    if config['DEBUG']:
        yield 'debug mode is on'
    if config['MAIL_URL'].startswith('log:'):
        yield 'MAIL_URL must not be log: here, because the log would contain every PIN'
    folders = {'MAIL_URL': config['MAIL_URL'], 'STORAGE_URL': config['STORAGE_URL']}
    if config['STORAGE_URL'].startswith('s3:'):
        folders['STORAGE_SPOOL'] = f'file://{config["STORAGE_SPOOL"]}'
    for name, url in folders.items():
        if url.startswith('file:///') and _is_unwritable(Path(unquote(urlsplit(url).path))):
            yield f'{name} is a folder that cannot be written'


def weak_secret_keys(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the settings that contain a weak secret key."""
    for name in ('SECRET_KEY', 'SECRET_KEY_FALLBACKS'):
        keys = config[name] if isinstance(config[name], list) else [config[name]]
        if any(key and _is_weak(key) for key in keys):
            yield name


def _is_weak(key: str) -> bool:
    return (
        len(key.encode()) < 32
        or len(set(key)) < 10
        or any(word in key.lower() for word in PLACEHOLDERS)
    )


def _is_invalid_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        # Reading the port raises if it is not a number.
        is_server = parts.scheme in ('http', 'https') and parts.hostname and parts.port != 0
    except ValueError:
        return True
    return not is_server or '@' in origin or origin != f'{parts.scheme}://{parts.netloc}'


def _is_host(text: str) -> bool:
    """Return whether a text is valid as an item of `TRUSTED_HOSTS`."""
    try:
        return bool(normal_host(text))
    except ValueError:
        return False


def _is_too_long(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError) as error:
        return getattr(error, 'errno', None) not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
    return False


def _is_unwritable(folder: Path) -> bool:
    """Return whether a folder cannot be written or, if it is missing, cannot be created.

    The check creates a temporary folder in it, or in its nearest existing parent, because
    permissions do not show that a file system is read-only or virtual.
    """
    if _is_too_long(folder):
        return True
    try:
        there = next(place for place in (folder, *folder.parents) if os.access(place, os.F_OK))
        with tempfile.TemporaryDirectory(dir=there, prefix='.writable-'):
            return False
    except OSError as error:
        # A full disk is not a configuration fault: commands that free space must still start.
        return error.errno not in (errno.ENOSPC, errno.EDQUOT)
    except ValueError:
        return True
