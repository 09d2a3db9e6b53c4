"""Additions of the feature `files` to the service in `tests/reliability/workload.py`."""

import signal
import threading

import click
from flask import Blueprint

from project.files import service as files


def extend(workload: Blueprint) -> None:
    """Add the command that collects garbage until SIGTERM."""
    workload.cli.command('sweep')(collect)


def collect() -> None:
    """Delete stored objects without a row, until SIGTERM; print how many were deleted."""
    ends = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ends.set())
    removed = 0
    while not ends.is_set():
        removed += sum(swept.kind == 'bytes' for swept in files.collect_garbage())
    click.echo(removed)
