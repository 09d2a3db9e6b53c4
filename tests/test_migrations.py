"""Migrations: upgrade, downgrade, no difference to the models, and one branch per feature."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from project.core.database.migrations import features, migrate, tables
from project.core.database.session import Base, db
from project.core.features import find_features
from tests.repository_copy import copy_code, flask, migrated_copy
from tests.separate_app import application, migrated_application, run_on

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = sorted((ROOT / 'migrations' / 'versions').glob('*/*.py'))

FEATURES = find_features()
REQUIRES = {'core': ()} | {feature.name: feature.requires for feature in FEATURES}
# The last feature, and those that no feature requires.
TOP = FEATURES[-1].name
TOPS = sorted(set(REQUIRES) - {'core'} - {name for names in REQUIRES.values() for name in names})

TABLE_PATTERN = re.compile(r"^    __tablename__ = '(\w+)'$", re.MULTILINE)
COLUMN = 'zz_planted_column: Mapped[str | None] = mapped_column()'
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


def changed_tables(path):
    """Return the names of the tables that a migration file changes."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    on_op = [
        c for c in calls if isinstance(c.func, ast.Attribute) and ast.unparse(c.func.value) == 'op'
    ]
    data_of = [call for call in calls if ast.unparse(call.func) == 'sa.table']
    # The first argument of `op.f` is the name of a constraint. For all other functions, it is a
    # table.
    return {table_of(call) for call in on_op + data_of if call.args and call.func.attr != 'f'}


def table_of(call):
    """Return the name of the table in a call: its first argument, or the table in its SQL."""
    [first] = [ast.literal_eval(argument) for argument in call.args[:1]]
    sql = re.match(r'(?:UPDATE |INSERT INTO |DELETE FROM |ALTER INDEX pk_)(\w+)', first)
    return sql[1] if sql else first


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
        ],
    )
    def test_rejects_a_database_that_differs_from_the_models(self, migrated_app, change):
        with db.engine.connect() as connection:
            connection.exec_driver_sql(change)

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


class TestBranches:
    def test_have_exactly_one_head_for_each_feature_with_tables(self, script):
        heads = script.get_revisions(script.get_heads())
        labels = Counter(label for head in heads for label in head.branch_labels)

        assert labels == dict.fromkeys(features(), 1)

    def test_are_counted_twice_if_a_feature_has_two_heads(self, tmp_path, script):
        copy = copy_code(tmp_path)
        revision = script.get_revision(f'{TOP}@head').revision
        for name in ('one', 'other'):
            (copy / f'migrations/versions/{TOP}/{name}.py').write_text(
                f"revision = '{name}'\ndown_revision = '{revision}'\n"
                'branch_labels = None\ndepends_on = None\n'
            )
        config = migrate.get_config()
        folders = config.get_main_option('version_locations')
        config.set_main_option('version_locations', folders.replace(str(ROOT), str(copy)))
        clashed = ScriptDirectory.from_config(config)

        heads = clashed.get_revisions(clashed.get_heads())

        assert Counter(label for head in heads for label in head.branch_labels)[TOP] == 2

    @pytest.mark.parametrize('path', VERSIONS, ids=lambda path: f'{path.parent.name}/{path.name}')
    def test_change_only_tables_of_their_feature(self, path):
        feature = path.parent.name
        prefixes = (feature, f'{feature}_')

        assert changed_tables(path)
        for table in changed_tables(path):
            assert table == prefixes[0] or table.startswith(prefixes[1]), table

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
            old = ''.join(p.read_text() for p in before if p.parent.name == name)
            known = re.findall(r"^revision = '(\w+)'", old, re.MULTILINE)
            [head] = [each for each in known if f"down_revision = '{each}'" not in old]
            assert f"down_revision = '{head}'" in code
            assert 'branch_labels = None' in code
            changed = TABLE_PATTERN.search(first_model(copy / 'project' / name).read_text())[1]
            assert 'zz_planted_column' in code
            assert changed_tables(path) == {changed, f'{name}_zz_planted'}
