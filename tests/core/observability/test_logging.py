"""Logging: the formatters, and the log line that each request writes."""

import io
import json
import logging
import sys

import pytest

from project.core.observability.logging import FORMATTERS, JsonFormatter, ReadableFormatter
from project.core.request_context import RequestContext, set_request_context
from project.core.web.endpoints.access import authenticated

from ..apps import bearer, principal

# Characters that some programs treat as the end of a line, or that control a terminal.
HOSTILE = '\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x1b[31m\x9b31m\x7f\x00\u202e'
FORGED = '{"level":"info","message":"admin logged in"}'


def record(message, *args, fields=None, error=None, level=logging.INFO):
    made = logging.LogRecord('project.x', level, __file__, 1, message, args, error)
    if fields:
        made.fields = fields
    return made


def caught(message):
    try:
        raise ValueError(message)
    except ValueError:
        return sys.exc_info()


class Lines(logging.Filter):
    """A filter that keeps the log line of each request as JSON.

    It formats a record when it is logged, as a handler does.
    """

    def __init__(self):
        super().__init__()
        self.lines = []

    def filter(self, record):
        if record.name == 'project.request':
            self.lines.append(JsonFormatter().format(record))
        return True


@pytest.fixture
def log(caplog):
    """Return a function that returns the log lines of all requests so far."""
    lines = Lines()
    caplog.handler.addFilter(lines)
    yield lambda: lines.lines
    caplog.handler.removeFilter(lines)


class TestJsonFormatter:
    def test_writes_the_record_as_json(self):
        set_request_context(RequestContext('abc', '192.0.2.1', 'curl'))
        made = record('sent %s', 'it', fields={'status': 200})
        made.created = 1795435200.5

        assert json.loads(JsonFormatter().format(made)) == {
            'time': '2026-11-23T12:00:00.500000Z',
            'level': 'info',
            'logger': 'project.x',
            'message': 'sent it',
            'request_id': 'abc',
            'status': 200,
        }

    def test_writes_a_traceback_into_the_same_line(self):
        line = JsonFormatter().format(record('failed', error=caught('why')))

        assert len(line.splitlines()) == 1
        assert json.loads(line)['exception'].endswith('ValueError: why')

    def test_writes_one_line_for_any_content(self):
        made = record(
            f'a{HOSTILE}{FORGED}', fields={'path': HOSTILE}, error=caught(f'b{HOSTILE}{FORGED}')
        )

        line = JsonFormatter().format(made)

        assert len(line.splitlines()) == 1
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)['message'] == f'a{HOSTILE}{FORGED}'

    @pytest.mark.parametrize('value', [2**70, '\ud800', object(), {1: 2}, b'x'])
    def test_writes_any_value(self, value):
        assert json.loads(JsonFormatter().format(record('x', fields={'value': value})))['value']


class TestReadableFormatter:
    def test_writes_time_level_request_id_message_and_fields(self):
        set_request_context(RequestContext('abc'))
        made = record('request', fields={'status': 200, 'path': '/ü'}, level=logging.WARNING)
        made.created = 1795435200.5

        assert ReadableFormatter().format(made) == '12:00:00 WARNING abc request status=200 path=/ü'

    def test_ends_with_the_message_without_fields(self):
        made = record('hello')
        made.created = 1795435200.5

        assert ReadableFormatter().format(made) == '12:00:00 INFO    - hello'

    def test_writes_the_traceback_below_the_line(self):
        text = ReadableFormatter().format(record('failed', error=caught('why')))

        assert text.splitlines()[1] == '    Traceback (most recent call last):'
        assert text.splitlines()[-1] == '    ValueError: why'

    @pytest.mark.parametrize('place', ['message', 'argument', 'field', 'exception'])
    def test_escapes_line_breaks_and_control_characters(self, place):
        unescaped = []
        for char in sorted(HOSTILE):
            evil = f'x{char}12:00:00 INFO    admin logged in'
            made = {
                'message': lambda evil=evil: record(evil),
                'argument': lambda evil=evil: record('path %s', evil),
                'field': lambda evil=evil: record('request', fields={'path': evil}),
                'exception': lambda evil=evil: record('failed', error=caught(evil)),
            }[place]()
            first, *rest = ReadableFormatter().format(made).splitlines()
            is_indented = all(line.startswith('    ') for line in rest)
            if not is_indented or not all(line.isprintable() for line in (first, *rest)):
                unescaped.append(char)

        assert unescaped == []


