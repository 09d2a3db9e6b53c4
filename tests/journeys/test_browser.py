"""A web page on another origin than the service registers and logs in, in a real browser (CORS)."""

import html
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.service import Service, running_service

from .browsers import browse, served

pytestmark = pytest.mark.servers


def recorded(document: str) -> dict[str, Any]:
    """Return the results that the script of the page has written into its HTML."""
    [text] = re.findall(r'<pre id="said">(.*?)</pre>', document, re.DOTALL)
    found: dict[str, Any] = json.loads(html.unescape(text))
    return found


def otp(secret: str, step: str) -> str:
    """Return the code of an authenticator app: step 0 is now, step 1 is in 30 seconds."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * int(step))


@pytest.fixture(scope='module')
def started() -> list[Service]:
    """Return an empty list to which the fixture `service` adds the service.

    The page needs the service, but its server must start first.
    """
    return []


@pytest.fixture(scope='module')
def origin(started: list[Service]) -> Iterator[str]:
    """Serve a page whose script calls the service; yield the origin of the page."""

    def pin() -> str:
        return re.findall(r'\b\d{6}\b', started[0].mails()[-1])[0]

    with served(pin=pin, otp=otp) as origin:
        yield origin


@pytest.fixture(scope='module')
def service(
    started: list[Service], origin: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Run a service whose CORS settings allow the origin of the page."""
    var = tmp_path_factory.mktemp('service')
    with running_service(var, CORS_ORIGINS=origin) as service:
        started.append(service)
        yield service


def test_page_of_an_allowed_site_registers_and_logs_in_and_out(
    service: Service, origin: str, tmp_path: Path
) -> None:
    document, console = browse(f'{origin}/journey.html?api={service.url}', tmp_path / 'browser')

    assert recorded(document) == {
        'registered': 202,
        'verified': 201,
        'loggedIn': 201,
        'qr': True,
        'recoveryCodes': 10,
        'withoutFactor': [401, ['otp']],
        'withFactor': 201,
        'tabs': [200, 200, True],
        'me': [200, 'ada'],
        'readable': [True, True],
        'loggedOut': 200,
        'afterwards': 401,
        'refreshedAfterwards': 401,
    }
    # The browser itself logs each response with status 401. It must log nothing else.
    assert all(' 401 ' in line for line in console)


def test_browser_blocks_the_requests_of_a_page_that_is_not_allowed(
    service: Service, tmp_path: Path
) -> None:
    with served() as origin:
        document, console = browse(f'{origin}/journey.html?api={service.url}', tmp_path / 'browser')

    assert recorded(document) == {'error': 'TypeError: Failed to fetch'}
    assert 'blocked by CORS policy' in console[0]
