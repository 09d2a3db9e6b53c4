"""Registries: a name can be registered by one module only."""

import pytest

from project.core.registration import RegistrationError, Registry, feature_of


class TestRegistry:
    def test_returns_its_values_sorted_by_name(self):
        registry = Registry('colour')
        registry.register('red', 1, owner='project.a')
        registry.register('blue', 2, owner='project.b')

        assert list(registry.values.items()) == [('blue', 2), ('red', 1)]
        assert registry.owner_of('blue') == 'project.b'

    @pytest.mark.parametrize('owner', ['project.a', 'project.b'])
    def test_raises_for_a_second_registration_and_names_both_modules(self, owner):
        registry = Registry('colour')
        registry.register('red', 1, owner='project.a')

        with pytest.raises(
            RegistrationError, match=f"^colour 'red' is registered by project.a and by {owner}$"
        ):
            registry.register('red', 2, owner=owner)
        assert registry.values == {'red': 1}


class TestFeatureOf:
    def test_returns_the_package_below_project(self):
        assert feature_of('project.users.permissions') == 'users'
        assert feature_of('project.users') == 'users'
