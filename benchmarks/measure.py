"""Costs of processes from /proc: CPU time of a process tree, peak memory of a process."""

import os
import re
from pathlib import Path

TICK = os.sysconf('SC_CLK_TCK')
MIB = 1 << 20


def cpu_seconds(root: int) -> float:
    """Return the CPU seconds of a process, its descendants and its reaped children."""
    return sum(_times(pid, reaped=True) for pid in tree(root))


def tree(root: int) -> list[int]:
    """Return the process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        if stat := _stat(pid):
            children.setdefault(int(stat[1]), []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_by_pid(pids: list[int], name: str) -> dict[int, float]:
    """Return the CPU seconds of the processes that exist and have this name."""
    return {pid: _times(pid, reaped=False) for pid in pids if process_name(pid) == name}


def process_name(pid: int) -> str:
    try:
        return Path(f'/proc/{pid}/comm').read_text().strip()
    except OSError:
        return ''


def peak_memory(pid: int) -> int:
    """Return the largest resident set size of a process so far, in bytes."""
    status = Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'VmHWM:\s+(\d+) kB', status)[1]) * 1024


def memory_by_pid(root: int) -> dict[int, int]:
    """Return the peak memory of all living processes of a tree, in bytes."""
    return {pid: peak_memory(pid) for pid in tree(root)}


def cpu_model() -> str:
    found = re.search(r'model name\s*:\s*(.+)', Path('/proc/cpuinfo').read_text())
    return found[1].strip() if found else 'unknown processor'


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path('/proc').iterdir() if entry.name.isdigit()]


def _times(pid: int, *, reaped: bool) -> float:
    stat = _stat(pid)
    return sum(map(int, stat[11 : 15 if reaped else 13])) / TICK if stat else 0.0


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat after the process name.

    Field 1 is the parent; fields 11 to 14 are CPU times.
    """
    try:
        content = Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return None
    return content.rpartition(')')[2].split()
