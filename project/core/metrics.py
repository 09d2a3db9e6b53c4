"""Declarations of metrics, which the service exports for Prometheus if METRICS_ADDRESS is set.

A module declares its metrics at import: `SENT = Counter('mail_sent_total', 'Sent mails.',
('template',), owner=__name__)`. Without METRICS_ADDRESS, `prometheus-client` is not imported and
each call returns immediately. `project/core/observability/metrics` exports the values.

The values of all processes are in files of one folder (multiprocess mode of prometheus-client), so
any process can export the sums.
"""

import os
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter as Counts
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from flask import Flask

from .app_values import AppValue
from .registration import Registry, feature_of, is_in_project, require_prefix

# Time series per metric and process. Further combinations of label values are counted under
# `OTHER`, because each one needs memory here and in Prometheus for as long as they run.
MAX_SERIES = 2000
OTHER = 'other'

# Upper bounds of durations in seconds. A request for the caller's own account takes 2 ms, a login
# 60 ms, a large download minutes. `/readyz` takes at most 3 s.
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600)

# The variable with the folder. prometheus-client reads it once, when it is imported.
FOLDER_VARIABLE = 'PROMETHEUS_MULTIPROC_DIR'


class Metric:
    """Base class: a named figure of this service. The creation of an instance registers it.

    :param name: the name in Prometheus, in base units: `_seconds`, `_bytes`; `_total` for counters.
        The names of a feature's metrics begin with the name of the feature.
    :param meaning: one sentence, for Prometheus and for the page of the feature.
    :param labels: the names of the labels. Their values must come from a small fixed set, such as
        routes, states or outcomes; never from a user, a path or a file.
    :param owner: the module that declares the metric: `__name__`.
    :raises RegistrationError: if the name is taken, or lacks the prefix of the feature.
    """

    kind: ClassVar[str]

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = (), *, owner: str) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = tuple(labels)
        if is_in_project(owner) and feature_of(owner) != 'core':
            require_prefix('metric', name, owner=owner)
        metrics.register(name, self, owner=owner)


