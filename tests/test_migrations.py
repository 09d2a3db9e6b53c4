"""Migrations: upgrade, downgrade, no difference to the models, and one branch per feature."""

import re
from collections import Counter
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from project.core.database.migrations import features, migrate, tables
from project.core.database.migrations.checks import find_faults, used_tables
from project.core.database.migrations.files import written_revision
from project.core.database.migrations.recording import record
from project.core.database.session import Base, db
from project.core.features import find_features
from tests.migration_trials import FailedMigration, try_migrations
from tests.planted_migrations import Migrations
from tests.repository_copy import flask, migrated_copy
from tests.separate_app import application, migrated_application, run_on

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = sorted((ROOT / 'migrations' / 'versions').glob('*/*.py'))

FEATURES = find_features()
REQUIRES = {'core': ()} | {feature.name: feature.requires for feature in FEATURES}
# The last feature, and those that no feature requires.
TOP = FEATURES[-1].name
TOPS = sorted(set(REQUIRES) - {'core'} - {name for names in REQUIRES.values() for name in names})

TABLE_PATTERN = re.compile(r"^    __tablename__ = '(\w+)'$", re.MULTILINE)
NEEDS_EMPTY_TABLE = "op.execute('ALTER TABLE books ADD COLUMN n INTEGER NOT NULL')"
# Before version 0.1.0, the code allowed only the values that later became rows of another table.
BASELINE_VALUES = {'users_roles.role': 'admin'}

COLUMN = 'zz_planted_column: Mapped[str | None] = mapped_column()'
MIGRATION = """from alembic import op

revision = {name!r}
down_revision = {revision!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('SELECT 1')


def downgrade() -> None:
    pass
"""
# Columns whose index and constraints need a second migration, which commits immediately.
LARGE_TABLE_COLUMNS = """
    zz_planted_index: Mapped[str | None] = mapped_column(index=True)
    zz_planted_name: Mapped[str | None] = mapped_column(unique=True)
    zz_planted_code: Mapped[str | None] = mapped_column(unique=True)
    zz_planted_mood: Mapped[str | None] = mapped_column(sqlalchemy.Enum('calm', name='zz_mood'))
    zz_planted_key: Mapped[int | None] = mapped_column(sqlalchemy.ForeignKey('users.id'))
"""
PLANTED = """

class ZzPlanted(Base):
    __tablename__ = '{feature}_zz_planted'

    id: Mapped[int] = mapped_column(primary_key=True)
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs `flask db …` on an empty database."""
    with application(tmp_path, 'migrations') as app:
        yield run_on(app)


@pytest.fixture
def empty_app(tmp_path):
    """Yield an application with an empty database."""
    with application(tmp_path, 'migrations') as app:
        yield app


@pytest.fixture
def migrated_app(tmp_path):
    """Yield an application with a migrated database."""
    with migrated_application(tmp_path, 'migrations') as app:
        yield app


@pytest.fixture
def run_migrated(migrated_app):
    """Return a function that runs `flask db …` on a migrated database."""
    return run_on(migrated_app)


@pytest.fixture(scope='module')
def script(app):
    """Return Alembic's object for the folder of migrations."""
    with app.app_context():
        return ScriptDirectory.from_config(migrate.get_config())


def table_names():
    """Return the names of all tables in the database."""
    return set(inspect(db.engine).get_table_names()) - {'alembic_version'}


def feature_of(table):
    """Return the feature with whose name a table begins."""
    found = [name for name in REQUIRES if f'{table}_'.startswith(f'{name}_')]
    return max(found, key=len)


def changed_tables(copy, path):
    """Return the names of the tables that a migration in a copy of the repository changes."""
    folders = [str(folder) for folder in sorted((copy / 'migrations/versions').iterdir())]
    found = ScriptDirectory(str(copy / 'migrations'), version_locations=folders)
    [migration] = [each for each in found.walk_revisions() if Path(each.path) == path]
    return used_tables(record(migration))[0]


def all_required(feature):
    """Return the features that a feature requires, and those that they require."""
    return {name for each in REQUIRES[feature] for name in (each, *all_required(each))}


def refers_to(feature, other):
    """Return whether a table of a feature has a foreign key to a table of another one."""
    return any(
        tables()[table.name] == feature and tables()[key.column.table.name] == other
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
    )


