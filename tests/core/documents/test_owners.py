"""Owners of generated rows."""

import pytest

from project.core.documents.owners import Owners

OWNERS = Owners({'boats', 'boat_trips', 'boat'})


class TestOwners:
    def test_begin_with_the_core(self):
        assert OWNERS.names == ('core', 'boat', 'boat_trips', 'boats')

    @pytest.mark.parametrize(
        ('module', 'owner'),
        [
            ('project.boats', 'boats'),
            ('project.boats.routes.sails', 'boats'),
            ('project.core.tasks', 'core'),
            ('project.configuration', 'core'),
            ('project_boats.boats', None),
            ('flask_migrate.cli', None),
            ('tests.boats', None),
            (None, None),
        ],
    )
    def test_own_their_modules(self, module, owner):
        assert OWNERS.of_module(module) == owner

    @pytest.mark.parametrize(
        ('setting', 'owner'),
        [
            ('BOATS_MAX', 'boats'),
            ('BOAT_TRIPS_MAX', 'boat_trips'),
            ('BOAT_MAX', 'boat'),
            ('BOATSWAIN', 'core'),
            ('SECRET_KEY', 'core'),
        ],
    )
    def test_own_the_settings_that_begin_with_their_name(self, setting, owner):
        assert OWNERS.of_setting(setting) == owner
