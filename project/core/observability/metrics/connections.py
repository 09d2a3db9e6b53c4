"""Metrics of the connections to the database."""

from sqlalchemy import Engine, QueuePool, event

from project.core.metrics import Gauge

IN_USE = Gauge(
    'database_connections_in_use',
    'Connections that a request or a task uses now.',
    owner=__name__,
)
MAX = Gauge(
    'database_connections_max',
    'The largest number of connections of all processes together.',
    owner=__name__,
)


def measure_pool(engine: Engine) -> None:
    """Count the connections of an engine, from now on."""

    @event.listens_for(engine, 'checkout')
    def count_checkout(*_: object) -> None:
        IN_USE.add()

    @event.listens_for(engine, 'checkin')
    def count_checkin(*_: object) -> None:
        IN_USE.add(amount=-1)


def set_pool_limit(engine: Engine) -> None:
    """Record how many connections this process may open. Call it after the fork."""
    pool = engine.pool
    if isinstance(pool, QueuePool):
        MAX.set(to=pool.size() + pool._max_overflow)
