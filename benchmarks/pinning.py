"""CPU affinity: the load generator runs on the last core, the servers on the others.

Without pinning, the scheduler sometimes runs both on one core, which changes the cost of a request.
"""

import os
import shutil


def on_last_core(command: list[str]) -> list[str]:
    """Return the command of a load generator, pinned to the last core."""
    return _pinned(command, slice(-1, None))


def on_other_cores(command: list[str]) -> list[str]:
    """Return the command of a server, pinned to all cores except the last."""
    return _pinned(command, slice(None, -1))


def _pinned(command: list[str], part: slice) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or not shutil.which('taskset'):
        return command
    return ['taskset', '-c', ','.join(map(str, cores[part])), *command]
