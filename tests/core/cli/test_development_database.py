"""`flask db reset`."""

from pathlib import Path

import pytest
from flask import current_app
from sqlalchemy import create_engine, inspect

from project.core.database.session import Base, db
from project.core.development.object_deletion import delete_objects
from project.core.storage import storage
from tests.databases import create_tables
from tests.kit.storage import put
from tests.separate_app import application


@pytest.fixture
def reset(tmp_path):
    """Yield a function that runs `flask db reset` on a database in development."""
    with application(tmp_path, 'reset') as app:
        create_tables()
        app.config['DEVELOPMENT'] = True
        yield lambda *arguments, **options: app.test_cli_runner().invoke(
            args=['db', 'reset', *arguments], **options
        )


def error_of(result):
    """Return the message of a failed command without its prefix."""
    assert result.exit_code == 1
    return result.output.removeprefix('Error: ').strip()


class TestReset:
    @pytest.mark.slow('runs all migrations')
    def test_deletes_all_tables_objects_and_mails_and_migrates(self, reset, tmp_path):
        with db.engine.connect() as connection:
            connection.exec_driver_sql('CREATE TABLE users_unknown (id INTEGER PRIMARY KEY)')
            connection.exec_driver_sql('CREATE TABLE alembic_version (version_num VARCHAR(32))')
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('zzunknown')")
        put(storage(), 'blobs/one', b'1')
        folder = Path(current_app.config['MAIL_URL'].removeprefix('file://'))
        folder.mkdir()
        (folder / 'one.eml').write_text('mail')

        result = reset('--yes')

        assert result.exit_code == 0, result.output
        assert 'Deleted the database, objects: 2, mails: 1.' in result.output
        found = set(inspect(db.engine).get_table_names())
        assert found - {'alembic_version'} == set(Base.metadata.tables)
        assert [*folder.iterdir()] == []
        assert not (tmp_path / 'own-storage' / 'blobs' / 'one').exists()

    def test_changes_nothing_without_confirmation(self, reset):
        put(storage(), 'blobs/one', b'1')

        result = reset(input='n\n')

        assert result.exit_code == 1
        assert storage().exists('blobs/one')
        assert inspect(db.engine).has_table('users')

    def test_is_rejected_outside_development(self, reset):
        current_app.config['DEVELOPMENT'] = False

        assert error_of(reset('--yes')) == 'flask db reset works in development only (APP_ENV)'

    def test_is_rejected_while_another_process_uses_the_database(self, reset):
        # An idle connection in the pool of a service.
        assert inspect(db.engine).has_table('users')
        engine = create_engine(db.engine.url)
        with engine.connect() as connection:
            connection.exec_driver_sql('SELECT 1 FROM users').all()
            result = reset('--yes')
        engine.dispose()

        assert error_of(result).endswith(': stop the service first')
        assert inspect(db.engine).has_table('users')

    def test_is_rejected_if_another_database_uses_the_storage(self, reset):
        put(storage(), 'blobs/one', b'1')
        put(storage(), 'marker/0123456789abcdef', b'')

        assert 'has the marker of another database' in error_of(reset('--yes'))
        assert storage().exists('blobs/one')

    def test_is_rejected_if_the_storage_has_objects_and_no_marker(self, reset, tmp_path):
        folder = tmp_path / 'own-storage' / 'blobs'
        folder.mkdir(parents=True)
        (folder / 'one').write_text('1')

        assert 'lacks the marker of this database' in error_of(reset('--yes'))
        assert (folder / 'one').exists()

    def test_changes_nothing_with_dry_run(self, reset):
        put(storage(), 'blobs/one', b'1')

        result = reset('--dry-run')

        assert result.exit_code == 0, result.output
        assert 'objects: 2, mails: 0' in result.output
        assert storage().exists('blobs/one')
        assert inspect(db.engine).has_table('users')


class TestDeleteObjects:
    def test_keeps_files_that_are_not_the_services(self, reset, tmp_path):
        put(storage(), 'blobs/one', b'1')
        folder = tmp_path / 'own-storage'
        kept = ['work/thesis', 'sshkey', 'incoming/letters.txt', 'partial/notes/one']
        deleted = [f'incoming/{"a" * 32}', f'partial/{"b" * 32}', f'partial/{"c" * 32}.copy']
        for name in (*kept, *deleted):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text('text')

        delete_objects(['blobs'])

        left = {str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file()}
        assert left == set(kept)
