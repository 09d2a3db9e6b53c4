"""Names of schemas in the OpenAPI document."""

import pytest
from marshmallow import Schema

from project.core.web.endpoints.schema_names import schema_name


def schema_class(name, module='project.billing_club.schemas'):
    return type(name, (Schema,), {'__module__': module})


class TestSchemaName:
    @pytest.mark.parametrize(
        ('name', 'expected'),
        [
            ('InvoiceSchema', 'Invoice'),
            ('InvoiceCreateRequest', 'InvoiceCreateRequest'),
            ('EventSchema', 'BillingClubEvent'),
            ('FileSchema', 'BillingClubFile'),
            ('PermissionSchema', 'BillingClubPermission'),
        ],
    )
    def test_hides_no_name_of_a_programming_language(self, name, expected):
        assert schema_name(schema_class(name)) == expected
        assert schema_name(schema_class(name)()) == expected
