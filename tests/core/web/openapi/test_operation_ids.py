"""Operation ids, which follow from the names of handlers."""

import pytest
from marshmallow import Schema

from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint_spec import EndpointSpec
from project.core.web.openapi.operation_ids import operation_id
from project.core.web.requests.pagination import ListQuery


def spec(**declared):
    return EndpointSpec(allow=public, **declared)


class TestOperationId:
    @pytest.mark.parametrize(
        ('endpoint', 'method', 'declared', 'is_view', 'expected'),
        [
            ('note_show', 'GET', {'returns': Schema}, False, 'getNote'),
            ('note_show', 'GET', {'produces': 'text/plain'}, False, 'downloadNote'),
            ('note_show', 'HEAD', {'produces': 'text/plain'}, False, 'headNote'),
            ('note_list', 'GET', {'query': ListQuery}, False, 'listNotes'),
            ('rare_query_list', 'GET', {'query': ListQuery}, False, 'listRareQueries'),
            ('recovery_codes_create', 'POST', {}, False, 'createRecoveryCodes'),
            ('notes', 'GET', {'query': ListQuery}, True, 'listNotes'),
            ('notes', 'POST', {'location': ('.note', 'note_id')}, True, 'createNote'),
            ('note', 'GET', {}, True, 'getNote'),
            ('note', 'PATCH', {}, True, 'updateNote'),
            ('note', 'PUT', {}, True, 'replaceNote'),
            ('note', 'DELETE', {}, True, 'deleteNote'),
            ('note_me', 'GET', {'operation_id': 'getCurrentNote'}, False, 'getCurrentNote'),
            ('note_me', 'HEAD', {'operation_id': 'getCurrentNote'}, False, 'headCurrentNote'),
        ],
    )
    def test_is_a_verb_and_an_object(self, endpoint, method, declared, is_view, expected):
        found = operation_id(f'api_v1.notes.{endpoint}', method, spec(**declared), is_view=is_view)

        assert found == expected
