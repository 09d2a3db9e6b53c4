"""Configuration checks of `core`. They pass each value to the function that will use it."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from .checks import ConfigCheck, register_check
from .mail.rendering import sender_address
from .mail.transports import create_transport
from .security.password_hashing import HASHING_TIMEOUT_SECONDS, estimate_hash_seconds
from .storage import storage_from_url
from .task_workers.broker import validate_broker_url
from .web.endpoints.rate_limits import Limiter

# gunicorn reads the path below which the service is mounted (`SCRIPT_NAME`), and does not check it.
PREFIX_PATTERN = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
CGROUP_LIMIT = Path('/sys/fs/cgroup/memory.max')


def find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each fault because of which the service must not start."""
    yield from _rejections('MAIL_URL', partial(create_transport, config['MAIL_URL']))
    try:
        sender_address(config['MAIL_FROM'])
    except ValueError as error:
        yield f'MAIL_FROM {error}'
    owner: Any = SimpleNamespace(config=config)
    for name in ('STORAGE_URL', 'STORAGE_OLD_URL'):
        if name == 'STORAGE_URL' or config[name]:
            yield from _rejections(name, partial(storage_from_url, owner, config[name], name=name))
    yield from _server_faults(config, 'REDIS_URL', ('redis', 'rediss'), Limiter)
    broker_schemes = ('amqp', 'amqps', 'redis', 'rediss')
    yield from _server_faults(config, 'TASKS_BROKER_URL', broker_schemes, validate_broker_url)
    yield from _hashing_faults(config)
    prefix = os.environ.get('SCRIPT_NAME', '')
    if prefix and not PREFIX_PATTERN.fullmatch(prefix):
        yield 'SCRIPT_NAME must be a path that begins, but does not end, with a slash: /backend'


def find_warnings(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield nothing: `core` has no valid settings that are probably mistakes."""
    yield from ()


def _rejections(name: str, make: Callable[[], object]) -> Iterator[str]:
    """Call `make`, which uses a setting; if it raises, yield the reason.

    The reason is one line, without the value of the setting.
    """
    try:
        make()
    except SystemExit as rejection:
        reason = str(rejection.code).rstrip('.')
        yield reason if name in reason else f'{name} is not usable: {reason}'
    except Exception as error:
        # Catch any exception: each library raises its own types for a URL that it cannot parse.
        yield f'{name} is not usable ({type(error).__name__})'


def _server_faults(
    config: Mapping[str, Any], name: str, schemes: tuple[str, ...], make: Callable[[str], object]
) -> Iterator[str]:
    """Yield why a setting is not the URL of a server, or why `make` rejects the URL.

    :param make: the function that will later create a client with the URL.
    """
    url = config[name]
    if url and not is_server_url(url, *schemes):
        yield f'{name} must be a URL such as {schemes[0]}://user:password@localhost'
    elif url.startswith('redis') and not re.fullmatch(r'/?|/[0-9]+', urlsplit(url).path):
        # redis-py silently uses database 0 if the path is not a number.
        yield f'{name} must have a number as its database, such as redis://localhost/1'
    elif url:
        yield from _rejections(name, partial(_create, url, make))


def _create(url: str, make: Callable[[str], object]) -> None:
    """Create a client of a server, without connecting.

    For Redis, also create a connection object: only that checks the parameters of the URL.
    """
    make(url)
    if url.startswith('redis'):
        # Imported here: most services have no Redis.
        from redis import Redis

        Redis.from_url(url).connection_pool.make_connection()


def is_server_url(url: str, *schemes: str) -> bool:
    """Return whether a URL is valid, has one of the schemes and contains a host."""
    try:
        parts = urlsplit(url)
        # Accessing `port` raises ValueError if it is not a number.
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _hashing_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield why passwords cannot be hashed at the configured cost on this machine."""
    memory, rounds = config['AUTH_HASH_MEMORY_KIB'], config['AUTH_HASH_ROUNDS']
    concurrency = config['AUTH_HASH_CONCURRENCY']
    if memory * 1024 * concurrency > _memory_bytes():
        yield (
            f'AUTH_HASH_MEMORY_KIB times AUTH_HASH_CONCURRENCY ({memory * concurrency} KiB) '
            'is more than the memory of this machine or container'
        )
    elif (seconds := estimate_hash_seconds(memory, rounds)) > HASHING_TIMEOUT_SECONDS:
        yield (
            f'AUTH_HASH_MEMORY_KIB and AUTH_HASH_ROUNDS make a hash take {seconds:.0f} seconds; '
            f'at most {HASHING_TIMEOUT_SECONDS:.0f} are allowed'
        )


def _memory_bytes() -> int:
    """Return the memory of the machine, or the limit of the container if that is lower."""
    total = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    try:
        limit = CGROUP_LIMIT.read_text(encoding='ascii').strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


register_check(
    'core_configuration',
    ConfigCheck(find_faults=find_faults, find_warnings=find_warnings),
    owner=__name__,
)
