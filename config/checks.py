"""What must be true of a finished configuration before anything is served with it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

PLACEHOLDERS = ('change', 'secret', 'example', 'development', 'password', 'testing')


def validate_config(config: Mapping[str, Any]) -> None:
    """Stop with one line that names every fault; staging and production (`STRICT`) have more.

    Asked after `APP_CONFIG_FILE` has been laid over the class, so that both may supply a value.
    """
    if faults := list(_faults(config)):
        raise SystemExit(f'Refusing to start: {"; ".join(faults)}. See .env.example.')


def trusted_hosts(config: Mapping[str, Any]) -> list[str] | None:
    """Return the names that the service answers to; None for any, which no strict one does.

    Besides its own name that is this machine, which asks for its health.
    """
    hosts: list[str] | None = config['TRUSTED_HOSTS']
    if hosts or not config['STRICT']:
        return hosts
    return [urlsplit(config['PUBLIC_URL']).hostname or 'localhost', 'localhost', '127.0.0.1']


def _faults(config: Mapping[str, Any]) -> Iterator[str]:
    yield from _database_faults(config['SQLALCHEMY_DATABASE_URI'])
    if not config['SECRET_KEY']:
        yield 'SECRET_KEY is not set'
    if any(_is_no_origin(origin) for origin in config['CORS_ORIGINS']):
        yield 'CORS_ORIGINS must be exact origins such as https://app.example.com'
    if config['REDIS_URL'] and not _is_server(config['REDIS_URL'], 'redis', 'rediss'):
        yield 'REDIS_URL must be an address such as redis://localhost:6379/0'
    broker = config['TASKS_BROKER_URL']
    if broker and not _is_server(broker, 'amqp', 'amqps', 'redis', 'rediss'):
        yield 'TASKS_BROKER_URL must be an address such as amqp://user:password@localhost:5672'
    if fault := _offload_fault(config['FILES_OFFLOAD'], config['STORAGE_URL']):
        yield fault
    if config['FILES_SCANNER'] and not _is_scanner(config['FILES_SCANNER']):
        yield 'FILES_SCANNER must be clamd://host:port or clamd:///path/of/socket'
    # Flask passes over a file that is not there, and looks for a relative one in the package.
    settings = os.environ.get('APP_CONFIG_FILE')
    if settings and not (Path(settings).is_absolute() and Path(settings).is_file()):
        yield 'APP_CONFIG_FILE must be the absolute path of a file'
    if config['STRICT']:
        yield from _strict_faults(config)


def _offload_fault(offload: str, storage: str) -> str | None:
    # A proxy sees a folder, and only an S3 server has addresses.
    if offload == 'x-accel' and not storage.startswith('file:'):
        return 'FILES_OFFLOAD=x-accel needs a STORAGE_URL of file://'
    if offload == 'redirect' and not storage.startswith('s3:'):
        return 'FILES_OFFLOAD=redirect needs a STORAGE_URL of s3://'
    return None


def _database_faults(address: str) -> Iterator[str]:
    if not address:
        yield 'DATABASE_URL is not set'
    elif not address.startswith(('sqlite:', 'postgresql')):
        yield 'DATABASE_URL must begin with sqlite:// or postgresql://'
    else:
        # None of these repeats the address: a password may stand in it.
        try:
            url = make_url(address)
            url.get_dialect().import_dbapi()
        except (ArgumentError, ValueError):
            yield 'DATABASE_URL is no address that can be read'
        except ImportError:
            yield 'DATABASE_URL asks for a driver that is not installed'
        else:
            path = url.database if url.get_backend_name() == 'sqlite' else None
            if path not in (None, '', ':memory:') and _is_closed(Path(path).parent):
                yield 'DATABASE_URL is in a folder that cannot be written'


def _strict_faults(config: Mapping[str, Any]) -> Iterator[str]:
    keys = [config['SECRET_KEY'], *config['SECRET_KEY_FALLBACKS']]
    if any(key and _is_weak(key) for key in keys):
        yield 'SECRET_KEY is weak (at least 32 random bytes: flask secret-key)'
    if not config['PUBLIC_URL']:
        yield 'PUBLIC_URL is not set'
    elif _is_no_origin(config['PUBLIC_URL'].rstrip('/')):
        yield 'PUBLIC_URL must be an address such as https://api.example.com'
    if config['DEBUG']:
        yield 'debug mode is on'
    if config['MAIL_URL'].startswith('log:'):
        yield 'MAIL_URL must not be log: here, for the log would hold every PIN'
    if config['STORAGE_URL'].startswith('s3:'):
        if _is_closed(Path(config['STORAGE_SPOOL'])):
            yield 'STORAGE_SPOOL is a folder that cannot be written'
    elif _is_closed(Path(unquote(config['STORAGE_URL'].removeprefix('file://')))):
        yield 'STORAGE_URL is a folder that cannot be written'


def _is_weak(key: str) -> bool:
    return (
        len(key.encode()) < 32
        or len(set(key)) < 10
        or any(word in key.lower() for word in PLACEHOLDERS)
    )


def _is_no_origin(origin: str) -> bool:
    if not _is_server(origin, 'http', 'https'):
        return True
    parts = urlsplit(origin)
    return origin != f'{parts.scheme}://{parts.netloc}'


def _is_scanner(address: str) -> bool:
    is_socket = address.startswith('clamd:///') and len(address) > len('clamd:///')
    return is_socket or _is_server(address, 'clamd')


def _is_server(address: str, *schemes: str) -> bool:
    """Tell whether an address can be read, and names a scheme of these and a server."""
    try:
        parts = urlsplit(address)
        # To ask for the port is what refuses one that is no number.
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_closed(folder: Path) -> bool:
    """Tell whether nothing can be written to a folder, or no such folder can be made."""
    there = next(place for place in (folder, *folder.parents) if os.access(place, os.F_OK))
    return not (there.is_dir() and os.access(there, os.W_OK | os.X_OK))
