"""The service as the user of the container image: many limits do not apply to root."""

import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.core.images.sample_images import encoded, halves
from tests.reliability.harness import children
from tests.service import BIN, ROOT, Service, free_port, started, wait_for
from tests.unprivileged import UnprivilegedUser, unprivileged_user

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = pytest.mark.servers

IMAGE_TESTS = (
    'tests/core/images',
    'tests/core/test_processes.py',
    'tests/files/routes/test_thumbnails.py',
    'tests/users/routes/test_avatars.py',
    'tests/users/service/test_avatars.py',
)


@pytest.fixture
def user() -> Iterator[UnprivilegedUser]:
    """Yield a user without privileges."""
    with unprivileged_user() as user:
        yield user


@pytest.fixture
def service(user: UnprivilegedUser) -> Iterator[Service]:
    """Run the service as in development, with SQLite; it creates its own folders."""
    var = user.folder / 'var'
    env = {
        **user.env,
        'APP_ENV': 'development',
        'DATABASE_URL': f'sqlite:///{var}/database.sqlite',
        'STORAGE_URL': f'file://{var}/storage',
        'MAIL_URL': f'file://{var}/mail',
        'MAINTENANCE_FILE': f'{var}/maintenance',
        'FILES_PUBLIC_FOLDER': f'{var}/public',
        'PORT': str(free_port()),
        'WEB_CONCURRENCY': '1',
    }
    flask(user, env, 'db', 'upgrade')
    with started(env, user.folder, user.command) as service:
        yield service


def flask(user: UnprivilegedUser, env: dict[str, str], *words: str) -> str:
    """Run a `flask` command as the unprivileged user; return its output."""
    command = user.command(str(BIN / 'flask'), *words)
    return subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def create_user(user: UnprivilegedUser, service: Service) -> dict[str, str]:
    """Create a user by a command and log in; return the `Authorization` header."""
    output = flask(user, service.env, 'create-user', 'ada', '--email', 'ada@example.com')
    login = {'user_or_email': 'ada', 'password': output.split('Password: ')[1].strip()}
    response = requests.post(f'{service.url}/api/v1/auth/sessions', json=login, timeout=10)
    return {'Authorization': f'Bearer {response.json()["data"]["token"]}'}


def send(service: Service, headers: dict[str, str], method: str, path: str, image: Any) -> Any:
    """Upload an image in a form."""
    url = f'{service.url}/api/v1{path}'
    form = {'file': ('a.avif', image)}
    return requests.request(method, url, files=form, headers=headers, timeout=20)


def processes_of(first: int) -> list[int]:
    """Return the ids of a process and of all its descendants."""
    found = [first]
    for pid in found:
        found += children(pid)
    return found


def modes(folder: Path) -> dict[str, str]:
    """Return the permissions of all files and folders in a folder, by path."""
    return {
        str(path.relative_to(folder)): stat.filemode(path.stat().st_mode)
        for path in folder.rglob('*')
    }


@pytest.mark.timeout(400)  # Runs 170 tests, in 12 s on a quiet machine.
def test_image_tests_pass(user: UnprivilegedUser) -> None:
    ended = subprocess.run(
        user.command(sys.executable, '-m', 'pytest', '-q', '-p', 'no:schemathesis', *IMAGE_TESTS),
        cwd=ROOT,
        env={**user.env, 'APP_ENV': 'testing'},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout[-5000:]
    assert re.search(r'\n\d+ passed in ', ended.stdout), 'some tests were skipped'


def test_files_are_accessible_to_the_user_only(user: UnprivilegedUser, service: Service) -> None:
    headers = create_user(user, service)
    image = encoded(halves(), 'AVIF').getvalue()
    assert send(service, headers, 'PUT', '/users/me/avatar', image).status_code == 201
    assert send(service, headers, 'POST', '/files', image).status_code == 201
    mail = {'email': 'ada@example.com'}  # with a PIN
    requests.post(f'{service.url}/api/v1/auth/password-resets', json=mail, timeout=10)
    wait_for(lambda: list((service.var / 'var' / 'mail').glob('*.eml')))

    found = modes(service.var / 'var')

    names = {Path(name).suffix for name, mode in found.items() if mode[0] == '-'}
    assert {'.sqlite', '.sqlite-wal', '.sqlite-shm', '.eml', ''} <= names
    assert {'storage/incoming', 'storage/avatars', 'storage/blobs', 'mail'} <= set(found)
    assert set(found.values()) == {'-rw-------', 'drwx------'}


def test_processes_of_the_service_are_not_readable_by_others_of_the_user(
    user: UnprivilegedUser, service: Service
) -> None:
    worker = subprocess.Popen(
        user.command(str(BIN / 'flask'), 'jobs', 'work'), cwd=ROOT, env=service.env
    )
    try:
        # The service has these processes: gunicorn, a web worker, the supervisor, three task
        # workers and the dispatcher. The command has the last five.
        wait_for(lambda: len(processes_of(service.pid)) == 7)
        wait_for(lambda: len(processes_of(worker.pid)) == 5)
        processes = [*processes_of(service.pid), *processes_of(worker.pid)]

        readable = {pid: can_read(user, str(pid)) for pid in processes}
    finally:
        worker.terminate()
        worker.wait(30)

    assert not any(readable.values()), readable
    assert can_read(user, 'self')


def can_read(user: UnprivilegedUser, pid: str) -> bool:
    """Return whether the unprivileged user can read the environment of a process."""
    code = f'open("/proc/{pid}/environ", "rb").read()'
    ended = subprocess.run(
        user.command(sys.executable, '-c', code), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0 or 'PermissionError' in ended.stderr
    return ended.returncode == 0
