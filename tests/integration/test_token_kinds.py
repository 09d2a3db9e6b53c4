"""All registered kinds of tokens: masked in logs, and revoked after a leak."""

import json
import logging
from pathlib import Path

import pytest
from gunicorn.http.errors import InvalidHeader
from sqlalchemy import select

from project.auth.models import Event
from project.core.database.session import db
from project.core.errors import ApiError
from project.core.observability.logging import FORMATTERS
from project.core.security.tokens import TOKEN_PATTERN, new_family, new_token, token_kinds
from project.core.web.requests.fields import Token
from tests.auth.factories import account
from tests.feature_modules import feature_modules

ROOT = Path(__file__).parents[2]
KINDS = sorted(token_kinds())


def issue(prefix):
    """Create a token of this kind for Ada; return it with a function that uses it."""
    issuers = dict(
        item for module in feature_modules('issued_tokens') for item in module.ISSUERS.items()
    )
    assert prefix in issuers, f'add {prefix} to ISSUERS in tests/<feature>/issued_tokens.py'
    return issuers[prefix](account(username='ada'))


def is_valid(attempt):
    try:
        return bool(attempt())
    except ApiError:
        return False


@pytest.mark.parametrize('prefix', KINDS)
class TestTokenKinds:
    def test_are_revoked_if_leaked(self, cli, mailbox, prefix):
        token, attempt = issue(prefix)
        before = len(mailbox())
        meaning = token_kinds()[prefix].meaning

        dry = cli.invoke(args=['auth', 'leaked', token, '--dry-run'])
        done = cli.invoke(args=['auth', 'leaked', token])
        again = cli.invoke(args=['auth', 'leaked', token])

        assert dry.output == f'Would revoke the {meaning} of ada.\n'
        assert done.output == f'Revoked the {meaning} of ada.\n'
        assert (again.exit_code, again.stdout) == (1, '')
        assert not is_valid(attempt)
        [mail] = mailbox()[before:]
        assert meaning in mail.get_body(('plain',)).get_content()
        events = select(Event.details).where(Event.event_type == 'token_leaked')
        assert [json.loads(details) for details in db.session.scalars(events)] == [
            {'token': prefix}
        ]

    def test_are_valid_before_they_leak(self, prefix):
        assert is_valid(issue(prefix)[1])

    @pytest.mark.parametrize('form', sorted(FORMATTERS))
    def test_are_masked_in_all_parts_of_a_log_line(self, prefix, form):
        token = new_token(prefix, new_family())
        error = InvalidHeader(f'Authorization\t: Bearer {token}')
        record = logging.LogRecord(
            'gunicorn.error', logging.WARNING, '', 1, 'Invalid request from ip=%s: %s',
            ('192.0.2.1', str(error)), (InvalidHeader, error, None),
        )  # fmt: skip
        record.fields = {'path': f'/api/v1/files/shared/{token}/content', 'request_id': token}

        line = FORMATTERS[form]().format(record)

        assert token[4:20] not in line
        assert line.count(f'{prefix}_***') == 4

    def test_are_masked_in_the_log_line_of_a_request(self, client, caplog, prefix):
        caplog.set_level(logging.INFO, 'project.request')
        token = new_token(prefix)

        client.get(f'/api/v1/files/shared/{token}', headers={'X-Request-ID': token})

        [record] = [r for r in caplog.records if r.name == 'project.request']
        assert token[4:20] not in FORMATTERS['json']().format(record)


class TestTokenPattern:
    def test_is_that_of_the_security_page(self):
        page = (ROOT / 'docs' / 'security.md').read_text(encoding='utf-8')

        assert f'`{TOKEN_PATTERN.pattern}`' in page

    def test_is_that_of_nginx(self):
        configuration = (ROOT / 'deploy' / 'nginx.conf').read_text(encoding='utf-8')

        assert TOKEN_PATTERN.pattern.replace('(', '(?<kind>', 1) in configuration


class TestExamples:
    def test_begin_with_a_registered_prefix(self, app):
        bodies = {spec.body for spec in app.extensions['endpoint_specs'].values() if spec.body}

        tokens = [
            field.metadata['example']
            for schema in bodies
            for field in schema._declared_fields.values()
            if isinstance(field, Token) and 'example' in field.metadata
        ]

        assert {token.partition('_')[0] for token in tokens} <= set(KINDS)
        assert tokens
