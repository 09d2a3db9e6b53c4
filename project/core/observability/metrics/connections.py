"""Metrics of the connections to the database."""

from functools import partial

from sqlalchemy import Engine, QueuePool

from project.core.metrics import Gauge, set_gauges_with

IN_USE = Gauge(
    'database_connections_in_use',
    'Connections that requests use now; the number is at most a second old.',
    owner=__name__,
)
MAX = Gauge(
    'database_connections_max',
    'The largest number of connections of the processes that serve requests.',
    owner=__name__,
)


def measure_connections(engine: Engine) -> None:
    """Measure the connections of this process. A database in memory has only one."""
    if isinstance(engine.pool, QueuePool):
        set_gauges_with(partial(_read_pool, engine))


def _read_pool(engine: Engine) -> None:
    pool = engine.pool
    assert isinstance(pool, QueuePool)  # noqa: S101 - for the type checker
    IN_USE.set(to=pool.checkedout())
    MAX.set(to=pool.size() + pool._max_overflow)
