"""The registry of permissions."""

import pytest

from project.core.security import permissions


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Begin with an empty registry; the features' own comes back afterwards."""
    monkeypatch.setattr(permissions, '_descriptions', {})
    monkeypatch.setattr(permissions, '_defaults', set())


class TestDeclare:
    def test_returns_the_name(self):
        assert permissions.register_permission('boats:sail', 'Sail a boat.') == 'boats:sail'


class TestDeclared:
    def test_gives_every_permission_with_its_meaning_in_order(self):
        permissions.register_permission('boats:sink', 'Sink a boat.')
        permissions.register_permission('boats:sail', 'Sail a boat.', default=True)

        assert list(permissions.permission_descriptions().items()) == [
            ('boats:sail', 'Sail a boat.'),
            ('boats:sink', 'Sink a boat.'),
        ]

    def test_is_a_copy(self):
        permissions.permission_descriptions()['boats:sink'] = 'Planted.'

        assert permissions.permission_descriptions() == {}


class TestEveryPermission:
    def test_gives_their_names(self):
        permissions.register_permission('boats:sink', 'Sink a boat.')
        permissions.register_permission('boats:sail', 'Sail a boat.', default=True)

        assert permissions.all_permissions() == {'boats:sink', 'boats:sail'}


class TestForEverybody:
    def test_gives_what_every_user_holds_and_nothing_else(self):
        permissions.register_permission('boats:sink', 'Sink a boat.')
        permissions.register_permission('boats:sail', 'Sail a boat.', default=True)

        assert permissions.default_permissions() == {'boats:sail'}
