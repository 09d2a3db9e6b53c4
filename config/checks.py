"""What must be true of a finished configuration before anything is served with it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PLACEHOLDERS = ('change', 'secret', 'example', 'development', 'password', 'testing')


def refuse_unsafe(config: Mapping[str, Any], *, strict: bool) -> None:
    """Stop with one line that names every fault; `strict` is for staging and production.

    Asked after `APP_CONFIG_FILE` has been laid over the class, so that both may supply a value.
    """
    if faults := list(_faults(config, strict=strict)):
        raise SystemExit(f'Refusing to start: {"; ".join(faults)}. See .env.example.')


def trusted_hosts(config: Mapping[str, Any]) -> list[str] | None:
    """Return the names that the service answers to; None for any, which no strict one does.

    Besides its own name that is this machine, which asks for its health.
    """
    hosts: list[str] | None = config['TRUSTED_HOSTS']
    if hosts or not config['STRICT']:
        return hosts
    return [urlsplit(config['PUBLIC_URL']).hostname or 'localhost', 'localhost', '127.0.0.1']


def _faults(config: Mapping[str, Any], *, strict: bool) -> Iterator[str]:
    if not config['SQLALCHEMY_DATABASE_URI']:
        yield 'DATABASE_URL is not set'
    elif not config['SQLALCHEMY_DATABASE_URI'].startswith(('sqlite:', 'postgresql')):
        yield 'DATABASE_URL must begin with sqlite:// or postgresql://'
    if not config['SECRET_KEY']:
        yield 'SECRET_KEY is not set'
    if '*' in config['CORS_ORIGINS'] or any(_is_no_origin(o) for o in config['CORS_ORIGINS']):
        yield 'CORS_ORIGINS must be exact origins such as https://app.example.com'
    # Flask passes over a file that is not there, and looks for a relative one in the package.
    settings = Path(os.environ.get('APP_CONFIG_FILE') or __file__)
    if not (settings.is_absolute() and settings.is_file()):
        yield 'APP_CONFIG_FILE must be the absolute path of a file'
    if strict:
        yield from _strict_faults(config)


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


def _is_weak(key: str) -> bool:
    return (
        len(key.encode()) < 32
        or len(set(key)) < 10
        or any(word in key.lower() for word in PLACEHOLDERS)
    )


def _is_no_origin(origin: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme not in ('http', 'https') or origin != f'{parts.scheme}://{parts.netloc}'
