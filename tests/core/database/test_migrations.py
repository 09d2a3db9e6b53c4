"""Migrations: what the `flask db` commands are told."""

from os import pathsep
from pathlib import Path

import pytest
from flask_migrate.cli import db as db_commands

from project.core.database.migrations import features, locate_versions, migrate, tables
from project.core.database.session import Base


class TestInitApp:
    @pytest.mark.parametrize('name', ['upgrade', 'stamp'])
    def test_means_the_heads_of_all_features(self, app, name):
        [argument] = [p for p in db_commands.commands[name].params if p.name == 'revision']

        assert argument.default == 'heads'

    def test_alters_tables_of_sqlite_by_copying_them(self, app):
        extension = app.extensions['migrate']
        is_sqlite = app.config['SQLALCHEMY_DATABASE_URI'].startswith('sqlite')

        assert extension.configure_args['render_as_batch'] is is_sqlite


class FakeConfig(dict):
    """As much of alembic's as we ask for."""

    get_main_option = dict.__getitem__
    set_main_option = dict.__setitem__


class TestLocateVersions:
    def test_names_a_folder_for_every_feature(self, app):
        with app.app_context():
            located = migrate.get_config().get_main_option('version_locations').split(pathsep)

        assert {Path(path).name for path in located} >= features()
        assert located == sorted(located)

    def test_counts_a_feature_that_was_removed_and_not_downgraded(self, tmp_path):
        for name in ('gone', '__pycache__'):
            (tmp_path / 'versions' / name).mkdir(parents=True)
        (tmp_path / 'versions' / 'file.py').touch()

        located = locate_versions(FakeConfig(script_location=str(tmp_path)))['version_locations']

        names = {Path(path).name for path in located.split(pathsep)}
        assert names == features() | {'gone'}


class TestFeatures:
    def test_are_those_that_have_tables(self):
        assert features() >= {'core', 'users', 'auth', 'files'}


class TestTables:
    def test_belong_to_the_package_of_their_model(self):
        found = tables()

        assert found['core_throttle_counters'] == 'core'
        assert found['users'] == 'users'
        assert set(found) == set(Base.metadata.tables)
