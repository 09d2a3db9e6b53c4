"""A mail server that is away, or says nothing: every mail arrives in the end."""

import asyncio
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.service import free_port

from .harness import IS_LONG, Attacked, attacked, figure, post, wait_until

WAYS = (
    [('sqlite', ''), ('postgresql', ''), ('sqlite', 'amqp'), ('postgresql', 'amqp')]
    if IS_LONG
    else [('sqlite', ''), ('postgresql', 'amqp')]
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

MAILS = 30 if IS_LONG else 6
OUTAGE = 60.0 if IS_LONG else 5.0
HANGING = 2  # mails for which the server does not say 250 when it should


class Kept:
    """Keeps each mail by its id; may first hang before it says so."""

    def __init__(self, hang: int = 0) -> None:
        self.hang = hang
        self.hung = 0
        self.found: dict[str, list[str]] = {}

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Take a mail."""
        if self.hang > 0:
            self.hang -= 1
            self.hung += 1
            await asyncio.sleep(120)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.found.setdefault(str(message['Message-ID']), []).append(str(message['To']))
        return '250 OK'


@pytest.fixture(scope='module')
def port() -> int:
    """The port of the mail server."""
    return free_port()


@pytest.fixture(scope='module', params=WAYS, ids='-'.join)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[Attacked]:
    """A running service that sends its mails to that port."""
    var, url = tmp_path_factory.mktemp('smtp'), f'smtp://127.0.0.1:{port}'
    with attacked(var, *request.param, MAIL_URL=url) as service:
        yield service


def everybody(kept: Kept) -> set[str]:
    """Return who got a mail."""
    return {to for recipients in kept.found.values() for to in recipients}


def send_all(service: Attacked) -> set[str]:
    """Have every mail asked for, and return to whom."""
    for number in range(MAILS):
        answer = post(service, number)
        assert answer is not None
        assert answer.status_code == 200
    return {f'number-{number}@example.com' for number in range(MAILS)}


def test_a_server_that_is_away_for_a_while_gets_every_mail(service: Attacked, port: int) -> None:
    kept = Kept()
    began = time.monotonic()
    wanted = send_all(service)
    assert time.monotonic() - began < MAILS  # No request waits for it.
    wait_until(lambda: time.monotonic() - began > OUTAGE, OUTAGE + 5)
    server = Controller(kept, hostname='127.0.0.1', port=port)
    server.start()
    try:
        back = time.monotonic()
        wait_until(lambda: everybody(kept) == wanted, OUTAGE + 30)
        service.wait_until_done(10)
    finally:
        server.stop()
    took = time.monotonic() - back
    figure(
        f'{service.way}: SMTP away for {OUTAGE:g} s, '
        f'{MAILS} mails within {took:.1f} s of its return'
    )


def test_a_server_that_hangs_before_its_250_gets_every_mail(service: Attacked, port: int) -> None:
    kept = Kept(hang=HANGING)
    server = Controller(kept, hostname='127.0.0.1', port=port)
    server.start()
    try:
        with service.watched():
            began = time.monotonic()
            wanted = send_all(service)
            wait_until(lambda: everybody(kept) == wanted, 90)
            service.wait_until_done(10)
    finally:
        server.stop()
    took = time.monotonic() - began
    figure(f'{service.way}: SMTP hung {kept.hung} times, {MAILS} mails in {took:.1f} s')
    figure(f'{service.way}: none under way longer than {service.longest_running:.1f} s')
    assert kept.hung == HANGING
    # Ten seconds for each step of the conversation, and a minute for all of it.
    assert service.longest_running < 60
