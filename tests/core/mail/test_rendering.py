"""Rendering of a mail from the templates in its folder."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from uuid import UUID

import pytest
from flask import current_app

from project.core.mail.rendering import (
    MessageIdentity,
    duration,
    new_message_identity,
    sender_address,
)
from tests.kit.mailbox import parse_mail, text_of

from .sample_mails import TO, hello

pytestmark = pytest.mark.usefixtures('mail_app')

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = UUID('12345678-1234-5678-1234-567812345678')


class TestMessageIdentity:
    def test_starts_with_the_time_and_ends_with_the_id(self):
        assert (
            str(MessageIdentity(NOON, ID))
            == '20261123T120000.000000.12345678123456781234567812345678'
        )


class TestNewMessageIdentity:
    def test_is_different_each_time(self):
        assert new_message_identity(NOON) != new_message_identity(NOON)


class TestRenderMail:
    def test_sets_the_headers(self):
        message = hello(identity=MessageIdentity(NOON, ID))

        assert message['From'] == 'The Team <team@example.test>'
        assert message['To'] == TO
        assert message['Subject'] == 'Hello Ada, welcome'
        assert message['Date'] == 'Mon, 23 Nov 2026 12:00:00 +0000'
        assert message['Message-ID'] == f'<{MessageIdentity(NOON, ID)}@example.test>'
        assert message['Auto-Submitted'] == 'auto-generated'

    def test_contains_the_same_content_as_text_and_html(self):
        message = hello()

        assert message.get_content_type() == 'multipart/alternative'
        text, html = text_of(message), text_of(message, 'html')
        assert 'WELCOME' in text
        assert 'You have 10 minutes.' in text
        assert 'http://localhost:8000' in text
        assert '<p>You have 10 minutes, Ada.</p>' in html
        assert 'http://localhost:8000' in html

    def test_has_the_same_message_id_for_the_same_identity(self):
        again = {hello(identity=MessageIdentity(NOON, ID))['Message-ID'] for _ in range(3)}
        others = {hello()['Message-ID'] for _ in range(3)}

        assert len(again) == 1
        assert len(others) == 3
        assert all(re.fullmatch(r'<[^@]+@example\.test>', found) for found in others)

    def test_escapes_html_in_names(self):
        name = '<img src=x onerror=alert(1)>"\''

        message = hello(name=name)

        assert '<img' not in text_of(message, 'html')
        assert '&lt;img src=x' in text_of(message, 'html')
        assert f'Hello {name},' in text_of(message)

    @pytest.mark.parametrize('line', ['\r\n', '\n', '\r', '\N{LINE SEPARATOR}', '\x0b', '\x85'])
    def test_escapes_line_breaks_in_names(self, line):
        name = f'Ada{line}Bcc: eve@example.com{line}{line}Hello'

        raw = bytes(hello(name=name))

        head = raw.split(b'\r\n\r\n')[0]
        assert message_from_bytes(raw)['Bcc'] is None
        assert b'\r\nBcc:' not in head

    def test_masks_six_digits_of_the_context_but_not_of_the_public_url(self, monkeypatch):
        url = 'https://api-123456789012.europe-west1.run.app'
        monkeypatch.setitem(current_app.config, 'PUBLIC_URL', url)

        text = text_of(hello(name='Ada 123456', secret={'pin': '654321'}))

        assert url in text
        assert '123456' not in text.replace(url, '')

    @pytest.mark.parametrize('line', ['\r\n', '\n', '\r'])
    def test_rejects_an_email_address_with_a_line_break(self, line):
        with pytest.raises(ValueError):
            hello(to=f'{TO}{line}Bcc: eve@example.com')

    @pytest.mark.parametrize(
        'to',
        [
            '',
            f'{TO}, eve@example.com',
            f'{TO},eve@example.com',
            f'Ada <{TO}>, Eve <eve@example.com>',
            f'All: {TO}, eve@example.com;',
            'nobody:;',
        ],
    )
    def test_rejects_text_that_is_not_exactly_one_email_address(self, to):
        with pytest.raises(ValueError, match='one address'):
            hello(to=to)

    def test_accepts_text_in_any_script(self):
        message = hello(to='jürgen@bücher.example', name='Jürgen 🎩')

        read = parse_mail(bytes(message))
        assert read['To'] == 'jürgen@xn--bcher-kva.example'
        assert read['Subject'] == 'Hello Jürgen 🎩, welcome'
        assert 'Hello Jürgen 🎩,' in text_of(read)

    @pytest.mark.parametrize(
        ('to', 'written'),
        [
            ('ada@bücher.example', 'ada@xn--bcher-kva.example'),
            ('ada@straße.test', 'ada@xn--strae-oqa.test'),
        ],
    )
    def test_encodes_domains_as_ascii_for_every_server(self, monkeypatch, to, written):
        monkeypatch.setitem(current_app.config, 'MAIL_FROM', 'Flask <no-reply@bücher.example>')

        message = hello(to=to)

        assert message['To'] == written
        assert message['From'] == 'Flask <no-reply@xn--bcher-kva.example>'
        assert message['Message-ID'].endswith('@xn--bcher-kva.example>')
        assert bytes(message).isascii()


class TestSenderAddress:
    @pytest.mark.parametrize(
        ('text', 'header'),
        [
            ('no-reply@localhost', 'no-reply@localhost'),
            ('API <a@b.example>', 'API <a@b.example>'),
            ('"Acme, Inc." <a@b.example>', '"Acme, Inc." <a@b.example>'),
            ('A <a@bücher.example>', 'A <a@xn--bcher-kva.example>'),
        ],
    )
    def test_is_the_sender_of_mails(self, monkeypatch, text, header):
        monkeypatch.setitem(current_app.config, 'MAIL_FROM', text)

        assert str(sender_address(text)) == hello()['From'] == header

    @pytest.mark.parametrize(
        'text', ['', '"', 'API', 'Acme, Inc. <a@b.example>', 'a@b.example\nBcc: c']
    )
    def test_raises_unless_the_text_is_one_email_address(self, text):
        with pytest.raises(ValueError, match='must be one address'):
            sender_address(text)


class TestDuration:
    @pytest.mark.parametrize(
        ('seconds', 'words'),
        [
            (0, '0 minutes'),
            (29, '0 minutes'),
            (60, '1 minute'),
            (600.0, '10 minutes'),
            (59 * 60, '59 minutes'),
            (3600, '1 hour'),
            (24 * 3600, '24 hours'),
            (47 * 3600, '47 hours'),
            (48 * 3600, '2 days'),
            (7 * 24 * 3600, '7 days'),
        ],
    )
    def test_returns_the_duration_in_words(self, seconds, words):
        assert duration(seconds) == words
