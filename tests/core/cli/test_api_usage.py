"""`flask api usage`: the callers of deprecated routes."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Blueprint

from project.core.database.session import db
from project.core.deprecated_calls.rows import ANONYMOUS, Call, add_requests
from project.core.web.endpoints.access import public
from project.core.web.endpoints.deprecation import Deprecation
from project.core.web.endpoints.endpoint import endpoint
from tests.databases import create_tables

TODAY, NOON = date(2026, 11, 29), datetime(2026, 11, 29, 12, tzinfo=UTC)
KEY = '0b8c1f6e-0000-4000-8000-000000000001'


@pytest.fixture
def kernel_cli(kernel):
    """Yield a runner of `flask` in an application with two deprecated routes, one with callers."""
    blueprint = Blueprint('boats', __name__)
    for name in ('old', 'older'):
        deprecation = Deprecation(since=date(2026, 11, 1), sunset=date(2027, 6, 1))
        declared = endpoint(allow=public, deprecated=deprecation)(lambda: None)
        blueprint.get(f'/{name}', endpoint=name)(declared)
    app = kernel(blueprint)
    with app.app_context():
        create_tables()
        for user_id, key, day in (
            (ANONYMOUS, '', TODAY), (5, '', TODAY), (5, KEY, TODAY - timedelta(days=3)),
        ):  # fmt: skip
            add_requests(Call('GET /old', day, user_id, key, 'curl'), 2, NOON)
        db.session.remove()
        yield app.test_cli_runner()


class TestApiUsage:
    def test_lists_the_callers_of_all_deprecated_routes(self, kernel_cli):
        result = kernel_cli.invoke(args=['api', 'usage', '--json'])

        rows = json.loads(result.stdout)
        shown = [(r['route'], r['caller'], r['user_id'], r['key_id'], r['requests']) for r in rows]
        assert shown == [
            ('GET /old', 'anonymous', None, None, 2),
            ('GET /old', 'user', 5, None, 2),
            ('GET /old', 'key', 5, KEY, 2),
            ('GET /older', None, None, None, 0),
        ]
        assert {row['sunset'] for row in rows} == {'2027-06-01'}
        assert rows[0]['last_seen'] == '2026-11-29T12:00:00Z'

    def test_counts_since_a_day(self, kernel_cli):
        result = kernel_cli.invoke(args=['api', 'usage', '--since', '2026-11-28'])

        assert result.exit_code == 0
        assert 'anonymous' in result.stdout
        assert KEY not in result.stdout

    def test_rejects_a_malformed_day(self, kernel_cli):
        result = kernel_cli.invoke(args=['api', 'usage', '--since', 'yesterday'])

        assert result.exit_code == 2
