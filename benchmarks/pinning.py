"""Which cores what runs on: load on the last one, the servers on the others.

Left to the scheduler they meet on one core now and then, and what a request costs depends on that.
"""

import os
import shutil


def on_last_core(command: list[str]) -> list[str]:
    """Return the command of a load generator, kept away from what it measures."""
    return _pinned(command, slice(-1, None))


def on_other_cores(command: list[str]) -> list[str]:
    """Return the command of a server, kept away from the load generator."""
    return _pinned(command, slice(None, -1))


def _pinned(command: list[str], part: slice) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or not shutil.which('taskset'):
        return command
    return ['taskset', '-c', ','.join(map(str, cores[part])), *command]
