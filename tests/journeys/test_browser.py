"""A page on another origin, in a real browser, under the real CORS policy: all a login can be."""

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


def said(document: str) -> dict[str, Any]:
    """Return what the page wrote down."""
    [text] = re.findall(r'<pre id="said">(.*?)</pre>', document, re.DOTALL)
    found: dict[str, Any] = json.loads(html.unescape(text))
    return found


def otp(secret: str, step: str) -> str:
    """Return what an authenticator shows, now or in its next half minute."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * int(step))


@pytest.fixture(scope='module')
def started() -> list[Service]:
    """The service, once it runs: its page is served before it."""
    return []


@pytest.fixture(scope='module')
def origin(started: list[Service]) -> Iterator[str]:
    """The origin of a page that may call the service."""

    def pin() -> str:
        return re.findall(r'\b\d{6}\b', started[0].mails()[-1])[0]

    with served(pin=pin, otp=otp) as origin:
        yield origin


@pytest.fixture(scope='module')
def service(
    started: list[Service], origin: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A running service, which allows one origin."""
    var = tmp_path_factory.mktemp('service')
    with running_service(var, CORS_ORIGINS=origin) as service:
        started.append(service)
        yield service


def test_a_page_on_another_origin_does_all_of_it(
    service: Service, origin: str, tmp_path: Path
) -> None:
    document, console = browse(f'{origin}/journey.html?api={service.url}', tmp_path / 'browser')

    assert said(document) == {
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
    # What the browser says of them by itself is that they were refused.
    assert all(' 401 ' in line for line in console)


def test_a_page_that_may_not_is_stopped_by_the_browser(service: Service, tmp_path: Path) -> None:
    with served() as origin:
        document, console = browse(f'{origin}/journey.html?api={service.url}', tmp_path / 'browser')

    assert said(document) == {'error': 'TypeError: Failed to fetch'}
    assert 'blocked by CORS policy' in console[0]
