"""Paths that several URL rules share."""

import orjson
import pytest
from flask import Blueprint
from openapi_spec_validator import validate

from project.core.errors import NotFound
from project.core.web.endpoints.access import owner_or, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.openapi.document import specification
from tests.core.web.openapi.test_document import BoatSchema

ships = Blueprint('ships', __name__, url_prefix='/ships')


class ShipNotFound(NotFound):
    field = 'ship'


@ships.get('/<int:ship_id>')
@endpoint(
    allow=owner_or('ships:read', scope='ships:read', own='ship_id'), returns=BoatSchema,
    errors=[ShipNotFound],
)  # fmt: skip
def ship_show(ship_id):
    """Show a ship."""


@ships.delete('/<int:ship_id>')
@endpoint(allow=public)
def ship_delete(ship_id):
    """Delete a ship."""


@ships.get('/<string:shipname>')
@endpoint(allow=public, arguments={'shipname': {'description': 'The name of the ship.'}})
def shipname_show(shipname):
    """Return whether a name exists."""


@pytest.fixture
def document(kernel):
    return specification(kernel(ships))


class TestDocumentedRules:
    def test_give_rules_of_the_same_form_one_path(self, document):
        [path] = [path for path in document['paths'] if path.startswith('/ships')]

        assert path == '/ships/{ship}'
        assert set(document['paths'][path]) == {'get', 'delete'}
        validate(orjson.loads(orjson.dumps(document)))


class TestMerged:
    def test_describes_both_operations(self, document):
        merged = document['paths']['/ships/{ship}']['get']

        assert merged['operationId'] == 'getShip'
        assert merged['security'] == [{}, {'bearer': []}]
        assert 'Return whether a name exists.' in merged['description']
        [ship] = [p for p in merged['parameters'] if p['in'] == 'path']
        assert ship['schema']['type'] == 'string'
        assert ship['description'] == 'The id of the ship. Or: The name of the ship.'
        success = merged['responses']['200']['content']['application/json']['schema']
        assert success == {
            'anyOf': [
                {'$ref': '#/components/schemas/BoatResponse'},
                {'$ref': '#/components/schemas/EmptyResponse'},
            ]
        }
        assert {'url', 'ship'} <= set(merged['responses']['404']['x-keys'])

    def test_keeps_the_type_of_an_argument_of_one_rule(self, document):
        [ship] = document['paths']['/ships/{ship}']['delete']['parameters']

        assert ship['schema']['type'] == 'integer'
