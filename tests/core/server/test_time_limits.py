"""Time limits of the service and of nginx, which depend on each other.

The limits of the service are read from the table in `docs/operations.md`.
"""

import re
import runpy

import pytest

from project.core.server.worker import MAX_BODY_SECONDS, ApiWorker

from .serving import ROOT

TABLE = (ROOT / 'docs' / 'operations.md').read_text().split('### Time limits')[1].split('\n#')[0]
ROWS = [line.strip('|').split('|') for line in TABLE.splitlines() if line.startswith('| ')][1:]
CONFIGURATION = (ROOT / 'deploy' / 'nginx.conf').read_text()
[UPSTREAM] = re.findall(r'upstream service \{.*?\n    \}', CONFIGURATION, re.DOTALL)
SECONDS = {'s': 1, 'h': 3600}


def nginx_seconds(directive: str) -> int:
    """Return the time limit in a directive of `deploy/nginx.conf`, in seconds."""
    text = UPSTREAM if directive == 'keepalive_timeout' else CONFIGURATION
    [value] = re.findall(rf'^ +{directive} (\d+)s;', text, re.MULTILINE)
    return int(value)


def seconds_in(words: str) -> list[int]:
    """Return all times in a text such as `10 s`, in seconds."""
    return [int(number) * SECONDS[unit] for number, unit in re.findall(r'(\d+) ([sh])\b', words)]


def service_seconds(words: str) -> int:
    """Return a time limit of the service, in seconds.

    :param words: the beginning of its row in the table.
    """
    [row] = [row for row in ROWS if row[0].strip().startswith(words)]
    [seconds] = seconds_in(row[1])
    return seconds


class TestTable:
    @pytest.mark.parametrize('cell', [row[2] for row in ROWS if '`' in row[2]])
    def test_has_the_values_of_nginx(self, cell: str) -> None:
        [directive] = re.findall(r'`(\w+)` \d', cell)

        assert seconds_in(cell) == [nginx_seconds(directive)]

    def test_contains_every_time_limit_of_nginx(self) -> None:
        configured = set(re.findall(r'^ +(\w+_timeout) ', CONFIGURATION, re.MULTILINE))

        assert configured == set(re.findall(r'`(\w+_timeout)`', TABLE))

    def test_has_the_values_of_the_service(self) -> None:
        settings = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))

        assert {row[0].strip(): seconds_in(row[1]) for row in ROWS if seconds_in(row[1])} == {
            'the head of a request': [ApiWorker.read_timeout_seconds],
            'a JSON body, or any body up to 32 KiB': [settings['body_timeout_seconds']],
            'silence in another body, or fewer than `BODY_MIN_RATE` bytes a second': [
                ApiWorker.rate_window_seconds
            ],
            'one body as a whole': [MAX_BODY_SECONDS],
            'a large body waits for a thread': [ApiWorker.stream_queue_timeout_seconds],
            'no progress of a response': [ApiWorker.stall_timeout_seconds],
            'an idle connection between nginx and the service': [settings['keepalive']],
            'the first byte of a response, after the whole request': [30],
        }


class TestLimits:
    """Of two time limits, the first must expire before the second."""

    @pytest.mark.parametrize(
        ('first', 'then'),
        [
            (service_seconds('silence in another body') * 2, nginx_seconds('client_body_timeout')),
            (service_seconds('a large body waits'), nginx_seconds('proxy_send_timeout')),
            (service_seconds('the first byte'), nginx_seconds('proxy_read_timeout')),
            # nginx must stop waiting for a slow client before the service stops waiting for nginx.
            (nginx_seconds('send_timeout'), service_seconds('no progress')),
            # nginx must not reuse a connection that the service is about to close.
            (nginx_seconds('keepalive_timeout'), service_seconds('an idle connection')),
            (nginx_seconds('proxy_connect_timeout'), nginx_seconds('proxy_next_upstream_timeout')),
        ],
    )
    def test_are_reached_in_this_order(self, first: int, then: int) -> None:
        assert first < then
