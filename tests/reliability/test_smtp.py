"""A mail server that is down or does not respond: all mails are delivered later."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.kit.mailbox import parse_mail
from tests.service import free_port

from .harness import IS_LONG, ServiceUnderTest, figure, post, service_under_test, wait_until

VARIANTS = (
    [('sqlite', ''), ('postgresql', ''), ('sqlite', 'amqp'), ('postgresql', 'amqp')]
    if IS_LONG
    else [('sqlite', ''), ('postgresql', 'amqp')]
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

MAILS = 30 if IS_LONG else 6
OUTAGE_SECONDS = 60.0 if IS_LONG else 5.0
HANGING = 2  # mails to which the server does not respond in time


class RecordingHandler:
    """An SMTP handler that stores each mail under its Message-ID.

    :param hang: the number of mails to which it does not respond in time.
    """

    def __init__(self, hang: int = 0) -> None:
        self.hang = hang
        self.hung = 0
        self.found: dict[str, list[str]] = {}

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Store a mail, and respond that it is accepted."""
        if self.hang > 0:
            self.hang -= 1
            self.hung += 1
            await asyncio.sleep(120)
        message = parse_mail(envelope.content)
        self.found.setdefault(str(message['Message-ID']), []).append(str(message['To']))
        return '250 OK'


@pytest.fixture(scope='module')
def port() -> int:
    """Return the port on which the mail server will listen."""
    return free_port()


@pytest.fixture(scope='module', params=VARIANTS, ids='-'.join)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[ServiceUnderTest]:
    """Run a service that sends its mails to this port."""
    var, url = tmp_path_factory.mktemp('smtp'), f'smtp://127.0.0.1:{port}'
    with service_under_test(var, *request.param, MAIL_URL=url) as service:
        yield service


def recipients_of(handler: RecordingHandler) -> set[str]:
    """Return the recipients of all received mails."""
    return {to for recipients in handler.found.values() for to in recipients}


def send_all(service: ServiceUnderTest) -> set[str]:
    """Request all mails; return the recipients that they should have."""
    for number in range(MAILS):
        answer = post(service, number)
        assert answer is not None
        assert answer.status_code == 200
    return {f'number-{number}@example.com' for number in range(MAILS)}


def test_all_mails_arrive_after_an_outage_of_the_server(
    service: ServiceUnderTest, port: int
) -> None:
    handler = RecordingHandler()
    began = time.monotonic()
    expected = send_all(service)
    assert time.monotonic() - began < MAILS  # No request of the service waits for the mail server.
    wait_until(lambda: time.monotonic() - began > OUTAGE_SECONDS, OUTAGE_SECONDS + 5)
    server = Controller(handler, hostname='127.0.0.1', port=port)
    server.start()
    try:
        back = time.monotonic()
        wait_until(lambda: recipients_of(handler) == expected, OUTAGE_SECONDS + 30)
        service.wait_until_done(10)
    finally:
        server.stop()
    took = time.monotonic() - back
    figure(
        f'{service.variant}: SMTP down for {OUTAGE_SECONDS:g} s, '
        f'{MAILS} mails within {took:.1f} s of its return'
    )


def test_all_mails_arrive_if_the_server_hangs_before_its_response(
    service: ServiceUnderTest, port: int
) -> None:
    handler = RecordingHandler(hang=HANGING)
    server = Controller(handler, hostname='127.0.0.1', port=port)
    server.start()
    try:
        with service.watched():
            began = time.monotonic()
            expected = send_all(service)
            wait_until(lambda: recipients_of(handler) == expected, 90)
            service.wait_until_done(10)
    finally:
        server.stop()
    took = time.monotonic() - began
    figure(f'{service.variant}: SMTP hung {handler.hung} times, {MAILS} mails in {took:.1f} s')
    figure(f'{service.variant}: none under way longer than {service.longest_running:.1f} s')
    assert handler.hung == HANGING
    # The time limits are ten seconds for each SMTP command, and a minute for a whole mail.
    assert service.longest_running < 60
