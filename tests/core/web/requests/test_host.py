"""The check of the host of each request."""

import pytest

from project.core.web.requests.host import HostInvalid, host_name, is_trusted
from tests.kit.responses import fails_with

TRUSTED = ['api.example.test', '.cdn.example.test', '::1', '127.0.0.1']


class TestCheckHost:
    @pytest.fixture
    def client(self, serve):
        return serve(lambda: None, settings={'TRUSTED_HOSTS': TRUSTED})

    def ask(self, client, host, **environ):
        environ = {'HTTP_HOST': host, 'SERVER_PROTOCOL': 'HTTP/1.1', **environ}
        return client.get('/probe', environ_overrides=environ)

    @pytest.mark.parametrize(
        'host',
        [
            'api.example.test', 'API.Example.TEST', 'api.example.test.', 'api.example.test:8443',
            'api.example.test.:80', 'api.example.test:', 'cdn.example.test', 'X.cdn.example.test',
            '[::1]', '[::1]:8000', '[0:0:0:0:0:0:0:1]', '127.0.0.1:1',
        ],
    )  # fmt: skip
    def test_accepts_every_spelling_of_a_trusted_host(self, client, host):
        assert self.ask(client, host).status_code == 200

    @pytest.mark.parametrize(
        'host',
        [
            '', '.', ':80', 'evil.example', 'api.example.test.evil.example', 'evilapi.example.test',
            'xcdn.example.test', 'api.example.test:80:80', 'api.example.test:http', '::1', '[::2]',
            '[::1', '[1]', 'a@api.example.test', 'api.example.test/', 'api.example.test,evil.test',
            'bad host', 'b\xfccher.example',
        ],
    )  # fmt: skip
    def test_returns_400_for_every_other_host(self, client, host):
        fails_with(self.ask(client, host), 'request', status=400, reason=HostInvalid.reason)

    def test_rejects_malformed_hosts_even_if_any_host_is_trusted(self, serve):
        client = serve(lambda: None)

        assert self.ask(client, 'any.example').status_code == 200
        assert self.ask(client, 'bad host').status_code == 400

    @pytest.mark.parametrize(('version', 'code'), [('HTTP/1.1', 400), ('HTTP/1.0', 200)])
    def test_requires_the_header_of_http_1_1(self, client, version, code):
        assert self.ask(client, None, SERVER_PROTOCOL=version).status_code == code

    @pytest.mark.parametrize(
        ('target', 'host', 'code'),
        [
            ('http://api.example.test/probe', 'evil.example', 200),
            ('HTTPS://API.example.test:8/probe', 'evil.example', 200),
            ('http://evil.example/probe', 'api.example.test', 400),
            ('/probe?u=http://api.example.test/', 'evil.example', 400),
            ('//evil.example/probe', 'api.example.test', 200),
        ],
    )
    def test_prefers_the_host_of_an_absolute_url(self, client, target, host, code):
        assert self.ask(client, host, RAW_URI=target).status_code == code


class TestHostName:
    @pytest.mark.parametrize('authority', ['::1', '[::1]x', '[::g]', '', '.', 'a b'])
    def test_returns_none_for_malformed_authorities(self, authority):
        assert host_name(authority) is None


class TestIsTrusted:
    def test_trusts_any_host_without_a_list(self):
        assert is_trusted('any.example', None)
        assert is_trusted('any.example', [])
