"""The check of `TRUSTED_PROXIES`."""

import time
from functools import partial

import pytest

from project.core.checks import Situation
from project.core.doctor.proxies import (
    FORGED_ADDRESS,
    check_proxies,
    count_proxies,
    report_finding,
    request_report,
)
from project.core.observability.health import proxy_probe
from project.core.observability.health.proxy_probe import (
    PROBE_HEADER,
    PROBE_LIFETIME_SECONDS,
    REPORT_HEADER,
    create_probe,
)
from tests.listeners import listener


def report(**changes):
    """Return the report about a request through one proxy."""
    return {
        'forwarded_for': f'{FORGED_ADDRESS}, 198.51.100.7',
        'trusted_proxies': 1,
        'address': '198.51.100.7',
        'scheme': 'https',
        **changes,
    }


class TestCountProxies:
    @pytest.mark.parametrize(
        ('header', 'count'),
        [
            (FORGED_ADDRESS, 0), ('', 0), (f'{FORGED_ADDRESS}, 198.51.100.7', 1),
            (f'{FORGED_ADDRESS},198.51.100.7, 10.0.0.1', 2),
            ('198.51.100.7', 1),  # The proxy has replaced the header.
        ],
    )  # fmt: skip
    def test_counts_added_values(self, header, count):
        assert count_proxies(header) == count


class TestReportFinding:
    @pytest.mark.parametrize(
        ('changes', 'state', 'seen'),
        [
            ({}, 'ok', 'proxies: 1, address of this client: 198.51.100.7'),
            ({'trusted_proxies': 0}, 'failed', 'share the IP address'),
            ({'trusted_proxies': 2}, 'failed', 'choose their IP address'),
            ({'address': ''}, 'failed', 'reads the address'),
            ({'scheme': 'http'}, 'warning', 'scheme http of a request with https'),
        ],
    )
    def test_compares_what_arrived(self, changes, state, seen):
        found = report_finding(report(**changes), 'https')

        assert found.state == state
        assert seen in found.seen


class TestCheckProxies:
    @pytest.mark.parametrize(
        ('hops', 'is_strict', 'state'),
        [(0, True, 'warning'), (1, True, 'not checked'), (0, False, 'not checked')],
    )
    def test_compares_the_settings_without_a_url(self, hops, is_strict, state):
        config = {'TRUSTED_PROXIES': hops, 'STRICT': is_strict, 'PUBLIC_URL': 'https://api.test'}

        [found] = check_proxies(Situation(config=config))

        assert found.state == state

    def test_fails_if_the_server_does_not_speak_http(self, kernel):
        with listener(b'220 mail\r\n') as port, kernel(TRUSTED_PROXIES=1).app_context():
            config = {'TRUSTED_PROXIES': 1}

            [found] = check_proxies(Situation(config=config, url=f'http://127.0.0.1:{port}'))

        assert (found.state, found.seen) == ('failed', 'BadStatusLine: 220 mail\r\n'.strip())

    def test_fails_if_another_service_responds(self, kernel):
        response = b'HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n'
        with listener(response) as port, kernel().app_context():
            config = {'TRUSTED_PROXIES': 1}

            [found] = check_proxies(Situation(config=config, url=f'http://127.0.0.1:{port}'))

        assert found.seen == 'the response has no report about proxies: status 302'

    def test_stops_waiting_for_a_silent_server(self, monkeypatch):
        monkeypatch.setattr('project.core.doctor.proxies.REQUEST_SECONDS', 0.1)

        with listener() as port, pytest.raises(TimeoutError):
            request_report(f'http://127.0.0.1:{port}', 'probe')


class TestHealthz:
    """The report of `/healthz`."""

    @pytest.fixture
    def get(self, kernel):
        """Return a function that requests `/healthz` with a probe; it returns the report."""
        app = kernel(TRUSTED_PROXIES=1)
        with app.app_context():
            probe = create_probe()

        def request(value=probe, forwarded=f'{FORGED_ADDRESS}, 198.51.100.7'):
            headers = {PROBE_HEADER: value, 'X-Forwarded-For': forwarded}
            response = app.test_client().get('/healthz', headers=headers)
            assert response.status_code == 200
            return response.headers.get(REPORT_HEADER)

        return request

    def test_reports_what_arrived(self, get):
        assert '"forwarded_for": "192.0.2.1, 198.51.100.7"' in get()
        assert '"address": "198.51.100.7"' in get()
        assert '"trusted_proxies": 1' in get()

    @pytest.mark.parametrize('probe', ['', 'x', 'MQ.x'])
    def test_reports_nothing_to_other_clients(self, get, probe):
        assert get(probe) is None

    def test_reports_nothing_to_an_old_probe(self, get, monkeypatch):
        late = partial(int, time.time() + PROBE_LIFETIME_SECONDS + 2)
        monkeypatch.setattr(proxy_probe.time, 'time', late)

        assert get() is None
