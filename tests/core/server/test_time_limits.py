"""That the time limits of service and proxy fit each other, as the table in the manual shows."""

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


def of_nginx(directive: str) -> int:
    """Return the seconds of a directive of `deploy/nginx.conf`."""
    text = UPSTREAM if directive == 'keepalive_timeout' else CONFIGURATION
    [value] = re.findall(rf'^ +{directive} (\d+)s;', text, re.MULTILINE)
    return int(value)


def of_table(words: str) -> list[int]:
    """Return the times that a cell of the table names, in seconds."""
    return [int(number) * SECONDS[unit] for number, unit in re.findall(r'(\d+) ([sh])\b', words)]


def in_service(words: str) -> int:
    """Return what the table says of the service, in the row that begins with these words."""
    [row] = [row for row in ROWS if row[0].strip().startswith(words)]
    [seconds] = of_table(row[1])
    return seconds


class TestTable:
    @pytest.mark.parametrize('cell', [row[2] for row in ROWS if '`' in row[2]])
    def test_has_the_values_of_nginx(self, cell: str) -> None:
        [directive] = re.findall(r'`(\w+)` \d', cell)

        assert of_table(cell) == [of_nginx(directive)]

    def test_names_every_time_limit_of_nginx(self) -> None:
        set_there = set(re.findall(r'^ +(\w+_timeout) ', CONFIGURATION, re.MULTILINE))

        assert set_there == set(re.findall(r'`(\w+_timeout)`', TABLE))

    def test_has_the_values_of_the_service(self) -> None:
        settings = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))

        assert {row[0].strip(): of_table(row[1]) for row in ROWS if of_table(row[1])} == {
            'the head of a request': [ApiWorker.read_timeout_seconds],
            'a JSON body, or any body up to 32 KiB': [settings['body_timeout_seconds']],
            'silence in another body, or fewer than `BODY_MIN_RATE` bytes a second': [
                ApiWorker.rate_window_seconds
            ],
            'one body as a whole': [MAX_BODY_SECONDS],
            'a large body waits for a thread': [ApiWorker.stream_queue_timeout_seconds],
            'no progress of a response': [ApiWorker.stall_timeout_seconds],
            'an idle connection between them': [settings['keepalive']],
            'the first byte of a response, after the whole request': [30],
        }


class TestLimits:
    """Which of the two gives up first."""

    @pytest.mark.parametrize(
        ('first', 'then'),
        [
            (in_service('silence in another body') * 2, of_nginx('client_body_timeout')),
            (in_service('a large body waits'), of_nginx('proxy_send_timeout')),
            (in_service('the first byte'), of_nginx('proxy_read_timeout')),
            # A client that nginx no longer waits for must not look like one that reads slowly.
            (of_nginx('send_timeout'), in_service('no progress')),
            # nginx must not send a request on a connection that the service is about to close.
            (of_nginx('keepalive_timeout'), in_service('an idle connection')),
            (of_nginx('proxy_connect_timeout'), of_nginx('proxy_next_upstream_timeout')),
        ],
    )
    def test_fit_each_other(self, first: int, then: int) -> None:
        assert first < then
