"""The service without Linux-only system calls, as on macOS or a BSD.

Image decoders have their own test for such systems: tests/core/images/test_sandbox.py.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.core.images.sample_images import decoded, encoded, halves
from tests.reliability.harness import children
from tests.service import Service, running_service, wait_for

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = pytest.mark.servers

# Python runs this code at the start of each process; it deletes Linux-only names. All of them exist
# on Linux, with Python 3.11 or newer. Each module is imported by name, so that none uses a name
# before it is deleted.
WITHOUT_LINUX = """
from importlib import import_module

for module, names in {
    'os': 'sched_getaffinity sched_setaffinity eventfd memfd_create pidfd_open posix_fallocate '
          'posix_fadvise sendfile copy_file_range splice pipe2 fdatasync getrandom',
    'select': 'epoll',
    'signal': 'sigtimedwait sigwaitinfo',
    'resource': 'prlimit',
    'socket': 'TCP_USER_TIMEOUT SO_PEERCRED',
}.items():
    for name in names.split():
        delattr(import_module(module), name)

import ctypes


class Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name in ('prctl', 'syscall'):
            raise AttributeError(name)
        return super().__getattr__(name)


ctypes.CDLL = Library
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Run the service with task workers on such a system."""
    (tmp_path / 'sitecustomize.py').write_text(WITHOUT_LINUX)
    with running_service(tmp_path, PYTHONPATH=str(tmp_path), WEB_CONCURRENCY='1') as service:
        yield service


def test_service_works_and_logs_missing_protections(service: Service) -> None:
    output = service.flask('create-user', 'ada', '--email', 'ada@example.com')
    login = {'user_or_email': 'ada', 'password': output.split('Password: ')[1].strip()}
    url = f'{service.url}/api/v1'
    session = requests.post(f'{url}/auth/sessions', json=login, timeout=10).json()['data']
    headers = {'Authorization': f'Bearer {session["token"]}'}
    image = encoded(halves(), 'AVIF').getvalue()
    form = {'file': ('a.avif', image)}

    avatar = requests.put(f'{url}/users/me/avatar', files=form, headers=headers, timeout=20)
    file = requests.post(f'{url}/files', files=form, headers=headers, timeout=20).json()['data']
    path = f'{url}/files/{file["id"]}'
    content = requests.get(f'{path}/content', headers=headers, timeout=20)

    assert avatar.status_code == 201
    assert content.content == image
    # A task worker makes the thumbnail.
    wait_for(lambda: requests.get(f'{path}/thumbnail', headers=headers).status_code == 200)
    thumbnail = requests.get(f'{path}/thumbnail', headers=headers, timeout=20)
    assert decoded(thumbnail.content).format == 'WEBP'
    log = (service.var / 'service.log').read_text()
    assert 'run without these protections: ' in log
    assert 'dumpable' in log


def test_all_processes_end_when_the_first_is_killed(service: Service) -> None:
    wait_for(lambda: len(processes_of(service)) == 7)
    processes = processes_of(service)

    os.kill(service.pid, signal.SIGKILL)

    wait_for(lambda: not any(is_running(pid) for pid in processes[1:]))


def processes_of(service: Service) -> list[int]:
    """Return all processes of the service: the first one and its descendants."""
    found = [service.pid]
    for pid in found:
        found += children(pid)
    return found


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False
