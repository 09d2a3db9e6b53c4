"""Rate limits of endpoints. Requests are counted in Redis if it is configured, else per process.

These counters may be lost, so limits for security are counted in the database instead
(`core.throttling`). While Redis does not respond, each process counts its own requests.
"""

import logging
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter

from project.core.app_values import AppValue
from project.core.errors import TooManyRequests
from project.core.ip_addresses import network_of
from project.core.metrics import Counter
from project.core.request_context import current_request_context
from project.core.security.principal import Principal

LIMITED = Counter(
    'http_server_rate_limited_requests_total',
    'Requests beyond the rate limit of their endpoint.',
    ('endpoint',),
    owner=__name__,
)
REDIS_ERRORS = Counter(
    'rate_limit_redis_errors_total',
    'Requests that a process counted by itself, because Redis failed.',
    owner=__name__,
)

log = logging.getLogger(__name__)

# Parses the text of a rate limit, such as `5/minute`, only once.
parsed = cache(parse)


class Limiter:
    """A counter of requests. Each period of a rate limit, such as a minute, has its own count.

    :param redis_url: the Redis server; '' to count in this process.
    :param name: a prefix of the keys in Redis, because several services may share a Redis server.
    """

    def __init__(self, redis_url: str, name: str = '') -> None:
        self.local = FixedWindowRateLimiter(MemoryStorage())
        self.shared = self.local
        self.redis_errors: tuple[type[Exception], ...] = ()
        if redis_url:
            # Imported here: this import takes a fifth of the time of `import project`.
            from redis.exceptions import RedisError

            self.redis_errors = (RedisError,)
            timeouts: dict[str, Any] = {'socket_timeout': 0.25, 'socket_connect_timeout': 0.25}
            storage = RedisStorage(redis_url, key_prefix=f'LIMITS:{name}', **timeouts)
            self.shared = FixedWindowRateLimiter(storage)

    def hit(self, item: RateLimitItem, *identifiers: str) -> tuple[bool, int, int]:
        """Count a request under the given identifiers.

        :returns: whether the request is within the limit, the number of remaining requests, and the
            seconds until the current period ends.
        """
        try:
            return self._hit(self.shared, item, *identifiers)
        except self.redis_errors:
            REDIS_ERRORS.increment()
            log.warning('Redis does not answer: limits are counted in this process', exc_info=True)
            return self._hit(self.local, item, *identifiers)

    @staticmethod
    def _hit(
        limiter: FixedWindowRateLimiter, item: RateLimitItem, *identifiers: str
    ) -> tuple[bool, int, int]:
        within = limiter.hit(item, *identifiers)
        window = limiter.get_window_stats(item, *identifiers)
        seconds = max(1, int(window.reset_time - time.time()) + 1)
        return within, max(0, window.remaining), min(seconds, item.get_expiry())


LIMITER: AppValue[Limiter] = AppValue('limiter')


def init_app(app: Flask) -> None:
    """Create the request counter, and add its state to the headers of limited responses."""
    name = database_name(app.config['SQLALCHEMY_DATABASE_URI'])
    LIMITER.set(app, Limiter(app.config['REDIS_URL'], name))
    app.after_request(add_ratelimit)


def database_name(url: str) -> str:
    """Return the host, port and path of a database URL, without its credentials.

    It is a part of the keys in Redis. Staging and production may share a Redis server, and user 1
    of one database is not user 1 of the other.
    """
    parts = urlsplit(url)
    return f'{parts.hostname or ""}:{parts.port or ""}{parts.path}'


def enforce_rate_limit(limit: str, endpoint: str, principal: Principal | None) -> None:
    """Count a request to an endpoint under its user; if it has none, under its IP network.

    An IPv6 /64 network counts as one client.

    :raises TooManyRequests: if the limit is exceeded.
    """
    if not current_app.config['RATELIMIT_ENABLED']:
        return
    item = parsed(limit)
    address = current_request_context().ip_address
    who = f'user:{principal.user_id}' if principal else f'address:{network_of(address)}'
    within, remaining, seconds = LIMITER.get().hit(item, endpoint, who)
    name = endpoint.rsplit('.', 1)[-1]
    g.ratelimit = {
        'RateLimit-Policy': f'"{name}";q={item.amount};w={item.get_expiry()}',
        'RateLimit': f'"{name}";r={remaining};t={seconds}',
    }
    if not within:
        LIMITED.increment(endpoint)
        raise TooManyRequests(seconds)


def add_ratelimit(response: Response) -> Response:
    """Add the headers with the state of the rate limit (draft-ietf-httpapi-ratelimit-headers)."""
    for name, value in g.get('ratelimit', {}).items():
        response.headers[name] = value
    return response
