"""Migrations: upgrade, downgrade, no difference to the models, and one branch per feature."""

import ast
import re
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import event, inspect, select, text

from project.core.database.migrations import features, migrate, tables
from project.core.database.session import Base, db
from project.core.features import find_features
from project.users.models import User
from project.users.service import delete_user
from tests.repository_copy import copy_repository, flask, migrated_copy
from tests.separate_app import application, migrated_application
from tests.users.factories import AdminFactory, UserFactory

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


def run_on(app):
    """Return a function that runs `flask db …` on the database of an application."""

    def run(*arguments):
        result = app.test_cli_runner().invoke(args=['db', *arguments])
        assert result.exit_code == 0, f'{result.output}{result.exception!r}'
        return result.output

    return run


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

        upgraded = {tables()[name] for name in table_names()}
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
            'DROP TABLE files_tags',
            'ALTER TABLE users ADD COLUMN motto TEXT',
            'DROP INDEX ix_files_sha256',
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


class TestEmailKeys:
    """The migrations that compute `email_key` again, with the ASCII form (IDNA) of domains."""

    ADDRESSES = (
        ('ada@bücher.example', 'ada@bücher.example', 'ada@xn--bcher-kva.example'),
        ('Bob@straße.test', 'bob@strasse.test', 'bob@xn--strae-oqa.test'),
        ('cyd@example.com', 'cyd@example.com', 'cyd@example.com'),
        ('straße@example.com', 'strasse@example.com', 'strasse@example.com'),
    )
    TABLES = ('users', 'auth_registrations', 'auth_email_changes', 'auth_invitations')

    @pytest.fixture
    def execute(self, run):
        """Migrate to the revisions before these migrations; return a function that runs SQL."""
        run('upgrade', 'users@9e40c7a2b3d6')
        run('upgrade', 'auth@d27e5b9c1f48')
        return execute_and_commit

    def insert(self, execute, user_id, email, key):
        """Insert a row with this email address into each table."""
        values = {'id': user_id, 'email': email, 'key': key, 'at': '2026-11-29 12:00:00+00:00'}
        for sql in (
            'INSERT INTO users (id, username, email, email_key, name, bio, status, version,'
            " created_at, updated_at) VALUES (:id, 'user' || CAST(:id AS INTEGER), :email, :key,"
            " '', '', 'active', 1, :at, :at)",
            'INSERT INTO auth_registrations (username, email, email_key, name, password_hash,'
            " created_at, expires_at) VALUES ('waiting' || CAST(:id AS INTEGER), :email, :key, '',"
            " '', :at, :at)",
            'INSERT INTO auth_email_changes (user_id, email, email_key, expires_at)'
            ' VALUES (:id, :email, :key, :at)',
            'INSERT INTO auth_invitations (email_key, email, roles, code_hmac, attempts_left,'
            " created_at, expires_at) VALUES (:key, :email, '', 'x', 5, :at, :at)",
            'INSERT INTO auth_pins (purpose, email_key, code_hmac, attempts_left, expires_at)'
            " VALUES ('reset', :key, 'x', 5, :at)",
        ):
            execute(sql, **{name: value for name, value in values.items() if f':{name}' in sql})

    def keys(self, execute, table):
        """Return the `email_key` of each row of a table, by email address."""
        return dict(map(tuple, execute(f'SELECT email, email_key FROM {table}')))

    @pytest.mark.slow('runs all migrations')
    def test_are_recomputed_by_the_upgrade_and_restored_by_the_downgrade(self, run, execute):
        for number, (email, old, _) in enumerate(self.ADDRESSES, 1):
            self.insert(execute, number, email, old)

        run('upgrade')

        for table in self.TABLES:
            assert self.keys(execute, table) == {email: new for email, _, new in self.ADDRESSES}
        pins = {key for (key,) in execute('SELECT email_key FROM auth_pins')}
        # straße.test and strasse.test had the same old key. The PIN may belong to either, so it
        # keeps this key.
        assert pins == {old if 'bob' in old else new for _, old, new in self.ADDRESSES}

        run('downgrade', 'auth@d27e5b9c1f48')
        run('downgrade', 'users@9e40c7a2b3d6')

        for table in self.TABLES:
            assert self.keys(execute, table) == {email: old for email, old, _ in self.ADDRESSES}
        assert {key for (key,) in execute('SELECT email_key FROM auth_pins')} == {
            old for _, old, _ in self.ADDRESSES
        }

    @pytest.mark.slow('runs all migrations')
    def test_stay_unchanged_for_the_later_of_two_users_with_the_same_new_key(
        self, run, execute, capsys
    ):
        self.insert(execute, 3, 'ada@bücher.example', 'ada@bücher.example')
        self.insert(execute, 7, 'ada@xn--bcher-kva.example', 'ada@another-key.example')

        printed = run('upgrade') + capsys.readouterr().out

        assert self.keys(execute, 'users') == {
            'ada@bücher.example': 'ada@xn--bcher-kva.example',
            'ada@xn--bcher-kva.example': 'ada@another-key.example',
        }
        assert 'Users 3 and 7 have the same email address: user 7 keeps the old key' in printed


