"""OpenAPI documents of the features."""

import orjson
import pytest

from project.core.documents.files import all_owners, features_folder
from project.core.documents.openapi import join_documents, split_document
from project.core.web.openapi.document import specification

# Each part has some elements of these lists.
EXTENDED_LISTS = (('tags',), ('components', 'schemas', 'Permission', 'enum'))


@pytest.fixture
def parts(app):
    with app.app_context():
        return split_document(all_owners())


def leaves(value, keys=()):
    """Yield the path (a tuple of keys) of each value in nested dictionaries."""
    if isinstance(value, list) and keys in EXTENDED_LISTS:
        for element in value:
            yield (*keys, str(element))
        return
    if not isinstance(value, dict) or not value:
        yield keys
        return
    for key, inner in value.items():
        yield from leaves(inner, (*keys, key))


class TestSplitDocument:
    def test_assigns_operations_schemas_and_permissions_to_their_feature(self, parts):
        users = parts['users']

        assert users['components'].keys() == {'schemas'}
        assert 'User' in users['components']['schemas']
        assert '/api/v1/users' in users['paths']
        # Other features return users, too, but `users` defines the schema.
        others = [part for name, part in parts.items() if name not in ('core', 'users')]
        assert [part for part in others if 'User' in part['components']['schemas']] == []
        assert users['x-permissions'].keys() >= {'users:read', 'profile:read'}
        assert 'users:read' not in [key for part in others for key in part.get('x-permissions', ())]

    def test_assigns_everything_else_to_the_core(self, parts):
        assert parts['core']['paths'].keys() == {
            '/healthz', '/readyz', '/api/v1/docs', '/api/v1/docs/{filename}',
            '/api/v1/openapi.json',
        }  # fmt: skip
        assert {'openapi', 'info', 'servers'} < parts['core'].keys()
        assert {'responses', 'securitySchemes'} <= parts['core']['components'].keys()

    def test_assigns_each_value_once(self, parts):
        found = [keys for part in parts.values() for keys in leaves(part)]

        assert len(found) == len(set(found))


class TestJoinDocuments:
    def test_returns_the_served_document_for_the_committed_files(self, app):
        committed = [
            orjson.loads(path.read_bytes()) for path in features_folder().glob('*.openapi.json')
        ]

        joined = join_documents(committed)

        assert joined == orjson.loads(orjson.dumps(specification(app)))
        assert len(committed) > 1
