"""Checks of settings that are valid, but insecure in production."""

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from project.core.checks import DoctorCheck, Finding, Situation, State, register_check

# Passwords that servers have after their installation, and those of examples.
DEFAULT_PASSWORDS = {
    'admin', 'changeme', 'guest', 'minioadmin', 'password', 'postgres', 'rabbitmq', 'redis', 'root',
    'secret', 'test',
}  # fmt: skip
MIN_PASSWORD_CHARACTERS = 12
LOCAL_HOSTS = {'localhost', '127.0.0.1', '::1'}
# The key of the S3 server, which boto3 reads from the environment itself.
S3_KEY = 'AWS_SECRET_ACCESS_KEY'


def check_environment(situation: Situation) -> Iterator[Finding]:
    """Report settings that are for development only: debug mode, tests, no rate limits."""
    config = situation.config
    if config['DEBUG'] or config.get('TESTING'):
        name = 'debug mode' if config['DEBUG'] else 'TESTING'
        state = State.WARNING if config['STRICT'] else State.OK
        yield Finding(state, f'{name} is on', fails_deploy=True)
    if not config['RATELIMIT_ENABLED']:
        remedy = 'Delete RATELIMIT_ENABLED.'
        state = State.WARNING if config['STRICT'] else State.OK
        yield Finding(state, 'requests are not rate limited', remedy, fails_deploy=True)
    if config['STRICT']:
        yield Finding(State.OK, 'the rules of production apply')
    else:
        seen = 'not production: insecure settings are accepted'
        yield Finding(State.OK, seen, fails_deploy=True)


def check_passwords(situation: Situation) -> Iterator[Finding]:
    """Report default and short passwords in the URLs of servers. They are not printed."""
    found = list(passwords_in(situation))
    weak = [(name, reason) for name, reason in found if reason]
    for name, reason in weak:
        yield Finding(State.WARNING, f'{name} has {reason}', fails_deploy=True)
    if not weak:
        yield Finding(State.OK, f'settings with a password: {len(found)}; none is weak')


def passwords_in(situation: Situation) -> Iterator[tuple[str, str]]:
    """Yield the name of each setting with a password, and its weakness or an empty text."""
    for key, value in situation.config.items():
        name = situation.variables.get(key)
        if name and isinstance(value, str) and '://' in value and '@' in value:
            try:
                parts = urlsplit(value)
            except ValueError:
                continue  # The check of the configuration reports it.
            if parts.password:
                yield name, weakness(unquote(parts.password), unquote(parts.username or ''))
    s3_key = os.environ.get(S3_KEY)
    if s3_key and situation.config['STORAGE_URL'].startswith('s3:'):
        yield S3_KEY, weakness(s3_key, '')


def weakness(password: str, username: str) -> str:
    """Return why a password is weak, or an empty text."""
    if password.lower() in DEFAULT_PASSWORDS:
        return 'a default password'
    if password.lower() == username.lower():
        return 'the username as its password'
    if len(password) < MIN_PASSWORD_CHARACTERS:
        return f'a password of less than {MIN_PASSWORD_CHARACTERS} characters'
    return ''


def check_cors(situation: Situation) -> Iterator[Finding]:
    """Report origins that allow too much, or that no browser sends."""
    config = situation.config
    origins = config['CORS_ORIGINS']
    found = [finding for origin in origins for finding in _faults_of(origin, config)]
    yield from found
    if not found:
        seen = ', '.join(origins) or 'no pages of other origins may call the API'
        yield Finding(State.OK, seen)


def _faults_of(origin: str, config: Mapping[str, Any]) -> Iterator[Finding]:
    if '@' in origin:
        # The origin may contain a password, so it is not printed.
        yield Finding(State.FAILED, 'an origin contains user information, so no browser sends it')
        return
    try:
        parts = urlsplit(origin)
        host = parts.hostname or ''
    except ValueError:
        yield Finding(State.FAILED, f'{origin} is not an origin')
        return
    if '*' in origin:
        yield Finding(State.FAILED, f'{origin} allows the pages of any site')
    elif origin == 'null':
        yield Finding(State.FAILED, 'null allows sandboxed pages of any site')
    elif origin.endswith('/'):
        yield Finding(State.FAILED, f'{origin} ends with a slash, so no browser sends it')
    elif parts.scheme == 'http' and host not in LOCAL_HOSTS:
        seen = f'{origin} has no TLS: anyone in the network can change its pages'
        yield Finding(State.WARNING, seen, fails_deploy=True)
    elif host in LOCAL_HOSTS and config['STRICT']:
        seen = f'{origin} is this machine or that of the user'
        yield Finding(State.WARNING, seen, fails_deploy=True)
    elif origin == config['PUBLIC_URL'].rstrip('/'):
        seen = f'{origin} is the service itself, whose pages need no permission'
        yield Finding(State.WARNING, seen)


register_check(
    'environment',
    DoctorCheck(
        function=check_environment,
        remedy='Set APP_ENV to production or staging, and delete FLASK_DEBUG.',
    ),
    owner=__name__,
)
register_check(
    'passwords',
    DoctorCheck(
        function=check_passwords,
        remedy='Set another password on the server and in the URL: `openssl rand -hex 32`.',
    ),
    owner=__name__,
)
register_check(
    'cors',
    DoctorCheck(
        function=check_cors,
        remedy='Set CORS_ORIGINS to exact origins such as https://app.example.com.',
    ),
    owner=__name__,
)