class TestConfigure:
    def test_has_two_formats(self):
        assert {'json': JsonFormatter, 'readable': ReadableFormatter} == FORMATTERS

    @pytest.mark.parametrize('level', ['LOUD', '', 'info', '10'])
    def test_rejects_an_unknown_level(self, kernel, level):
        with pytest.raises(SystemExit, match='LOG_LEVEL is'):
            kernel(LOG_LEVEL=level)

    @pytest.mark.parametrize(('form', 'start'), [('json', '{"time":'), ('readable', '1')])
    def test_writes_to_stderr_so_that_stdout_stays_clean(self, kernel, monkeypatch, form, start):
        stderr, stdout = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, 'stderr', stderr)
        monkeypatch.setattr(sys, 'stdout', stdout)
        app = kernel(LOG_FORMAT=form, LOG_LEVEL='INFO')
        [handler] = [h for h in logging.getLogger().handlers if h.name == 'stderr']

        app.test_client().get('/healthz')
        handler.setStream(sys.__stderr__)

        [line] = stderr.getvalue().splitlines()
        assert 'request' in line
        assert line.startswith(start) or form == 'readable'
        assert stdout.getvalue() == ''

    def test_applies_the_log_level(self, kernel, log):
        app = kernel(LOG_LEVEL='WARNING')

        app.test_client().get('/healthz')

        assert log() == []


class TestLogRequest:
    def test_contains_user_request_and_status(self, serve, log):
        client = serve(
            lambda thing_id: None,
            rule='/things/<int:thing_id>',
            allow=authenticated(),
            people={'secret-token': principal(user_id=7)},
        )

        client.get(
            '/things/5?q=private',  # the route has no query
            headers={**bearer('secret-token'), 'X-Request-ID': 'abc', 'User-Agent': 'curl'},
            environ_base={'REMOTE_ADDR': '192.0.2.1'},
        )

        [line] = map(json.loads, log())
        assert line.pop('ms') >= 0
        assert line.pop('time')
        assert line == {
            'level': 'info',
            'logger': 'project.request',
            'message': 'request',
            'request_id': 'abc',
            'method': 'GET',
            'path': '/things/5',
            'route': '/things/<int:thing_id>',
            'status': 422,
            'user_id': 7,
            'address': '192.0.2.1',
        }

    def test_contains_neither_query_nor_token_nor_body(self, serve, log, caplog):
        client = serve(lambda: None)

        client.post(
            '/probe?code=123456',
            headers=bearer('pst_secret'),
            json={'password': 'hunter2', 'pin': '654321'},
        )

        [line] = log()
        for word in ('123456', 'code', 'pst_secret', 'hunter2', '654321', 'password'):
            assert word not in line + caplog.text

    @pytest.mark.parametrize(
        ('method', 'url', 'status', 'route'),
        [
            ('GET', '/nowhere', 404, None),
            ('DELETE', '/healthz', 405, None),
            ('POST', '/probe', 500, '/probe'),
        ],
    )
    def test_is_written_for_errors_and_bugs(self, serve, log, method, url, status, route):
        def bug():
            raise ZeroDivisionError

        client = serve(bug, settings={'PROPAGATE_EXCEPTIONS': False})

        client.open(url, method=method)

        [line] = map(json.loads, log())
        assert (line['status'], line['route'], line['user_id']) == (status, route, None)

    def test_is_written_during_maintenance(self, kernel, log, tmp_path):
        (tmp_path / 'maintenance').touch()

        kernel().test_client().get('/readyz')

        [line] = map(json.loads, log())
        assert line['status'] == 503

    @pytest.mark.parametrize('form', ['json', 'readable'])
    def test_is_one_line_for_any_request(self, client, caplog, form):
        caplog.set_level(logging.INFO, 'project.request')

        client.get(
            f'/x%0d%0a12:00:00 INFO forged%1b[31m%E2%80%A8%C2%9B%C2%85{FORGED}',
            headers={'User-Agent': f'x\x1b[31m{FORGED}'},
        )

        [made] = [r for r in caplog.records if r.name == 'project.request']
        lines = FORMATTERS[form]().format(made).splitlines()
        assert len([line for line in lines if not line.startswith('    ')]) == 1
        assert all(line.isprintable() for line in lines)
