"""Clients that this project did not write: generated ones, and upload clients in a browser."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.clients import generators
from tests.clients.scenario import STEPS, run_scenario
from tests.journeys.browsers import browse, served
from tests.service import Service, running_service

# URLs and commands of these features.
requires = ('auth', 'files')

pytestmark = pytest.mark.servers

HERE = generators.HERE


@pytest.fixture(scope='module', autouse=True)
def installed() -> None:
    """Install the generators and the upload clients."""
    generators.install()


@pytest.fixture(scope='module')
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the page with the upload clients; yield its origin."""
    script = tmp_path_factory.mktemp('page') / 'upload_widgets.js'
    command = generators.bundle_command(HERE / 'upload_widgets.mjs', script)
    generators.run(generators.TOOLS, *command)
    pages = {'upload_widgets.html': (HERE / 'upload_widgets.html').read_text}
    with served(**pages, **{'upload_widgets.js': script.read_text}) as origin:
        yield origin


@pytest.fixture(scope='module')
def service(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp('service'), CORS_ORIGINS=origin) as service:
        yield service


@pytest.mark.parametrize('name', generators.IN_CI)
def test_generated_client_completes_all_steps(service: Service, name: str, tmp_path: Path) -> None:
    program = generators.IN_CI[name].prepare(service, tmp_path)

    assert run_scenario(service, name, program.command, **program.env) == list(STEPS)


def test_upload_clients_store_a_deleted_file_again(
    service: Service, origin: str, tmp_path: Path
) -> None:
    output = service.flask('create-user', 'ada', '--email', 'ada@example.com')
    login = {'user_or_email': 'ada', 'password': output.split('Password: ')[1].strip()}
    url = f'{service.url}/api/v1'
    token = requests.post(f'{url}/auth/sessions', json=login, timeout=10).json()['data']['token']

    page, _ = browse(f'{origin}/upload_widgets.html#api={service.url}&token={token}', tmp_path)

    said = json.loads(html.unescape(re.findall(r'<pre id="said">(.*?)</pre>', page)[0]))
    parts = said.pop('parts')
    assert said == {
        name: {'deleted': 200, 'isNewFile': True, 'content': f'The content of {name}'}
        for name in ('Uppy XHRUpload', 'Uppy Tus', 'tus-js-client')
    }
    assert parts['status'] in range(400, 500)
    assert parts['body']['status'] == 'fail'
    headers = {'Authorization': f'Bearer {token}'}
    files = requests.get(f'{url}/files', headers=headers, timeout=10).json()['data']['items']
    assert len(files) == 3