def first_model(package):
    """Return the first module of a package that defines a table."""
    return next(p for p in sorted(package.rglob('*.py')) if TABLE_PATTERN.search(p.read_text()))


class TestUpgrade:
    @pytest.mark.slow('runs all migrations twice')
    def test_creates_the_tables_of_the_models_again_after_a_downgrade(self, run):
        run('upgrade')
        assert table_names() == set(Base.metadata.tables)
        run('check')

        run('downgrade', 'base')
        assert table_names() == set()

        run('upgrade')
        assert table_names() == set(Base.metadata.tables)
        run('check')

    def test_changes_nothing_in_a_migrated_database(self, run_migrated):
        run_migrated('upgrade')

        assert table_names() == set(Base.metadata.tables)

    def test_upgrades_a_feature_and_its_dependencies(self, run):
        run('upgrade', f'{TOP}@head')

        # A dependency can be an older migration, after which a table has another name.
        upgraded = {feature_of(name) for name in table_names()}
        assert {TOP} <= upgraded <= {TOP, *all_required(TOP), 'core'}

    def test_restores_the_options_of_the_connection(self, run):
        run('upgrade', 'core@head')

        with db.engine.connect() as connection:
            query = {'postgresql': 'SHOW lock_timeout', 'sqlite': 'PRAGMA foreign_keys'}
            value = connection.exec_driver_sql(query[connection.dialect.name]).scalar()
        assert value in ('5s', 1)


class TestCheck:
    @pytest.mark.parametrize(
        'change',
        [
            'DROP TABLE users_roles',
            'ALTER TABLE users ADD COLUMN motto TEXT',
            'DROP INDEX ix_users_exports_expires_at',
            # Alembic does not compare the conditions of indexes.
            'DROP INDEX ix_core_tasks_undone;'
            'CREATE INDEX ix_core_tasks_undone ON core_tasks (queue, scheduled_at)',
        ],
    )
    def test_rejects_a_database_that_differs_from_the_models(self, migrated_app, change):
        with db.engine.connect() as connection:
            for statement in change.split(';'):
                connection.exec_driver_sql(statement)

        result = migrated_app.test_cli_runner().invoke(args=['db', 'check'])

        assert result.exit_code != 0


class TestDowngrade:
    @pytest.mark.parametrize('feature', [*TOPS, 'core'])
    def test_deletes_the_tables_of_one_feature(self, run_migrated, feature):
        run_migrated('downgrade', f'{feature}@base')

        assert {tables()[name] for name in table_names()} == features() - {feature}

    def test_also_downgrades_the_features_that_depend_on_the_given_one(self, run_migrated):
        lowest = FEATURES[0].name
        above = {name for name in REQUIRES if lowest in all_required(name)}

        run_migrated('downgrade', f'{lowest}@base')

        kept = {tables()[name] for name in table_names()}
        assert kept & {lowest, *(f for f in above if refers_to(f, lowest))} == set()
        assert kept >= features() - {lowest} - above


class TestRows:
    @pytest.mark.slow('runs all migrations three times')
    def test_survive_all_migrations(self, empty_app, script):
        with db.engine.connect() as connection:
            tried = try_migrations(connection, script, BASELINE_VALUES)

        assert len(tried) == len(set(tried)) == len(VERSIONS)

    @pytest.mark.parametrize('direction', ['upgrade', 'downgrade'])
    def test_make_a_migration_fail_that_needs_an_empty_table(self, empty_app, tmp_path, direction):
        migrations = Migrations(tmp_path)
        bodies = {'upgrade': 'pass', 'downgrade': 'pass', direction: NEEDS_EMPTY_TABLE}
        migrations.add(bodies['upgrade'], down=bodies['downgrade'])

        with (
            db.engine.connect() as connection,
            pytest.raises(FailedMigration, match=f'books/20990101_books3.py: {direction}: '),
        ):
            try_migrations(connection, migrations.script())


