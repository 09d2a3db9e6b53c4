"""Settings of the core, and the class that joins them with those of all features.

Each setting is declared once, here or in `config/features`, with its default, its accepted values
and its meaning. `flask config show` and the pages in docs/features print the declarations;
`.env.example` repeats the meanings of the settings of the core.
"""

import os

from . import env
from .features import declarations
from .settings import (
    choice,
    database_url,
    duration,
    host,
    number,
    secret,
    size,
    switch,
    text,
    words,
)

CORES = os.cpu_count() or 1

LOG_LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')


class CoreConfig:
    """The settings of the core."""

    # If true, the service does not start with weak secrets, debug mode or other insecure values.
    STRICT = False
    # If true, commands may delete all data, and responses have figures for developers.
    DEVELOPMENT = False

    SECRET_KEY = secret(
        'The key that signs and encrypts, at least 32 random bytes: `flask secret-key`. Required '
        'in staging and production.'
    )
    SECRET_KEY_FALLBACKS = words(
        '', 'Older keys that are still accepted, separated by spaces.', is_secret=True
    )
    PUBLIC_URL = text(
        'http://localhost:8000',
        'The URL of the service for its clients; all absolute links begin with it. Required in '
        'staging and production.',
    )

    SQLALCHEMY_DATABASE_URI = database_url(
        'The database: `sqlite:///path` or `postgresql://user:password@host/name`. Required in '
        'staging and production.'
    )
    STORAGE_URL = text(
        f'file://{env.VAR}/storage',
        'The storage of blobs: `file:///folder` or `s3://bucket/prefix?endpoint=…&region=…` '
        '(keys from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`).',
    )
    STORAGE_SPOOL = text(
        f'{env.VAR}/storage',
        'With S3: a local folder for uploads that are not in the bucket yet; all machines share '
        'it.',
    )
    STORAGE_OLD_URL = text(
        '', 'The former storage; during a migration, missing blobs are read from it.'
    )
    STORAGE_MIN_FREE = size(
        '',
        'Bytes that stay free on the disk: uploads return 507 below it. Unset: the larger of 256 '
        'MB and 2%.',
    )
    MAIL_URL = text(
        f'file://{env.VAR}/mail',
        'The transport of mails: `smtp://user:password@host:587?tls=starttls`, `file:///folder` '
        'or `log:`.',
    )
    MAIL_FROM = text(
        'Flask API <no-reply@localhost>',
        'The sender of all mails: `Name <address>`; a name with a comma needs double quotes.',
    )
    REDIS_URL = text(
        '',
        'A Redis that shares rate limits between processes; without it each process counts by '
        'itself.',
    )
    TASKS_BROKER_URL = text(
        '',
        'A broker (`amqp://` or `redis://`) that carries tasks to `flask jobs work`; without it '
        'the service runs its tasks itself.',
    )
    # At most 64: each task worker is a separate process, which needs memory.
    TASKS_CONCURRENCY = number(
        2,
        0,
        64,
        'Tasks other than mails that run at the same time, in the service or in each `flask jobs '
        'work`; 0: none in the service; 1: a long task delays the short ones.',
    )
    MAINTENANCE_FILE = text(
        f'{env.VAR}/maintenance',
        'While this file (absolute path) exists, all routes return 503; `flask maintenance` '
        'creates it.',
    )

    # Read by `config/gunicorn.py`.
    HOST = host('127.0.0.1', 'The name or IP address that gunicorn listens on.')
    PORT = number(8000, 0, 65535, 'The port that gunicorn listens on; 0: any free one.')
    WEB_CONCURRENCY = number(
        CORES,
        1,
        1024,
        'Processes that answer requests; unset: one per core.',
        shown_default='one per core',
    )
    # At most an hour: a longer upload would occupy a thread for longer than any proxy waits.
    BODY_TIMEOUT = number(
        30,
        1,
        3600,
        'Seconds in which a JSON body, or any body up to 32 KiB, must arrive; otherwise 408.',
    )
    BODY_MIN_RATE = number(
        1000,
        1,
        1_000_000,
        'Bytes a second of bodies above 32 KiB, measured over 30 seconds; slower ones end with '
        '408.',
    )
    BODIES_PER_CLIENT = number(
        6,
        1,
        100,
        'Bodies above 64 KiB that one client address, and one user, may send to a process at the '
        'same time; the same limit applies to responses above 64 KiB.',
    )
    # At most 300 seconds: orchestrators kill a process that takes minutes to stop.
    SHUTDOWN_DELAY = number(
        0, 0, 300, 'Seconds during which `/readyz` returns 503 before the listeners close.'
    )

    LOG_LEVEL = choice(
        'INFO',
        LOG_LEVELS,
        'The lowest level of log lines: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.',
        upper=True,
    )
    UMASK = choice(
        '077',
        ('077', '027'),
        'The permissions that new files do not get: `077`, or `027` if a proxy of the same group '
        'sends stored files.',
    )
    LOG_FORMAT = choice('json', ('json', 'readable'), 'The format of log lines.', variable=None)
    API_DOCS = choice(
        'authenticated',
        ('public', 'authenticated', 'off'),
        'Readers of the API documentation: `public`, `authenticated` or `off`.',
    )

    CORS_ORIGINS = words(
        '', 'Exact origins whose pages may call the API, separated by spaces; empty: none.'
    )
    CORS_ALLOW_HEADERS = words(
        'traceparent tracestate baggage X-Requested-With Cache-Control',
        'Request headers that these pages may send beside those of the API, separated by spaces.',
    )
    TRUSTED_HOSTS = words(
        '',
        'Host names and IP addresses that the service answers to, separated by spaces; '
        '`.example.com` means all below it. Unset in production: the host of `PUBLIC_URL`, and '
        'this machine.',
        is_optional=True,
    )
    # The number of proxies in front of the service. If it is higher than the actual number, a
    # client can forge its IP address.
    TRUSTED_PROXIES = number(
        0,
        0,
        100,
        'The number of proxies in front of the service, and of trusted values in '
        '`X-Forwarded-For`.',
    )
    RATELIMIT_ENABLED = switch(
        True, 'Whether requests are rate limited; false for load tests only. Attempt counters stay.'
    )

    # Limits per request. Routes that accept uploads have their own, higher limit instead of
    # MAX_CONTENT_LENGTH.
    MAX_CONTENT_LENGTH = size(
        '1MiB', 'The largest body in bytes, except uploads.', low=1, variable=None
    )
    MAX_FORM_MEMORY_SIZE = size(
        '64KiB', 'The largest field of a form in bytes.', low=1, variable=None
    )
    MAX_FORM_PARTS = number(20, 1, 1000, 'Parts of a form.', variable=None)

    IMAGES_CONCURRENCY = number(
        1, 1, 64, 'Images that the whole service decodes at the same time; each takes up to 640 MB.'
    )

    FRESH_FOR = duration(
        'minutes',
        10,
        'Minutes after a login during which the session is fresh.',
        variable=None,
    )

    # The core hashes passwords, for all features.
    # At most 8: a container with few CPUs may report all cores of its large host.
    AUTH_HASH_CONCURRENCY = number(
        min(CORES, 8),
        1,
        256,
        'Passwords that the whole service hashes at the same time; unset: one per core, at most 8.',
        shown_default='one per core, at most 8',
    )
    # 8 KiB is the minimum of argon2. The service does not start if a hash takes too long
    # (`project.core.config_checks`).
    AUTH_HASH_MEMORY_KIB = number(
        19 * 1024, 8, 1024 * 1024, 'Memory in KiB of one hash of argon2id.'
    )
    AUTH_HASH_ROUNDS = number(2, 1, 100, 'Rounds of one hash of argon2id.')


class Config(*declarations('Settings'), CoreConfig):  # type: ignore[misc]
    """Default values of all settings, without secrets. Environment variables override them."""
