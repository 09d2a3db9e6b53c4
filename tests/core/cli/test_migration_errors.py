"""The errors of `flask db`: one line, and 0 after an upgrade that a rollback does not need."""

import shlex
import shutil

import pytest
from alembic.runtime.migration import MigrationContext

from config.testing import TestingConfig
from project import create_app
from project.core.database.migrations.folders import (
    ROOT,
    heads_by_feature,
    migrate,
    script_directory,
)
from project.core.database.session import db
from tests.separate_app import application

MERGED = """revision = {revision!r}
down_revision = {after!r}
branch_labels = None
depends_on = None


def upgrade():
    pass


def downgrade():
    pass
"""


# Each of them once ended with a traceback, or is a sibling of one that did.
WRONG_ARGUMENTS = (
    "upgrade ''", 'upgrade users@+99', 'upgrade users:auth', 'downgrade users@-2',
    'downgrade users@-99', 'downgrade nosuch@-1', 'downgrade heads@-1', 'downgrade users@',
    "downgrade ''", 'downgrade @-1', "stamp ''", "show ''", 'show a:b', 'history -r nosuch',
    'edit nosuch', 'revision --head nosuch -m x', 'revision --rev-id a@b -m x', 'migrate -m x',
    'merge nosuch', 'heads -d /nonexistent', 'upgrade -d /nonexistent', 'check -d /nonexistent',
    'upgrade --sql', 'init', 'nosuch',
)  # fmt: skip


@pytest.fixture
def app_of_old_release(tmp_path):
    """Yield an application whose database has the migration `zznewer` after those of `users`."""
    with application(tmp_path, 'old') as app:
        store_revisions({name: 'zznewer' if name == 'users' else head for name, head in known()})
        yield app


def known():
    """Return each feature with its newest revision."""
    script = script_directory()
    return [(name, head.revision) for name, [head] in heads_by_feature(script).items()]


def store_revisions(heads):
    """Store revisions of the database, as if it had been migrated."""
    with db.engine.connect() as connection:
        connection.exec_driver_sql('CREATE TABLE alembic_version (version_num VARCHAR(32))')
        for revision in heads.values():
            connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")


def stored_revisions():
    """Return the revisions that the database has, sorted."""
    with db.engine.connect() as connection:
        return sorted(MigrationContext.configure(connection).get_current_heads())


def run(app, *arguments):
    """Return the exit code and the output of a command of `flask db`."""
    result = app.test_cli_runner().invoke(args=['db', *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.output


class TestErrors:
    @pytest.mark.parametrize('command', ['upgrade', 'downgrade', 'show', 'stamp', 'edit'])
    def test_are_one_line_without_a_log_record(self, tmp_path, caplog, command):
        with application(tmp_path, 'empty') as app:
            code, output = run(app, command, 'nosuch')

        assert (code, output) == (1, "Error: Can't locate revision identified by 'nosuch'\n")
        assert caplog.records == []

    def test_are_one_line_for_each_wrong_argument(self, tmp_path):
        with application(tmp_path, 'wrong') as app:
            reports = {line: run(app, *shlex.split(line)) for line in WRONG_ARGUMENTS}

        assert not {
            line: report
            for line, report in reports.items()
            if report[0] == 0 or not report[1].splitlines()[-1].startswith('Error: ')
        }
        code, output = reports['downgrade users@-2']
        assert (code, output) == (
            1,
            "Error: the database has no migration that 'users@-2' could mean; its migrations: "
            'flask db current; all migrations: flask db history\n',
        )

    def test_are_one_line_without_a_database(self):
        class Config(TestingConfig):
            SQLALCHEMY_DATABASE_URI = 'postgresql://nobody@127.0.0.1:1/none'

        app = create_app(Config)
        for line in ('upgrade', 'downgrade users@-1', 'stamp', 'current', 'check', 'history -i'):
            with app.app_context():
                code, output = run(app, *shlex.split(line))

            assert code == 1, line
            assert output.startswith('Error: connection failed: ')
            assert output.count('\n') == 1

    def test_of_this_project_are_not_hidden(self, tmp_path, monkeypatch):
        def fail():
            raise AssertionError

        monkeypatch.setattr('project.core.database.migrations.commands.script_directory', fail)

        with application(tmp_path, 'bug') as app:
            result = app.test_cli_runner().invoke(args=['db', 'check'])

        assert isinstance(result.exception, AssertionError)


class TestUnknownRevisions:
    def test_do_not_prevent_a_rollback(self, app_of_old_release):
        code, output = run(app_of_old_release, 'upgrade')

        assert code == 0
        assert output == (
            'Nothing to upgrade: the database has migrations that this code lacks: zznewer (on no '
            'git branch); run the version of the code that has them\n'
        )

    def test_are_an_error_in_development(self, app_of_old_release, monkeypatch):
        monkeypatch.setitem(app_of_old_release.config, 'DEVELOPMENT', True)

        code, output = run(app_of_old_release, 'upgrade')

        assert code == 1
        assert output.startswith('Error: the database has migrations that this code lacks: zznewer')

    def test_are_an_error_of_other_commands(self, app_of_old_release):
        assert run(app_of_old_release, 'current')[0] == 1

    def test_are_an_error_if_another_feature_is_behind(self, tmp_path):
        [first] = [
            each.revision
            for each in script_directory().walk_revisions()
            if each.down_revision is None and 'core' in each.branch_labels
        ]
        with application(tmp_path, 'behind') as app:
            store_revisions({**dict(known()), 'users': 'zznewer', 'core': first})

            assert run(app, 'upgrade')[0] == 1


@pytest.fixture
def app_with_merge(tmp_path, monkeypatch):
    """Yield an application whose database has a merge of two migrations of `books`."""
    versions = tmp_path / 'migrations' / 'versions' / 'books'
    versions.mkdir(parents=True)
    for revision, after in {
        'zzbase': None, 'zzleft': 'zzbase', 'zzright': 'zzbase', 'zzmerge': ('zzleft', 'zzright'),
        'zzlast': 'zzmerge',
    }.items():  # fmt: skip
        text = MERGED.format(revision=revision, after=after)
        if after is None:
            text = text.replace('branch_labels = None', "branch_labels = ('books',)")
        (versions / f'{revision}.py').write_text(text)
    for name in ('env.py', 'alembic.ini', 'script.py.mako'):
        shutil.copy(ROOT / 'migrations' / name, tmp_path / 'migrations')
    monkeypatch.setattr(migrate, 'directory', str(tmp_path / 'migrations'))
    with application(tmp_path, 'merge') as app:
        store_revisions({'books': 'zzlast'})
        yield app


class TestDowngradeAcrossAMerge:
    def test_names_the_revisions_before_it(self, app_with_merge):
        code, output = run(app_with_merge, 'downgrade', 'books@-2')

        assert code == 1
        assert output == (
            'Error: a merge has several migrations before it: books@-2 does not name one of them. '
            'Run: flask db downgrade zzleft or flask db downgrade zzright\n'
        )
        assert run(app_with_merge, 'downgrade', 'zzleft')[0] == 0
        assert stored_revisions() == ['zzleft', 'zzright']
