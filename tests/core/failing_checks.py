"""A cause for each check of the core because of which it fails."""

import struct
import time
from collections.abc import Mapping
from typing import Any

from project.core import images
from tests.failing_checks import Failure, Preparation
from tests.listeners import listener
from tests.service import free_port

# The application cannot be created: tests/core/cli/test_doctor.py.
TESTED_ELSEWHERE = {'application'}


def use_old_python(prepared: Preparation) -> dict[str, Any]:
    """Install metadata of the service that need another Python."""
    info = prepared.folder / 'planted-1.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Name: planted\nVersion: 1\nRequires-Python: >=9\n')
    (info / 'entry_points.txt').write_text('[flask.commands]\ndoctor = project:doctor\n')
    prepared.monkeypatch.syspath_prepend(str(prepared.folder))
    return {}


def pin_another_version(prepared: Preparation) -> dict[str, Any]:
    """Pin a version that is not installed."""
    path = prepared.folder / 'app.txt'
    path.write_text('flask==0.1 \\\n    --hash=sha256:00\n')
    prepared.situation['requirements'] = path
    return {}


def set_clock_forward(prepared: Preparation) -> dict[str, Any]:
    """Let the clock of this machine be a minute ahead of that of the storage."""
    prepared.options['now'] = lambda: time.time() + 60
    return {}


def use_old_server(prepared: Preparation) -> dict[str, Any]:
    """Let the server have the version before the oldest supported one."""
    prepared.options['read'] = lambda: '14.11 (Debian 14.11-1.pgdg120+2)'
    return {}


def open_secret_file(prepared: Preparation) -> dict[str, Any]:
    """Let any user write a file with secrets."""
    path = prepared.folder / 'key'
    path.write_text('secret')
    path.chmod(0o646)
    prepared.situation['secret_files'] = (path,)
    return {}


def stop_proxy(prepared: Preparation) -> dict[str, Any]:
    """Request a port on which no server listens."""
    prepared.situation['url'] = f'http://127.0.0.1:{free_port()}'
    return {}


def remove_sandbox(prepared: Preparation) -> dict[str, Any]:
    """Remove the program that applies the protections."""
    prepared.monkeypatch.setattr(images, 'SANDBOX', prepared.folder / 'missing.py')
    images.missing_protections.cache_clear()
    prepared.stack.callback(images.missing_protections.cache_clear)
    return {}


def use_default_password(prepared: Preparation) -> dict[str, Any]:
    """Use the password of an example for the broker."""
    prepared.situation['variables'] = {'TASKS_BROKER_URL': 'TASKS_BROKER_URL'}
    return {'TASKS_BROKER_URL': 'amqp://guest:guest@localhost'}


def put_file_in_place_of_folder(prepared: Preparation) -> dict[str, Any]:
    """Let the folder of the storage be a file."""
    path = prepared.folder / 'file'
    path.write_bytes(b'')
    return {'STORAGE_URL': f'file://{path}'}


def settings(**changes: Any) -> Any:
    """Return a function that prepares nothing and returns these settings."""

    def unchanged(_prepared: Preparation) -> Mapping[str, Any]:
        return changes

    return unchanged


def wrong_server(name: str, url: str) -> Any:
    """Return a function that starts a server that serves no client.

    :param url: the value of the setting `name`, with `{}` for the port.
    """

    def start(prepared: Preparation) -> Mapping[str, Any]:
        return {name: url.format(prepared.start(listener(b'554 away\r\n')))}

    return start


def start_strict_pooler(prepared: Preparation) -> Mapping[str, Any]:
    """Start a pooler that rejects options, as PgBouncer does by default."""
    fields = b'SFATAL\0C08P01\0Munsupported startup parameter: options\0\0'
    port = prepared.start(listener(b'E' + struct.pack('>I', len(fields) + 4) + fields))
    return {'SQLALCHEMY_DATABASE_URI': f'postgresql://a@127.0.0.1:{port}/a?sslmode=disable'}


AWAY = 'postgresql://nobody@127.0.0.1:1/none'

FAILURES = (
    Failure(
        'broker', 'Connection refused', settings(TASKS_BROKER_URL='amqp://guest:guest@127.0.0.1:1')
    ),
    Failure('clock', r'this clock is [56]\d\.\d s ahead of that of the storage', set_clock_forward),
    Failure('configuration', 'SECRET_KEY is not set', settings(SECRET_KEY='')),
    Failure('core_configuration', 'MAIL_URL must be', settings(MAIL_URL='smtp:')),
    Failure('cors', 'ends with a slash', settings(CORS_ORIGINS=['https://app.example.com/'])),
    Failure('cors', 'any site', settings(CORS_ORIGINS=['*'])),
    Failure('cors', 'user information', settings(CORS_ORIGINS=['https://me:pw@a.example/'])),
    Failure('cors', 'has no TLS', settings(CORS_ORIGINS=['http://app.example.com'])),
    Failure('cors', 'this machine', settings(CORS_ORIGINS=['http://localhost:5173'], STRICT=True)),
    Failure('database', 'down: ', settings(SQLALCHEMY_DATABASE_URI=AWAY)),
    Failure('database_version', 'PostgreSQL 14.11; supported: 15 to 17', use_old_server),
    Failure('environment', 'TESTING is on', settings()),
    Failure('environment', 'debug mode is on', settings(DEBUG=True)),
    Failure('environment', 'not rate limited', settings(RATELIMIT_ENABLED=False)),
    Failure('environment', 'not production', settings()),
    Failure('free_space', 'uploads are rejected: ', settings(STORAGE_MIN_FREE=2**60)),
    Failure('mail', "554, b'away'", wrong_server('MAIL_URL', 'smtp://127.0.0.1:{}')),
    Failure('mail', 'not sent', settings(STRICT=True)),
    Failure('migrations', r'pending: \w+ \w+', settings()),
    Failure('packages', r'flask \S+ instead of 0.1', pin_another_version),
    Failure('passwords', 'TASKS_BROKER_URL has a default password', use_default_password),
    Failure('permissions', r'key: any user may write \(646\)', open_secret_file),
    Failure('pooler', 'rejects the options of a connection', start_strict_pooler),
    Failure('proxies', 'Connection refused', stop_proxy),
    Failure('python', 'the service needs >=9', use_old_python),
    Failure('redis', 'ConnectionError', settings(REDIS_URL='redis://127.0.0.1:1')),
    Failure('sandbox', 'run without: sandbox', remove_sandbox),
    Failure('secret_keys', 'accepted in development: SECRET_KEY is weak', settings(SECRET_KEY='x')),
    Failure('storage', 'down|NotADirectoryError', put_file_in_place_of_folder),
    Failure('tasks', 'no such table|does not exist', settings()),
)
