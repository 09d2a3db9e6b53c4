"""A mail server that is away, or says nothing: every mail arrives in the end."""

import asyncio
import time
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.service import free_port

from .harness import IS_LONG, Attacked, attacked, figure, post, wait_until

WAYS = pytest.mark.parametrize(
    ('database', 'broker'),
    [('sqlite', ''), ('postgresql', ''), ('sqlite', 'amqp'), ('postgresql', 'amqp')]
    if IS_LONG
    else [('sqlite', ''), ('postgresql', 'amqp')],
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


@WAYS
def test_a_server_that_is_away_for_a_while_gets_every_mail(
    tmp_path: Path, database: str, broker: str
) -> None:
    port, kept = free_port(), Kept()
    with attacked(tmp_path, database, broker, MAIL_URL=f'smtp://127.0.0.1:{port}') as service:
        began = time.monotonic()
        wanted = send_all(service)
        assert time.monotonic() - began < MAILS  # No request waits for it.
        wait_until(lambda: time.monotonic() - began > OUTAGE, OUTAGE + 5)
        server = Controller(kept, hostname='127.0.0.1', port=port)
        server.start()
        try:
            back = time.monotonic()
            wait_until(lambda: everybody(kept) == wanted, OUTAGE + 30)
        finally:
            server.stop()
        service.wait_until_done(10)
    took = time.monotonic() - back
    way = f'{database} {broker or "embedded"}'
    figure(f'{way}: SMTP away for {OUTAGE:g} s, {MAILS} mails within {took:.1f} s of its return')


@WAYS
def test_a_server_that_hangs_before_its_250_gets_every_mail(
    tmp_path: Path, database: str, broker: str
) -> None:
    port, kept = free_port(), Kept(hang=HANGING)
    server = Controller(kept, hostname='127.0.0.1', port=port)
    server.start()
    try:
        url = f'smtp://127.0.0.1:{port}'
        with attacked(tmp_path, database, broker, MAIL_URL=url) as service, service.watched():
            began = time.monotonic()
            wanted = send_all(service)
            wait_until(lambda: everybody(kept) == wanted, 90)
            service.wait_until_done(10)
    finally:
        server.stop()
    way, took = f'{database} {broker or "embedded"}', time.monotonic() - began
    figure(f'{way}: SMTP hung {kept.hung} times, {MAILS} mails in {took:.1f} s')
    figure(f'{way}: none under way longer than {service.longest_running:.1f} s')
    assert kept.hung == HANGING
    # Ten seconds for each step of the conversation, and a minute for all of it.
    assert service.longest_running < 60
