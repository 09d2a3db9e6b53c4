"""Testing: an in-memory database and fast hashing. The environment only sets URLs of servers."""

from .base import Config
from .features import declarations


class TestingConfig(*declarations('TestingSettings'), Config):  # type: ignore[misc]
    """Settings of tests. An error that the endpoint of a route does not declare fails the test.

    Password hashes are cheap.
    """

    # Without this, pytest would collect the class because of its name.
    __test__ = False

    TESTING = True
    SECRET_KEY = 'testing-' + 'k3y' * 12
    SECRET_KEY_FALLBACKS: list[str] = []
    PUBLIC_URL = 'http://localhost:8000'
    SQLALCHEMY_DATABASE_URI = 'sqlite://'
    MAIL_FROM = 'Tests <no-reply@example.test>'
    STORAGE_OLD_URL = ''
    STORAGE_MIN_FREE = 0
    BODY_MIN_RATE = 1000
    BODIES_PER_CLIENT = 6
    SHUTDOWN_DELAY = 0
    REDIS_URL = ''
    TASKS_BROKER_URL = ''
    TASKS_CONCURRENCY = 2
    LOG_LEVEL = 'DEBUG'
    API_DOCS = 'public'
    CORS_ORIGINS = ['https://app.example.test', 'http://localhost:5173']
    TRUSTED_HOSTS = None
    TRUSTED_PROXIES = 0
    RATELIMIT_ENABLED = False

    # The tests check that passwords are hashed, not how slowly (0.1 ms instead of 45 ms).
    AUTH_HASH_MEMORY_KIB = 8
    AUTH_HASH_ROUNDS = 1
