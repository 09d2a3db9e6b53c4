"""`Server-Timing`, and warnings about repeated statements."""

import re
from typing import NamedTuple

import pytest
from flask import Blueprint
from sqlalchemy import event, literal, select

from project.core.database.compiled_query import CompiledQuery
from project.core.database.session import db
from project.core.development.server_timing import (
    MAX_REPETITIONS,
    count_statement,
    start_statement,
)
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint

from ..apps import kernel_app

HEADER_PATTERN = re.compile(
    r'sql;dur=(\d+\.\d\d);desc="(\d+)", total;dur=(\d+\.\d\d);desc="request"'
)


class OneRow(NamedTuple):
    """A row with a number."""

    number: int


ONE = CompiledQuery(OneRow, select(literal(1).label('number')))


def build(folder, *, is_development):
    """Create an application with the route `/zz/<int:count>`, which runs `count` statements."""
    blueprint = Blueprint('zz', __name__)

    @blueprint.get('/zz/<int:count>')
    @endpoint(allow=public)
    def zz(count):
        for number in range(count):
            db.session.execute(select(literal(number)))

    @blueprint.get('/zz/compiled')
    @endpoint(allow=public)
    def zz_compiled():
        ONE.all()

    return kernel_app(folder, blueprint, DEVELOPMENT=is_development)


@pytest.fixture(scope='module')
def development_app(tmp_path_factory):
    """Yield an application in development."""
    with build(tmp_path_factory.mktemp('timing'), is_development=True) as app:
        yield app


class TestServerTiming:
    def test_has_the_number_and_the_time_of_the_statements(self, development_app):
        header = development_app.test_client().get('/zz/3').headers['Server-Timing']

        sql, count, total = HEADER_PATTERN.fullmatch(header).groups()
        assert count == '3'
        assert 0 < float(sql) <= float(total)

    def test_includes_compiled_queries(self, development_app):
        header = development_app.test_client().get('/zz/compiled').headers['Server-Timing']

        assert HEADER_PATTERN.fullmatch(header)[2] == '1'

    def test_is_in_responses_without_statements_and_in_errors(self, development_app):
        client = development_app.test_client()

        found = [client.get(path).headers['Server-Timing'] for path in ('/zz/0', '/nowhere')]

        assert [HEADER_PATTERN.fullmatch(header)[2] for header in found] == ['0', '0']

    def test_is_missing_outside_development(self, tmp_path):
        with build(tmp_path, is_development=False) as app:
            assert 'Server-Timing' not in app.test_client().get('/zz/1').headers
            with app.app_context():
                assert not event.contains(db.engine, 'before_cursor_execute', start_statement)
                assert not event.contains(db.engine, 'after_cursor_execute', count_statement)


class TestRepeatedStatements:
    def test_are_logged_with_the_route_and_the_statement(self, development_app, caplog):
        development_app.test_client().get(f'/zz/{MAX_REPETITIONS + 1}')

        [record] = [r for r in caplog.records if r.name.endswith('server_timing')]
        assert record.levelname == 'WARNING'
        assert record.getMessage().startswith(
            f'GET /zz/<int:count> ran one statement {MAX_REPETITIONS + 1} times (N+1?): SELECT '
        )

    def test_are_not_logged_up_to_the_limit(self, development_app, caplog):
        development_app.test_client().get(f'/zz/{MAX_REPETITIONS}')

        assert [r for r in caplog.records if r.name.endswith('server_timing')] == []
