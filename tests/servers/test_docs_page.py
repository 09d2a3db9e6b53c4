"""The documentation page in a browser without access to other hosts, which it does not need."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.journeys.browsers import browse
from tests.service import Service, running_service

pytestmark = pytest.mark.servers


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp('service')) as service:
        yield service


def test_page_shows_all_features_and_violates_no_policy(service: Service, tmp_path: Path) -> None:
    page, console = browse(f'{service.url}/api/v1/docs', tmp_path)

    served = requests.get(f'{service.url}/api/v1/openapi.json', timeout=10).json()
    assert '/api/v1/users/{user}' in served['paths']
    for path in served['paths']:
        assert f'data-path="{path}"' in page
    assert console == []


def test_page_prompts_for_a_token_if_the_document_requires_one(tmp_path: Path) -> None:
    (tmp_path / 'service').mkdir()
    with running_service(tmp_path / 'service', API_DOCS='authenticated') as service:
        page, console = browse(f'{service.url}/api/v1/docs', tmp_path / 'browser')

    assert '<form id="unlock">' in page
    assert 'data-path' not in page
    assert all('401' in line for line in console)
