"""Detection of bodies that exceed the limit of their route, from the head alone."""

from types import SimpleNamespace

import pytest
from flask import Flask

from project.core.server.body_limits import BodyLimits
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint_spec import FORM_OVERHEAD_BYTES, EndpointSpec

from .serving import get, post


@pytest.fixture(scope='module')
def limits() -> BodyLimits:
    """Return the limits of an application with a route for JSON, and two for uploads."""
    app = Flask(__name__)
    app.config |= {'MAX_CONTENT_LENGTH': 1000, 'UPLOAD_MAX_SIZE': 5000, 'ICON_MAX_SIZE': 10}
    specs = {}
    for name, setting in (('json', None), ('upload', 'UPLOAD_MAX_SIZE'), ('icon', 'ICON_MAX_SIZE')):
        app.add_url_rule(f'/{name}', name, lambda: '', methods=['POST'])
        specs[name, 'POST'] = EndpointSpec(allow=public, max_body_setting=setting)
    app.extensions['endpoint_specs'] = specs
    return BodyLimits(app)


class TestAreExceeded:
    @pytest.mark.parametrize(
        ('path', 'most'),
        [
            ('/json', 1000),
            ('/js%6Fn?x=1', 1000),
            ('/nowhere', 1000),
            ('http://[/', 1000),
            ('/upload', 5000 + FORM_OVERHEAD_BYTES),
            ('/icon', 10 + FORM_OVERHEAD_BYTES),
        ],
    )
    def test_compares_the_length_with_the_limit_of_the_route(
        self, limits: BodyLimits, path: str, most: int
    ) -> None:
        assert not limits.are_exceeded(post(most, path=path) + b'x')
        assert limits.are_exceeded(post(most + 1, path=path) + b'x')

    @pytest.mark.parametrize(
        'head',
        [
            get('/json'),
            b'POST /json HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n',
            post(0).replace(b': 0', b': five'),
            b'POST\r\nContent-Length: 5000000\r\n\r\n',
            b'',
        ],
    )
    def test_returns_false_without_a_valid_length(self, limits: BodyLimits, head: bytes) -> None:
        assert not limits.are_exceeded(head)

    @pytest.mark.parametrize('wsgi', [SimpleNamespace(), lambda: None])
    def test_returns_false_for_an_application_without_limits(self, wsgi: object) -> None:
        assert not BodyLimits(wsgi).are_exceeded(post(1 << 50))
