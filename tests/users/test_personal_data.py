"""The JSON files in a user's export of personal data."""

import json
from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest

from project.core.clock import now
from project.users.personal_data import json_part


class TestJsonPart:
    @pytest.mark.parametrize('count', [0, 1, 3])
    def test_contains_a_json_array(self, count):
        rows = [{'id': uuid4(), 'at': now(), 'name': 'Käse'} for _ in range(count)]

        found = json.loads(b''.join(json_part('a/b.json', rows).chunks))

        assert [row['id'] for row in found] == [str(row['id']) for row in rows]
        assert all(row['at'].endswith('Z') for row in found)

    def test_contains_values_of_all_types_of_columns(self):
        rows = [{'day': date(2026, 11, 23), 'price': Decimal('12.50'), 'digest': b'a'}]

        found = json.loads(b''.join(json_part('a/b.json', rows).chunks))

        assert found == [{'day': '2026-11-23', 'price': '12.50', 'digest': 'YQ=='}]