class TestClosedAccounts:
    """Users whose data a task erases: code before this migration does not know their status."""

    @pytest.mark.slow('migrates to an earlier version and back')
    def test_are_disabled_after_a_downgrade_and_closed_after_the_next_upgrade(self, run_migrated):
        closed = UserFactory()
        UserFactory(username='bob', status='disabled')
        AdminFactory(username='ada')
        delete_user(closed.id)
        rows = select(User.username, User.status).order_by(User.username)
        before = db.session.execute(rows).all()
        assert before == [('ada', 'active'), ('bob', 'disabled'), (f'~{closed.id}', 'deleted')]
        db.session.remove()

        run_migrated('downgrade', 'users@4c1f8ad92e60')

        found = dict(map(tuple, db.session.execute(rows)))
        assert found == {'ada': 'active', 'bob': 'disabled', f'~{closed.id}': 'disabled'}
        db.session.remove()

        run_migrated('upgrade')

        assert db.session.execute(rows).all() == before


class TestThumbnailKeys:
    """The migration that computes the storage keys of existing thumbnails, in batches."""

    FILES = [UUID(int=number << 96) for number in (1, 2, 3)]
    ROWS_OF_FILE = 4000
    COUNT = 'SELECT count(storage_key), count(*) FROM files_thumbnails'

    @pytest.fixture
    def execute(self, run):
        """Migrate to the revision before these; return a function that runs SQL."""
        run('upgrade', 'files@71c8d3f5e90b')
        return execute_and_commit

    def insert(self, execute):
        """Insert three files with many thumbnails, one of which is not ready."""
        at = '2026-11-29 12:00:00+00:00'
        execute(
            'INSERT INTO users (id, username, email, email_key, name, bio, status, version,'
            " created_at, updated_at) VALUES (1, 'ada', '', '', '', '', 'active', 1, :at, :at)",
            at=at,
        )
        execute("INSERT INTO files_blobs (sha256, size, created_at) VALUES ('x', 1, :at)", at=at)
        for file_id in self.FILES:
            execute(
                'INSERT INTO files (id, owner_id, name, size, type, sha256, row_version,'
                " current_version, created_at, updated_at) VALUES (:id, 1, '', 1, '', 'x', 1, 1,"
                ' :at, :at)',
                id=file_id.hex,
                at=at,
            )
        numbers = (
            'WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1'
            f' FROM numbers WHERE number < {self.ROWS_OF_FILE})'
        )
        execute(
            f'{numbers} INSERT INTO files_versions (file_id, number, size, type, sha256,'
            " created_at) SELECT id, number, 1, '', 'x', created_at FROM files, numbers"
        )
        execute(
            f'{numbers} INSERT INTO files_thumbnails (file_id, number, edge, state, task_id)'
            " SELECT id, number, 64, 'ready', id FROM files, numbers"
        )
        execute(
            "UPDATE files_thumbnails SET state = 'pending' WHERE file_id = :id AND number = 7",
            id=self.FILES[0].hex,
        )

    @pytest.mark.slow('inserts 12,000 thumbnails')
    def test_are_computed_by_a_second_run_after_a_failure_between_two_batches(self, run, execute):
        self.insert(execute)
        ready, rows = 3 * self.ROWS_OF_FILE - 1, 3 * self.ROWS_OF_FILE
        batches = []

        def fail_at_second_batch(_connection, _cursor, statement, *_):
            if statement.startswith('UPDATE files_thumbnails'):
                batches.append(statement)
                if len(batches) == 2:
                    raise ZeroDivisionError

        event.listen(db.engine, 'before_cursor_execute', fail_at_second_batch)
        result = current_app.test_cli_runner().invoke(args=['db', 'upgrade', 'files@a286c27304b4'])
        event.remove(db.engine, 'before_cursor_execute', fail_at_second_batch)

        assert isinstance(result.exception, ZeroDivisionError)
        # The first batch ends with its second file.
        assert execute(self.COUNT) == [(2 * self.ROWS_OF_FILE - 1, rows)]

        run('upgrade', 'files@a286c27304b4')

        assert execute(self.COUNT) == [(ready, rows)]
        [key] = execute('SELECT storage_key FROM files_thumbnails WHERE number = 2 LIMIT 1')[0]
        name = key.removeprefix('thumbnails/00/').removesuffix('/2/64')
        assert UUID(name) in self.FILES

        execute(
            "UPDATE files_thumbnails SET storage_key = 'random' WHERE storage_key = :key", key=key
        )
        run('downgrade', 'files@71c8d3f5e90b')

        assert execute('SELECT count(*) FROM files_thumbnails') == [(rows - 1,)]


def execute_and_commit(sql, **values):
    """Execute SQL in a transaction; return its rows."""
    with db.engine.connect() as connection, connection.begin():
        result = connection.execute(text(sql), values)
        return result.all() if result.returns_rows else []


class TestBranches:
    def test_have_exactly_one_head_for_each_feature_with_tables(self, script):
        heads = script.get_revisions(script.get_heads())
        labels = Counter(label for head in heads for label in head.branch_labels)

        assert labels == dict.fromkeys(features(), 1)

    def test_are_counted_twice_if_a_feature_has_two_heads(self, tmp_path, script):
        copy = copy_repository(tmp_path)
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
