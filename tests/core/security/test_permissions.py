"""The registry of permissions."""

import pytest

from project.core.security import permissions


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Begin with an empty registry; the features' own comes back afterwards."""
    monkeypatch.setattr(permissions, '_declared', {})
    monkeypatch.setattr(permissions, '_everybody', set())


class TestDeclare:
    def test_returns_the_name(self):
        assert permissions.declare('boats:sail', 'Sail a boat.') == 'boats:sail'


class TestDeclared:
    def test_gives_every_permission_with_its_meaning_in_order(self):
        permissions.declare('boats:sink', 'Sink a boat.')
        permissions.declare('boats:sail', 'Sail a boat.', everybody=True)

        assert list(permissions.declared().items()) == [
            ('boats:sail', 'Sail a boat.'),
            ('boats:sink', 'Sink a boat.'),
        ]

    def test_is_a_copy(self):
        permissions.declared()['boats:sink'] = 'Planted.'

        assert permissions.declared() == {}


class TestEveryPermission:
    def test_gives_their_names(self):
        permissions.declare('boats:sink', 'Sink a boat.')
        permissions.declare('boats:sail', 'Sail a boat.', everybody=True)

        assert permissions.every_permission() == {'boats:sink', 'boats:sail'}


class TestForEverybody:
    def test_gives_what_every_user_holds_and_nothing_else(self):
        permissions.declare('boats:sink', 'Sink a boat.')
        permissions.declare('boats:sail', 'Sail a boat.', everybody=True)

        assert permissions.for_everybody() == {'boats:sail'}