class StoredMetric(Metric, ABC):
    """A metric whose values the processes store when something happens."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._exported: Any = None
        self._series: dict[tuple[str, ...], Any] = {}

    @property
    def is_enabled(self) -> bool:
        """Whether values are stored."""
        return self._exported is not None

    def enable(self) -> None:
        """Store values from now on."""
        self._exported = self._create()

    @abstractmethod
    def store(self, values: tuple[str, ...], numbers: Sequence[float]) -> None:
        """Store changes of one series, in the order in which they happened."""

    @abstractmethod
    def _create(self) -> Any:
        """Return the object of prometheus-client that stores the values."""

    def _change(self, values: tuple[str, ...], number: float) -> None:
        if self._exported is None:
            return
        if _buffer is None:
            self.store(values, (number,))
        else:
            _buffer.append((self, values, number))

    def _of(self, values: tuple[str, ...]) -> Any:
        series = self._series.get(values)
        if series is None:
            if len(self._series) >= MAX_SERIES:
                values = (OTHER,) * len(self.labels)
            series = self._exported.labels(*values) if self.labels else self._exported
            self._series[values] = series
        return series


class Counter(StoredMetric):
    """A number that only grows, such as the number of sent mails."""

    kind = 'counter'

    def increment(self, *values: str, by: float = 1) -> None:
        """Add a number.

        :param values: the values of the labels, in the order of their declaration.
        """
        self._change(values, by)

    def store(self, values: tuple[str, ...], numbers: Sequence[float]) -> None:
        """Add numbers."""
        self._of(values).inc(sum(numbers))

    def _create(self) -> Any:
        from prometheus_client import Counter as ExportedCounter

        return ExportedCounter(self.name, self.meaning, self.labels, registry=None)


class Gauge(StoredMetric):
    """A number that grows and falls, summed over the living processes, such as busy threads."""

    kind = 'gauge'

    def set(self, *values: str, to: float) -> None:
        """Set the number of this process.

        :param values: the values of the labels, in the order of their declaration.
        """
        self._change(values, to)

    def store(self, values: tuple[str, ...], numbers: Sequence[float]) -> None:
        """Set the last number."""
        self._of(values).set(numbers[-1])

    def _create(self) -> Any:
        from prometheus_client import Gauge as ExportedGauge

        return ExportedGauge(
            self.name, self.meaning, self.labels, registry=None, multiprocess_mode='livesum'
        )


class Histogram(StoredMetric):
    """The distribution of a duration or a size.

    :param bounds: the upper bounds of the buckets.
    """

    kind = 'histogram'

    def __init__(self, *args: Any, bounds: Sequence[float] = SECONDS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bounds = tuple(bounds)

    def observe(self, value: float, *values: str) -> None:
        """Count a duration in seconds, or a size.

        :param values: the values of the labels, in the order of their declaration.
        """
        self._change(values, value)

    def store(self, values: tuple[str, ...], numbers: Sequence[float]) -> None:
        """Count numbers, each in its bucket.

        `observe` of prometheus-client writes two values per number. This writes two per bucket.
        """
        series = self._of(values)
        buckets = Counts(bisect_left(self.bounds, number) for number in numbers)
        for index, count in buckets.items():
            series._buckets[index].inc(count)
        series._sum.inc(sum(numbers))

    def _create(self) -> Any:
        from prometheus_client import Histogram as ExportedHistogram

        return ExportedHistogram(
            self.name, self.meaning, self.labels, registry=None, buckets=self.bounds
        )


Samples = Mapping[tuple[str, ...], float]


class SampledGauge(Metric):
    """A figure that is read for each request of Prometheus, such as the number of waiting tasks.

    All instances of the service read the same database, so all export the same value.

    :param read: returns the value by label values; `{(): 3}` without labels. It runs in an
        application context, in any process of the service.
    """

    kind = 'gauge'

    def __init__(self, *args: Any, read: Callable[[], Samples], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.read = read


metrics: Registry[Metric] = Registry('metric')

# Only if METRICS_ADDRESS is set: the function that each process of the service calls after the
# fork, so that one of them exports the metrics.
EXPORT_METRICS: AppValue[Callable[[], None]] = AppValue('export_metrics')
# The function that starts the collection, before the fork.
START_METRICS: AppValue[Callable[[], None]] = AppValue('start_metrics')


def export_metrics(app: Flask) -> None:
    """Export the metrics of the service from this process, if METRICS_ADDRESS is set."""
    if EXPORT_METRICS.is_set(app):
        EXPORT_METRICS.of(app)()


def start_metrics(app: Flask) -> None:
    """Store the values of this process and of those that it forks, if METRICS_ADDRESS is set."""
    if START_METRICS.is_set(app):
        START_METRICS.of(app)()


def is_enabled() -> bool:
    """Return whether this process stores the values of its metrics."""
    return any(m.is_enabled for m in metrics.values.values() if isinstance(m, StoredMetric))


# The changes that this process has not stored yet, in their order; None if it stores each one
# immediately. A write to the files takes 3 µs, and a request makes several.
_buffer: deque[tuple[StoredMetric, tuple[str, ...], float]] | None = None
# The functions that set gauges of this process.
_gauge_readers: list[Callable[[], None]] = []


def buffer_changes() -> None:
    """Let this process keep changes in memory. It must then call `store_changes` repeatedly."""
    global _buffer
    _buffer = deque()


def set_gauges_with(function: Callable[[], None]) -> None:
    """Call a function before each `store_changes` of this process, to set gauges."""
    _gauge_readers.append(function)


def store_changes() -> None:
    """Set the gauges of this process, and store the changes that it has kept in memory."""
    for read in _gauge_readers:
        read()
    changes: dict[tuple[StoredMetric, tuple[str, ...]], list[float]] = {}
    while _buffer:
        metric, values, number = _buffer.popleft()
        changes.setdefault((metric, values), []).append(number)
    for (metric, values), numbers in changes.items():
        metric.store(values, numbers)


def enable_metrics(folder: Path) -> None:
    """Store the values of all declared metrics in files of a folder.

    Call it once, after all modules are imported and before the service forks.
    """
    os.environ[FOLDER_VARIABLE] = str(folder)
    for metric in metrics.values.values():
        if isinstance(metric, StoredMetric):
            metric.enable()
