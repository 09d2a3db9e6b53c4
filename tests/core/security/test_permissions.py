"""The registry of permissions."""

import pytest

from project.core.registration import RegistrationError, Registry
from project.core.security import permissions

BOATS, FERRIES = 'project.boats.permissions', 'project.ferries.permissions'


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Start each test with empty registries of permissions and of their prefixes."""
    monkeypatch.setattr(permissions, '_permissions', Registry('permission'))
    monkeypatch.setattr(permissions, '_prefixes', Registry('permission prefix'))


def register(name, *, owner=BOATS, default=False):
    return permissions.register_permission(name, 'Sail a boat.', owner=owner, default=default)


class TestRegisterPermission:
    def test_returns_the_name(self):
        assert register('boats:sail') == 'boats:sail'

    def test_accepts_a_prefix_that_the_feature_has_registered(self):
        permissions.register_permission_prefix('crews', owner=BOATS)

        assert register('crews:hire') == 'crews:hire'

    @pytest.mark.parametrize('module', [BOATS, 'project.boats.service'])
    def test_raises_for_a_second_registration_and_names_both_modules(self, module):
        register('boats:sail')

        with pytest.raises(RegistrationError, match=f'boats:sail.*{BOATS} and by {module}'):
            register('boats:sail', owner=module, default=True)
        assert permissions.default_permissions() == set()

    @pytest.mark.parametrize('name', ['boats:sail', 'crews:hire'])
    def test_raises_for_the_prefix_of_another_feature_and_names_both_modules(self, name):
        permissions.register_permission_prefix('crews', owner=BOATS)
        register('boats:sink')

        with pytest.raises(RegistrationError, match=f'{name}.*{FERRIES}.*{BOATS}'):
            register(name, owner=FERRIES)

    @pytest.mark.parametrize('name', ['ferries:sail', 'sail', 'boat:sail', ':sail', ''])
    def test_raises_for_a_prefix_that_is_not_registered(self, name):
        with pytest.raises(RegistrationError, match="must begin with 'boats'"):
            register(name)


class TestRegisterPermissionPrefix:
    def test_raises_for_a_prefix_of_another_feature_and_names_both_modules(self):
        permissions.register_permission_prefix('crews', owner=BOATS)

        with pytest.raises(RegistrationError, match=f"'crews'.*{BOATS} and by {FERRIES}"):
            permissions.register_permission_prefix('crews', owner=FERRIES)

    def test_raises_for_the_name_of_another_feature(self):
        register('boats:sail')

        with pytest.raises(RegistrationError, match=f"'boats'.*{BOATS} and by {FERRIES}"):
            permissions.register_permission_prefix('boats', owner=FERRIES)

    def test_makes_a_registration_fail_if_another_feature_has_the_prefix(self):
        permissions.register_permission_prefix('boats', owner=FERRIES)

        with pytest.raises(RegistrationError, match=f'{BOATS}.*{FERRIES}'):
            register('boats:sail')


class TestPermissionDescriptions:
    def test_returns_every_permission_with_its_meaning_in_order(self):
        register('boats:sink')
        register('boats:sail', default=True)

        assert list(permissions.permission_descriptions()) == ['boats:sail', 'boats:sink']
        assert set(permissions.permission_descriptions().values()) == {'Sail a boat.'}

    def test_is_a_copy(self):
        permissions.permission_descriptions()['boats:sink'] = 'Planted.'

        assert permissions.permission_descriptions() == {}


class TestAllPermissions:
    def test_returns_their_names(self):
        register('boats:sink')
        register('boats:sail', default=True)

        assert permissions.all_permissions() == {'boats:sink', 'boats:sail'}


class TestDefaultPermissions:
    def test_returns_the_permissions_that_every_user_holds(self):
        register('boats:sink')
        register('boats:sail', default=True)

        assert permissions.default_permissions() == {'boats:sail'}
