"""The client's IP address, from the connection or from the headers of trusted proxies."""

import pytest

from project.core.request_context import current_request_context
from tests.kit.responses import data

FORGED = {
    'X-Forwarded-For': '198.51.100.1, 203.0.113.7',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'evil.example',
}


class TestTrustedProxies:
    def test_trusts_no_proxy_by_default(self, kernel, whoami):
        client = kernel(whoami).test_client()

        response = client.get('/whoami', headers=FORGED)

        assert data(response) == ['127.0.0.1', 'http', 'localhost']

    def test_trusts_one_hop_per_proxy(self, kernel, whoami):
        client = kernel(whoami, TRUSTED_PROXIES=1).test_client()

        response = client.get('/whoami', headers=FORGED)

        assert data(response) == ['203.0.113.7', 'https', 'localhost']

    def test_counts_the_hops_from_the_last_one(self, kernel, whoami):
        client = kernel(whoami, TRUSTED_PROXIES=2).test_client()

        forged = {'X-Forwarded-For': f'10.9.9.9, {FORGED["X-Forwarded-For"]}'}
        response = client.get('/whoami', headers=forged)

        assert data(response)[0] == '198.51.100.1'

    def test_removes_the_port_that_proxies_add(self, kernel, whoami):
        client = kernel(whoami, TRUSTED_PROXIES=1).test_client()

        forwarded = {'X-Forwarded-For': '198.51.100.1, 203.0.113.7:41234 '}
        response = client.get('/whoami', headers=forwarded)

        assert data(response)[0] == '203.0.113.7'


class TestClientIp:
    @pytest.mark.parametrize(
        ('sent', 'kept'),
        [
            ('192.0.2.1', '192.0.2.1'),
            ('2001:DB8::0:1', '2001:db8::1'),
            ('::ffff:192.0.2.1', '192.0.2.1'),
            ('unknown', ''),
            ('192.0.2.1:4711', '192.0.2.1'),
            ('[2001:db8::1]:443', '2001:db8::1'),
            ('x' * 65, ''),
            ('fe80::1%' + 'x' * 65, 'fe80::1'),
            ('', ''),
        ],
    )
    def test_returns_an_ip_address_or_an_empty_string(self, serve, sent, kept):
        seen = []
        client = serve(lambda: seen.append(current_request_context().ip_address))

        response = client.get('/probe', environ_base={'REMOTE_ADDR': sent})

        assert response.status_code == 200
        assert seen == [kept]

    def test_logs_only_the_first_unreadable_ip_address(self, serve, caplog):
        client = serve(lambda: None)

        for address in ('unknown', 'x' * 1000, '192.0.2.1'):
            client.get('/probe', environ_base={'REMOTE_ADDR': address})

        [record] = [r for r in caplog.records if r.name == 'project.core.web.requests.client_ip']
        assert record.getMessage().startswith("Unreadable client address 'unknown'")
