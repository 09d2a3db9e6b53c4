"""Rules for names and descriptions in the OpenAPI document."""

import pytest

from project.core.documents.openapi_rules import find_openapi_faults
from project.core.web.openapi.document import specification


def operation(identifier, *, returns='File', parameters=()):
    schema = {'$ref': f'#/components/schemas/{returns}Response'}
    return {
        'operationId': identifier, 'summary': 'Do it', 'parameters': list(parameters),
        'responses': {'200': {'content': {'application/json': {'schema': schema}}}},
    }  # fmt: skip


def faults(method='get', *operations, schemas=None, tags=()):
    paths = {f'/{number}': {method: each} for number, each in enumerate(operations)}
    components = {'schemas': schemas or {}}
    return list(find_openapi_faults({'paths': paths, 'components': components, 'tags': tags}))


class TestFindOpenapiFaults:
    def test_finds_none_in_the_document_of_all_features(self, app):
        assert list(find_openapi_faults(specification(app))) == []

    @pytest.mark.parametrize(
        ('method', 'identifier', 'returns', 'fault'),
        [
            ('get', 'files_get', 'File', 'must be a verb and an object'),
            ('get', 'files', 'File', 'must be a verb and an object'),
            ('get', 'getFiles', 'FileList', 'must begin with `list`'),
            ('get', 'listFile', 'FileList', 'must end with a plural'),
            ('get', 'listFiles', 'File', 'but is not a list'),
            ('get', 'contentFile', 'File', 'must begin with one of'),
            ('post', 'getFile', 'File', 'must begin with one of'),
        ],
    )
    def test_reports_an_operation_id_outside_of_the_grammar(
        self, method, identifier, returns, fault
    ):
        [found] = faults(method, operation(identifier, returns=returns))

        assert fault in found
        assert 'set operation_id in @endpoint' in found

    def test_reports_an_operation_id_that_is_used_twice(self):
        found = faults('post', operation('createFile'), operation('createfile'))

        assert any('is used more than once' in line for line in found)

    def test_accepts_ids_of_the_grammar(self):
        assert faults('get', operation('listFiles', returns='FileList')) == []
        assert faults('head', operation('headFile')) == []
        assert faults('post', operation('restoreFileVersion')) == []

    def test_reports_missing_descriptions(self):
        size = {'name': 'size', 'in': 'query', 'description': ''}
        schemas = {
            'File': {'description': 'A file.', 'properties': {'size': {'type': 'integer'}}},
            'Link': {'description': '', 'properties': {}},
        }

        found = faults(
            'get', operation('getFile', parameters=[size]), schemas=schemas,
            tags=[{'name': 'files', 'description': ''}],
        )  # fmt: skip

        assert len(found) == 4
        assert 'the parameter size has no description' in found[0]
        assert 'the property size of the schema File has no description' in found[1]
        assert 'the schema Link has no docstring' in found[2]
        assert 'files has no docstring' in found[3]
