"""What is true in every environment. A feature's settings carry the feature's name."""

import os
from datetime import timedelta

from . import env


class Config:
    """Defaults, each of which its environment variable overrides. Nothing here is a secret."""

    # Whether weak secrets, debug mode and what else must not face the internet stop the start.
    STRICT = False

    SECRET_KEY = env.text('SECRET_KEY')
    SECRET_KEY_FALLBACKS = env.word_list('SECRET_KEY_FALLBACKS')
    PUBLIC_URL = env.text('PUBLIC_URL', 'http://localhost:8000')

    SQLALCHEMY_DATABASE_URI = env.database_url()
    STORAGE_URL = env.text('STORAGE_URL', f'file://{env.VAR}/storage')
    # A local folder where bytes lie until they are in S3. As in a storage on the disk, so that what
    # was on its way there arrives.
    STORAGE_SPOOL = env.text('STORAGE_SPOOL', f'{env.VAR}/storage')
    # The storage before this one, while bytes move: what is not here yet is read from there.
    STORAGE_OLD_URL = env.text('STORAGE_OLD_URL')
    # Bytes that stay free on the storage's disk (and on the database's, with SQLite). None: the
    # larger of 256 MB and 2 % of the disk.
    STORAGE_MIN_FREE = env.optional_size('STORAGE_MIN_FREE', range(2**63))
    MAIL_URL = env.text('MAIL_URL', f'file://{env.VAR}/mail')
    MAIL_FROM = env.text('MAIL_FROM', 'Flask API <no-reply@localhost>')
    REDIS_URL = env.text('REDIS_URL')
    # An engine that carries tasks to workers on other machines; none: the service does them itself,
    # so many at once.
    TASKS_BROKER_URL = env.text('TASKS_BROKER_URL')
    TASKS_CONCURRENCY = env.integer('TASKS_CONCURRENCY', 2, range(65))
    MAINTENANCE_FILE = env.text('MAINTENANCE_FILE', f'{env.VAR}/maintenance')

    LOG_LEVEL = env.text('LOG_LEVEL', 'INFO').upper()
    LOG_FORMAT = 'json'
    API_DOCS = env.choice('API_DOCS', 'authenticated', ('public', 'authenticated', 'off'))

    CORS_ORIGINS = env.word_list('CORS_ORIGINS')
    # None: any. Where STRICT, it is then the name in PUBLIC_URL and this machine.
    TRUSTED_HOSTS: list[str] | None = env.word_list('TRUSTED_HOSTS') or None
    TRUSTED_PROXIES = env.integer('TRUSTED_PROXIES', 0)
    RATELIMIT_ENABLED = env.boolean('RATELIMIT_ENABLED', True)

    # What one request may send at most; the upload route raises the first of them for itself.
    MAX_CONTENT_LENGTH = 1024 * 1024
    MAX_FORM_MEMORY_SIZE = 64 * 1024
    MAX_FORM_PARTS = 20

    # Bytes a second that a body must bring, averaged over 30 s; 0: any rate.
    BODY_MIN_RATE = env.integer('BODY_MIN_RATE', 1000, range(1_000_001))
    # Bodies that one client address, and one user, may send at the same time.
    BODIES_PER_CLIENT = env.integer('BODIES_PER_CLIENT', 6, range(1, 1001))
    # Seconds during which `/readyz` returns 503 before the listeners close.
    SHUTDOWN_DELAY = env.integer('SHUTDOWN_DELAY', 0, range(301))

    # How many images of strangers the whole service decodes at once: each takes up to 640 MB.
    IMAGES_CONCURRENCY = env.integer('IMAGES_CONCURRENCY', 1, range(1, 65))

    # How long after a login its session may do what asks for a fresh one.
    FRESH_FOR = timedelta(minutes=10)

    # One word that a password may not be made of: what this service is called.
    AUTH_CONTEXT_WORDS = env.word_list('AUTH_CONTEXT_WORDS', 'flask')
    # How long a token opens doors; how long without a refresh, and at most, a session lasts.
    AUTH_TOKEN_LIFETIME = env.minutes('AUTH_TOKEN_MINUTES', 60)
    AUTH_REFRESH_LIFETIME = env.days('AUTH_REFRESH_DAYS', 30)
    AUTH_SESSION_LIFETIME = env.days('AUTH_SESSION_DAYS', 90)
    AUTH_DEVICE_LIFETIME = env.days('AUTH_DEVICE_DAYS', 365)
    AUTH_EVENTS_LIFETIME = env.days('AUTH_EVENTS_DAYS', 365)
    # How many passwords the whole service hashes at once: each takes memory, and a core.
    AUTH_HASH_CONCURRENCY = env.integer('AUTH_HASH_CONCURRENCY', os.cpu_count() or 1, range(1, 257))
    AUTH_HASH_MEMORY_KIB = env.integer('AUTH_HASH_MEMORY_KIB', 19 * 1024)
    AUTH_HASH_ROUNDS = env.integer('AUTH_HASH_ROUNDS', 2)

    USERS_AVATAR_MAX_SIZE = 5 * 1024 * 1024

    FILES_MAX_SIZE = env.size('FILES_MAX_SIZE', '10GB')
    FILES_QUOTA = env.size('FILES_QUOTA', '50GB')
    FILES_PUBLIC_FOLDER = env.text('FILES_PUBLIC_FOLDER', f'{env.VAR}/public')
    # Who sends the bytes that the service allows: itself, nginx, or the S3 server.
    FILES_OFFLOAD = env.choice('FILES_OFFLOAD', 'none', ('none', 'x-accel', 'redirect'))
    # Who scans what comes in, before anybody else gets it: clamd://host:port. None: nobody.
    FILES_SCANNER = env.text('FILES_SCANNER')
    # How many versions of a file's bytes there are at most, the newest included.
    FILES_VERSIONS_KEPT = env.integer('FILES_VERSIONS_KEPT', 10, range(1, 1001))
    FILES_TRASH_LIFETIME = env.days('FILES_TRASH_DAYS', 30)
