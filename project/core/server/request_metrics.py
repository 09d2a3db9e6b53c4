"""Metrics of the web worker: its threads, the requests that wait for one, and those it rejects."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from project.core.metrics import Counter, Gauge, Histogram, is_enabled, set_gauges_with

ACTIVE = Gauge(
    'http_server_active_requests',
    'Requests that have a thread now, by kind; the number is at most a second old.',
    ('kind',),
    owner=__name__,
)
WAITING = Gauge(
    'http_server_waiting_requests',
    'Requests that wait for a thread now, by kind.',
    ('kind',),
    owner=__name__,
)
THREADS = Gauge(
    'http_server_threads',
    'The largest number of threads, by kind. Waiting requests mean that all are busy.',
    ('kind',),
    owner=__name__,
)
WAITED = Histogram(
    'http_server_queue_seconds',
    'Time that a request waited for a thread; requests that did not wait are not included.',
    ('kind',),
    owner=__name__,
)
REJECTED = Counter(
    'http_server_rejected_requests_total',
    'Requests that the server rejected before the application saw them.',
    ('http_response_status_code',),
    owner=__name__,
)
WORKERS = Counter(
    'http_server_worker_starts_total',
    'Web workers that were started. More than at a start or a reload: workers die.',
    owner=__name__,
)


# The attributes of `ApiWorker` that are its limiters, one for each kind of requests.
KINDS = ('ordinary', 'password_hashing', 'streams', 'large_json', 'large_responses', 'health')


def measure_worker(worker: Any) -> None:
    """Measure the requests of an `ApiWorker`, if METRICS_ADDRESS is set."""
    if worker.serves_tasks or not is_enabled():
        return
    WORKERS.increment()
    limiters = {kind: getattr(worker, kind) for kind in KINDS}
    for kind, limiter in limiters.items():
        limiter.name = kind
    set_gauges_with(partial(_read_limiters, limiters))


def _read_limiters(limiters: Mapping[str, Any]) -> None:
    for kind, limiter in limiters.items():
        THREADS.set(kind, to=limiter.max_running)
        ACTIVE.set(kind, to=len(limiter.running))
        WAITING.set(kind, to=len(limiter.waiting))
