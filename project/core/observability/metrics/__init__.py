"""Metrics for Prometheus on METRICS_ADDRESS: collection in all processes, and their export."""

from flask import Flask

from project.core.metrics import EXPORT_METRICS, START_METRICS

from . import service  # noqa: F401 - declares metrics
from .exporter import MetricsExporter

__all__ = ['MetricsExporter', 'init_app']


def init_app(app: Flask) -> None:
    """Store the exporter in the application, if METRICS_ADDRESS is set."""
    if address := app.config['METRICS_ADDRESS']:
        exporter = MetricsExporter(app, address)
        START_METRICS.set(app, exporter.start)
        EXPORT_METRICS.set(app, exporter.serve)
