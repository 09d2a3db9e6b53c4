"""`announce_stop`, and the signal that a process receives when its parent ends."""

import subprocess
import sys

ANNOUNCED = """
import os
from project.core.process_lifetime import announce_stop, is_stopping
before = is_stopping()
child = os.fork()
if not child:
    announce_stop()
    os._exit(0)
os.waitpid(child, 0)
print(before, is_stopping())
"""

# The child process waits for the signal. The parent process exits without any cleanup.
ORPHANED = """
import os, signal, time
from project.core.processes import signal_at_parent_exit
ready, written = os.pipe()
if os.fork():
    os.read(ready, 1)
    os._exit(0)
signal.signal(signal.SIGTERM, lambda *_: os._exit(print('ended', flush=True) or 0))
signal_at_parent_exit(signal.SIGTERM)
os.write(written, b'x')
time.sleep(30)
"""


def output_of(script: str) -> str:
    """Run a script in a new Python process; return its output.

    Forking the test process is unsafe, because it has threads.
    """
    return subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, timeout=20, check=True
    ).stdout


class TestIsStopping:
    def test_is_shared_with_processes_forked_later(self) -> None:
        assert output_of(ANNOUNCED) == 'False True\n'


class TestSignalAtParentExit:
    def test_arrives_after_the_end_of_the_parent(self) -> None:
        assert output_of(ORPHANED) == 'ended\n'