class TestMerge:
    @pytest.mark.slow('runs commands in a copy of the repository')
    def test_joins_two_migrations_of_one_day_and_message(self, tmp_path, script):
        with migrated_copy(tmp_path) as copy:
            revision = script.get_revision(f'{TOP}@head').revision
            folder = copy / 'migrations' / 'versions' / TOP
            for name in ('a1', 'b2'):
                (folder / f'20990101_{name}_change.py').write_text(
                    MIGRATION.format(name=name, revision=revision)
                )
            refused = flask(copy, 'db check', fails=True)
            merged = flask(copy, f'db merge {TOP}', 'db upgrade', 'db check', f'db merge {TOP}')

        assert f'Remedy: flask db merge {TOP}\n' in refused
        assert 'Joined a1 and b2 in ' in merged
        assert f'{TOP} has one head, ' in merged


class TestBranches:
    def test_have_exactly_one_head_for_each_feature_with_tables(self, script):
        heads = script.get_revisions(script.get_heads())
        labels = Counter(label for head in heads for label in head.branch_labels)

        assert labels == dict.fromkeys(features(), 1)

    def test_have_no_fault(self, script):
        assert [str(fault) for fault in find_faults(script)] == []

    def test_have_tables_that_begin_with_the_name_of_their_feature(self):
        for table, feature in tables().items():
            assert table == feature or table.startswith(f'{feature}_'), table

    @pytest.mark.parametrize('path', VERSIONS, ids=lambda path: f'{path.parent.name}/{path.name}')
    def test_depend_only_on_required_features(self, path, script):
        revision = next(r for r in script.walk_revisions() if Path(r.path) == path)
        wanted = revision.dependencies or ()
        others = {
            Path(script.get_revision(other).path).parent.name
            for other in ([wanted] if isinstance(wanted, str) else wanted)
        }

        assert others <= {*REQUIRES[path.parent.name], path.parent.name, 'core'}


class TestSplitByFeature:
    @pytest.fixture
    def copy(self, tmp_path):
        """Yield a copy of the repository with a new column and a new table in each feature."""
        with migrated_copy(tmp_path) as copy:
            for feature in FEATURES:
                path = first_model(copy / 'project' / feature.name)
                code = TABLE_PATTERN.sub(rf'\g<0>\n    {COLUMN}', path.read_text(), count=1)
                path.write_text(code + PLANTED.format(feature=feature.name))
            yield copy

    @pytest.mark.slow('generates migrations in a copy of the repository')
    def test_writes_one_migration_for_each_changed_feature(self, copy):
        before = set((copy / 'migrations/versions').glob('*/*.py'))

        flask(copy, 'db migrate -m change', 'db upgrade', 'db check')

        found = set((copy / 'migrations/versions').glob('*/*.py')) - before
        made = {path.parent.name: path for path in found}
        assert len(made) == len(found)
        assert set(made) == {feature.name for feature in FEATURES}
        for name, path in made.items():
            code = path.read_text()
            old = [written_revision(p.read_text()) for p in before if p.parent.name == name]
            parents = {parent for each in old for parent in each.parents}
            [head] = {each.revision for each in old} - parents
            assert f"down_revision = '{head}'" in code
            assert 'branch_labels = None' in code
            changed = TABLE_PATTERN.search(first_model(copy / 'project' / name).read_text())[1]
            assert 'zz_planted_column' in code
            assert changed_tables(copy, path) == {changed, f'{name}_zz_planted'}

    @pytest.mark.slow('generates migrations in a copy of the repository')
    def test_writes_the_safe_form_of_indexes_and_constraints(self, tmp_path):
        with migrated_copy(tmp_path) as copy:
            before = set((copy / 'migrations/versions').glob('*/*.py'))
            path = first_model(copy / 'project' / TOP)
            added = TABLE_PATTERN.sub(rf'\g<0>{LARGE_TABLE_COLUMNS}', path.read_text(), count=1)
            path.write_text(added.replace('\n\n', '\n\nimport sqlalchemy\n', 1))

            commands = ('db migrate -m change', 'db upgrade', 'db check')
            flask(copy, *commands, f'db downgrade {TOP}@-2', 'db upgrade', 'db check')

            found = set((copy / 'migrations/versions').glob('*/*.py')) - before
            [first] = [p for p in found if p.name.endswith('_change.py')]
            [second] = [p for p in found if p.name.endswith('_change_without_locks.py')]
            assert len(found) == 2
            for part in ('postgresql_not_valid=True', '.create(op.get_bind(), ', '.drop(op.get'):
                assert part in first.read_text()
            for part in ('concurrently=True', 'UNIQUE USING INDEX', 'VALIDATE CONSTRAINT'):
                assert part in second.read_text()
