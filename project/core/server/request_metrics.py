"""Metrics of the web worker: its threads, the requests that wait for one, and those it rejects."""

from collections.abc import Callable
from typing import Any

from project.core.metrics import Counter, Gauge, Histogram, is_enabled

ACTIVE = Gauge(
    'http_server_active_requests',
    'Requests that have a thread now, by the kind of their thread.',
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

Handle = Callable[[Any, Any], bool]


# The attributes of `ApiWorker` that are its limiters, one for each kind of requests.
KINDS = ('ordinary', 'password_hashing', 'streams', 'large_json', 'large_responses', 'health')


def measure_worker(worker: Any) -> None:
    """Measure the requests of an `ApiWorker`, if METRICS_ADDRESS is set."""
    if worker.serves_tasks or not is_enabled():
        return
    WORKERS.increment()
    for kind in KINDS:
        limiter = getattr(worker, kind)
        limiter.name = kind
        THREADS.set(kind, to=limiter.max_running)
    # Without METRICS_ADDRESS, requests must not pay for metrics.
    worker.handle_request = _count_active(worker.handle_request)


def _count_active(handle: Handle) -> Handle:
    """Return `handle_request` with a count of the requests that it handles now."""

    def counted(request: Any, conn: Any) -> bool:
        # A large response moves its request to another limiter meanwhile.
        kind = conn.limiter.name
        ACTIVE.add(kind)
        try:
            return handle(request, conn)
        finally:
            ACTIVE.add(kind, amount=-1)

    return counted
