"""`/api/v1/openapi.json`, and `/api/v1/docs`, an interactive documentation of the API.

The page is Swagger UI from an installed package. Its Content-Security-Policy only allows scripts,
styles and requests of this host.
"""

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, current_app, request
from secure import ContentSecurityPolicy

from project.core.errors import NotFound, RangeNotSatisfiable, Unauthorized
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.guard import authenticate
from project.core.web.openapi.document import specification
from project.core.web.openapi.headers import ETAG
from project.core.web.responses.etags import add_etag
from project.core.web.responses.headers import security_headers
from project.core.web.responses.jsend import api_response
from project.core.web.responses.other_files import LOCAL_FILE_HEADERS, send_local_file

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
    operation_id='getOpenapi',
    allow=public, errors=[NotFound, Unauthorized], produces='application/json', limit=RATE_LIMIT,
    extra_response_headers={'ETag': ETAG},
)  # fmt: skip
def openapi_show() -> Response:
    """Return the OpenAPI document. It is JSON, but not in the JSend format.

    With `API_DOCS=authenticated`, it requires a bearer token. With `API_DOCS=off`, it returns 404.
    """
    if current_app.config['API_DOCS'] == 'off':
        raise NotFound
    if current_app.config['API_DOCS'] == 'authenticated':
        authenticate()
    # The service may be mounted below a path (`SCRIPT_NAME`).
    servers = [{'url': request.script_root or '/'}]
    return add_etag(api_response({**specification(), 'servers': servers}, 200))


@docs.get('/docs')
@endpoint(
    operation_id='getDocs',
    allow=public,
    errors=[NotFound, RangeNotSatisfiable],
    security_headers=DOCS,
    produces='text/html',
    limit=RATE_LIMIT,
    extra_response_headers=LOCAL_FILE_HEADERS,
)
def docs_show() -> Response:
    """Return the page of the interactive API documentation.

    The page itself is public. With `API_DOCS=off`, it returns 404.
    """
    return _asset(OURS, 'docs.html')


@docs.get('/docs/<string:filename>')
@endpoint(
    operation_id='getDocsAsset',
    allow=public, errors=[NotFound, RangeNotSatisfiable], security_headers=DOCS, produces='*/*',
    limit=RATE_LIMIT, extra_response_headers=LOCAL_FILE_HEADERS,
    arguments={'filename': {'description': 'The name of the file.', 'enum': sorted(ASSETS)}},
)  # fmt: skip
def docs_asset(filename: str) -> Response:
    """Return a script, style sheet or image of the documentation page."""
    if filename not in ASSETS:
        raise NotFound
    return _asset(ASSETS[filename], filename)


def _asset(folder: Path, filename: str) -> Response:
    if current_app.config['API_DOCS'] == 'off':
        raise NotFound
    return send_local_file(folder / filename, inline=True)
