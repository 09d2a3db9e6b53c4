"""The export of all metrics in the text format of Prometheus, on a separate address.

Every process of the service stores its values in files of a shared folder, so each of them can
export the sums. One thread in each web worker and dispatcher tries to listen on METRICS_ADDRESS.
The first one succeeds. If its process ends, another one takes over within a second.
"""

import atexit
import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from errno import EADDRINUSE
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from flask import Flask

from project.core.database.session import db
from project.core.metrics import (
    SampledGauge,
    buffer_changes,
    enable_metrics,
    metrics,
    store_changes,
)
from project.core.processes import process_exists

from .connections import measure_connections
from .requests import measure_requests

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

# Until a process stores its values, and tries again to listen on the address.
ROUND_SECONDS = 1.0

log = logging.getLogger(__name__)


class MetricsExporter:
    """The metrics of a service: `start` them before the fork, then `serve` them in its processes.

    :param address: the host and port to listen on.
    """

    def __init__(self, app: Flask, address: str) -> None:
        host, _, port = address.rpartition(':')
        self.address = address
        self._host, self._port = host.strip('[]'), int(port)
        self._app = app
        self._folder: Path | None = None

    def start(self) -> None:
        """Store the values of this process, and of those that it forks, from now on.

        Log one warning if another program occupies the address, and continue.
        """
        self._warn_if_occupied()
        self._folder = Path(tempfile.mkdtemp(prefix='metrics-'))
        atexit.register(_delete_folder, self._folder, os.getpid())
        enable_metrics(self._folder)
        measure_requests(self._app)

    def serve(self) -> None:
        """Store the values of this process each second; export all values unless another one does.

        Call it after the fork, because threads do not survive a fork.
        """
        with self._app.app_context():
            measure_connections(db.engine)
        buffer_changes()
        Thread(target=self._serve, name='metrics', daemon=True).start()

    def collect(self) -> 'Iterator[Metric]':
        """Yield all metrics: the sums over the processes, and the values that are read now."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        folder = self._folder
        assert folder is not None  # noqa: S101 - `start` was called
        _delete_gauges_of_ended_processes(folder)
        stored = MultiProcessCollector(CollectorRegistry(), str(folder))  # type: ignore[no-untyped-call]
        yield from stored.collect()  # type: ignore[no-untyped-call]
        yield from self._samples()

    def _warn_if_occupied(self) -> None:
        """Bind the address once, before the processes of this service compete for it."""
        try:
            family, kind, protocol, _, target = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind, protocol) as trial:
                # As the HTTP server does: closed connections of an earlier process do not
                # occupy the address.
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(target)
        except OSError as error:
            log.warning('METRICS_ADDRESS %s is not usable: %s', self.address, error)

    def _serve(self) -> None:
        is_exporting = False
        while True:
            try:
                is_exporting = is_exporting or self._try_to_export()
                store_changes()
            except Exception:
                log.exception('the metrics cannot be stored')
            time.sleep(ROUND_SECONDS)

    def _try_to_export(self) -> bool:
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry()
        registry.register(self)
        try:
            start_http_server(self._port, self._host, registry)
        except OSError as error:
            # Usually the address is in use by another process of this service. For another program,
            # `start` has logged a warning.
            level = logging.DEBUG if error.errno == EADDRINUSE else logging.WARNING
            log.log(level, 'METRICS_ADDRESS %s: %s', self.address, error)
            return False
        return True

    def _samples(self) -> 'Iterator[Metric]':
        from prometheus_client.core import GaugeMetricFamily

        unreadable = GaugeMetricFamily(
            'metrics_unreadable', 'Whether a figure could not be read (1).', labels=['metric']
        )
        with self._app.app_context():
            for name, metric in metrics.values.items():
                if not isinstance(metric, SampledGauge):
                    continue
                family = GaugeMetricFamily(name, metric.meaning, labels=metric.labels)
                try:
                    samples = metric.read()
                except Exception:
                    log.warning('the metric %s cannot be read', name, exc_info=True)
                    unreadable.add_metric([name], 1)
                else:
                    for values, value in samples.items():
                        family.add_metric(values, value)
                    yield family
        yield unreadable


def _delete_folder(folder: Path, owner: int) -> None:
    # Forked processes inherit this function, but only the one that created the folder deletes it.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _delete_gauges_of_ended_processes(folder: Path) -> None:
    """Delete the gauges of processes that have ended: they count no longer.

    Counters and histograms of ended processes stay, because sums must not fall.
    """
    for path in folder.glob('gauge_live*_*.db'):
        if not process_exists(int(path.stem.rpartition('_')[2])):
            path.unlink(missing_ok=True)
