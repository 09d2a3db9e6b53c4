"""Migrations: the folders of all features, and the names of files."""

from datetime import datetime
from os import pathsep
from pathlib import Path

from alembic.script import ScriptDirectory

from project.core.database.migrations import (
    features,
    locate_versions,
    migrate,
    reject_known_revision,
)


class TestFileNames:
    def test_differ_for_two_migrations_of_one_day_and_message(self, app, tmp_path):
        folder = tmp_path / 'users'
        folder.mkdir()
        with app.app_context():
            config = migrate.get_config()
        config.set_main_option('version_locations', str(folder))
        script = ScriptDirectory.from_config(config)

        first = script.generate_revision('a1', 'First tables', head='base', branch_labels='users')
        text = Path(first.path).read_text()
        script.generate_revision('b2', 'First tables', head='users@head')

        today = datetime.now().strftime('%Y%m%d')  # noqa: DTZ005 - as Alembic does
        assert sorted(path.name for path in folder.glob('*.py')) == [
            f'{today}_a1_first_tables.py',
            f'{today}_b2_first_tables.py',
        ]
        assert Path(first.path).read_text() == text
        assert script.get_heads() == ['b2']


class TestRejectKnownRevision:
    def test_returns_a_new_id_or_none(self):
        assert reject_known_revision(None, None, 'never-used') == 'never-used'
        assert reject_known_revision(None, None, None) is None

    def test_raises_for_the_id_of_a_migration(self, app, cli):
        with app.app_context():
            [head] = ScriptDirectory.from_config(migrate.get_config()).get_revisions('users@head')

        result = cli.invoke(args=['db', 'revision', '-m', 'x', '--rev-id', head.revision])

        assert result.exit_code == 2
        assert f'{Path(head.path).name} has the revision {head.revision}' in result.stderr


class FakeConfig(dict):
    """A replacement of Alembic's `Config` with only the methods that the code calls."""

    get_main_option = dict.get
    set_main_option = dict.__setitem__


class TestLocateVersions:
    def test_returns_a_folder_for_every_feature(self, app):
        with app.app_context():
            located = migrate.get_config().get_main_option('version_locations').split(pathsep)

        assert {Path(path).name for path in located} >= features()
        assert located == sorted(located)

    def test_includes_a_removed_feature_that_was_not_downgraded(self, tmp_path):
        for name in ('gone', '__pycache__'):
            (tmp_path / 'versions' / name).mkdir(parents=True)
        (tmp_path / 'versions' / 'file.py').touch()

        located = locate_versions(FakeConfig(script_location=str(tmp_path)))['version_locations']

        names = {Path(path).name for path in located.split(pathsep)}
        assert names == features() | {'gone'}
