"""All registered kinds of tokens: masked in logs, documented, and revoked after a leak."""

import json
import logging
import re
from pathlib import Path

import pytest
from gunicorn.http.errors import InvalidHeader
from sqlalchemy import select

from project.auth.models import Event
from project.auth.service import create_key, identify, log_in, refresh_session
from project.core.database.session import db
from project.core.errors import ApiError
from project.core.observability.logging import FORMATTERS
from project.core.security.tokens import new_family, new_token, token_kinds, token_pattern
from project.files.service import create_link, resolve_link
from tests.auth.factories import PASSWORD, account
from tests.files.file_io import store
from tests.users.factories import principal_of

ROOT = Path(__file__).parents[2]
KINDS = sorted(token_kinds())


def issue(prefix):
    """Create a token of this kind for Ada; return it with a function that uses it."""
    ada = account(username='ada')
    if prefix == 'psl':
        token = create_link(principal_of(ada), store(ada.id).id)['token']
        return token, lambda: resolve_link(token)
    if prefix == 'pak':
        token = create_key(principal_of(ada), name='ci', scopes=['files:read'])['key']
        return token, lambda: identify(token)
    login = log_in(user_or_email='ada', password=PASSWORD)
    if prefix == 'prt':
        return login.refresh_token, lambda: refresh_session(login.refresh_token)
    if prefix == 'pdv':
        return login.device, lambda: token_kinds()['pdv'].find_owner(login.device)
    assert prefix == 'pst', f'this function must issue tokens of the kind {prefix}'
    return login.token, lambda: identify(login.token)


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

    def test_are_documented(self, prefix):
        page = (ROOT / 'docs' / 'security.md').read_text(encoding='utf-8')

        assert f'| `{prefix}` | {token_kinds()[prefix].meaning}' in page


class TestDocumentedPattern:
    def test_is_the_pattern_of_the_registry(self):
        page = (ROOT / 'docs' / 'security.md').read_text(encoding='utf-8')

        assert f'`{token_pattern().pattern}`' in page
        assert re.findall(r'^  \| `(\w{3})` \|', page, re.MULTILINE) == KINDS

    def test_is_the_pattern_of_nginx(self):
        configuration = (ROOT / 'deploy' / 'nginx.conf').read_text(encoding='utf-8')

        pattern = token_pattern().pattern.replace('(', '(?<kind>', 1)
        assert pattern in configuration
