"""`/api/v1/openapi.json` and `/api/v1/docs`: a page to read and try the API, from this host alone.

The page is Swagger UI out of an installed package; its own Content-Security-Policy lets it run
nothing that does not come from here.
"""

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, current_app, send_from_directory
from secure import ContentSecurityPolicy

from project.core.errors import NotFound, Unauthorized
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.guard import authenticate
from project.core.web.openapi.document import specification
from project.core.web.openapi.headers import ETAG
from project.core.web.responses.file_responses import DISPOSITION_HEADERS
from project.core.web.responses.headers import security_headers
from project.core.web.responses.jsend import api_response

docs = Blueprint('docs', __name__)

SWAGGER = Path(str(files('flask_swagger_ui'))) / 'dist'
OURS = Path(__file__).parent / 'docs_page'
ASSETS = {
    'swagger-ui.css': SWAGGER,
    'swagger-ui-bundle.js': SWAGGER,
    'favicon-32x32.png': SWAGGER,
    'docs.css': OURS,
    'docs.js': OURS,
}

RATE_LIMIT = '120/minute'

ASSET = {**DISPOSITION_HEADERS, 'ETag': ETAG}

DOCS = security_headers(
    ContentSecurityPolicy()
    .default_src("'none'")
    .script_src("'self'")
    .style_src("'self'")
    .img_src("'self'", 'data:')
    .connect_src("'self'"),
    cache='no-cache',
)


@docs.get('/openapi.json')
@endpoint(
    allow=public, errors=[NotFound, Unauthorized], produces='application/json', limit=RATE_LIMIT
)
def openapi_show() -> Response:
    """The OpenAPI document, as it is: the one answer that is no JSend.

    With `API_DOCS=authenticated` it wants a bearer token; with `off` it is not there.
    """
    if current_app.config['API_DOCS'] == 'off':
        raise NotFound
    if current_app.config['API_DOCS'] == 'authenticated':
        authenticate()
    return api_response(specification(), 200)


@docs.get('/docs')
@endpoint(
    allow=public,
    errors=[NotFound],
    security_headers=DOCS,
    produces='text/html',
    limit=RATE_LIMIT,
    extra_response_headers=ASSET,
)
def docs_show() -> Response:
    """A page to read and try the API."""
    return _asset(OURS, 'docs.html')


@docs.get('/docs/<string:filename>')
@endpoint(
    allow=public, errors=[NotFound], security_headers=DOCS, produces='*/*',
    limit=RATE_LIMIT,
    extra_response_headers=ASSET, arguments={'filename': {'enum': sorted(ASSETS)}},
)  # fmt: skip
def docs_asset(filename: str) -> Response:
    """What the page is made of."""
    if filename not in ASSETS:
        raise NotFound
    return _asset(ASSETS[filename], filename)


def _asset(folder: Path, filename: str) -> Response:
    if current_app.config['API_DOCS'] == 'off':
        raise NotFound
    return send_from_directory(folder, filename, conditional=False)
