"""Migrations that the database has and the code lacks."""

import subprocess

import pytest

from project.core.database.session import db
from project.core.development.unknown_revisions import (
    explain_unknown_revisions,
    find_unknown_revisions,
)
from tests.repository_copy import migrated_copy, python
from tests.separate_app import application

# The migrations of a git branch: a new feature, and a change of the core's last migration.
NEW_FEATURE = """
import sqlalchemy as sa
from alembic import op

revision = 'zzfirst'
down_revision = None
branch_labels = ('zz_planted',)
depends_on = None


def upgrade():
    op.create_table('zz_planted', sa.Column('id', sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table('zz_planted')
"""
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = 'zzsecond'
down_revision = '{head}'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('core_zz_planted', sa.Column('id', sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table('core_zz_planted')
"""
# A second change of the core, so that an undone migration is not a head of the database.
THIRD = """
revision = 'zzthird'
down_revision = 'zzsecond'
branch_labels = None
depends_on = 'zzfirst'


def upgrade():
    pass


def downgrade():
    pass
"""
UPGRADE = """
from flask_migrate import upgrade
from wsgi import create_app

with create_app().app_context():
    upgrade(revision='heads')
"""
# On the other branch: every command names the branch, and `flask db prune` undoes the migrations.
COMMANDS = """
from sqlalchemy import inspect
from project.core.database.session import db
from wsgi import create_app

app = create_app()
runner = app.test_cli_runner()
for arguments in (
    'upgrade', 'current', 'check', 'prune --dry-run', 'prune', 'prune --yes', 'check'
):
    result = runner.invoke(args=['db', *arguments.split()])
    print(result.exit_code, result.output.strip())
with app.app_context():
    print([name for name in inspect(db.engine).get_table_names() if 'zz' in name])
"""
PLAN = """\
zzthird  migrations/versions/core/third.py (git branch topic)
zzsecond  migrations/versions/core/second.py (git branch topic)
zzfirst  migrations/versions/zz_planted/first.py (git branch topic)"""
MESSAGE = (
    'the database has migrations that this code lacks: '
    'migrations/versions/core/third.py (git branch topic); to undo them: flask db prune; '
    'to delete all data: flask db reset'
)


@pytest.fixture
def app_with_unknown_revision(tmp_path):
    """Yield an application whose database has a migration that no git branch has."""
    with application(tmp_path, 'unknown') as app:
        with db.engine.connect() as connection:
            connection.exec_driver_sql('CREATE TABLE alembic_version (version_num VARCHAR(32))')
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('zzunknown')")
        yield app


class TestFindUnknownRevisions:
    def test_returns_the_revision_without_a_migration(self, app_with_unknown_revision):
        assert find_unknown_revisions() == ['zzunknown']


class TestExplainUnknownRevisions:
    @pytest.mark.parametrize(
        ('is_development', 'remedy'),
        [
            (True, 'to delete all data: flask db reset'),
            (False, 'run the version of the code that has them'),
        ],
    )
    def test_names_the_remedy(self, app_with_unknown_revision, monkeypatch, is_development, remedy):
        monkeypatch.setitem(app_with_unknown_revision.config, 'DEVELOPMENT', is_development)

        message = explain_unknown_revisions()

        assert message.endswith(f'that this code lacks: zzunknown (on no git branch); {remedy}')


@pytest.mark.servers
class TestUndoUnknownMigrations:
    def test_undoes_the_migrations_of_another_git_branch(self, tmp_path):
        with migrated_copy(tmp_path) as copy:
            self.commit_branch(copy)
            python(copy, '-c', UPGRADE)
            self.git(copy, 'switch', '-q', 'main')

            output = python(copy, '-c', COMMANDS)

        lines = output.splitlines()
        assert lines[:3] == [f'1 Error: {MESSAGE}'] * 3
        assert f'0 Would undo:\n{PLAN}\n1 To undo:\n{PLAN}\nAborted!' in output
        assert '\nUndone: zzthird, zzsecond, zzfirst. Next: flask db upgrade\n' in output
        assert '0 No new upgrade operations detected.' in lines
        assert lines[-1] == '[]'

    def test_keeps_a_migration_of_the_work_tree_beside_them(self, tmp_path):
        with migrated_copy(tmp_path) as copy:
            self.commit_branch(copy)
            second = copy / 'migrations' / 'versions' / 'core' / 'second.py'
            own = second.with_name('own.py')
            own.write_text(second.read_text().replace('zz', 'zz_own_'))
            python(copy, '-c', UPGRADE)
            # The new file stays in the work tree.
            self.git(copy, 'switch', '-q', 'main')

            output = python(copy, '-c', COMMANDS)

        assert 'Undone: zzthird, zzsecond, zzfirst. Next' in output
        assert output.splitlines()[-1] == "['core_zz_own__planted']"

    def commit_branch(self, copy):
        """Commit the copy on `main`, and two migrations on the branch `topic`, which stays on."""
        self.git(copy, 'init', '-q', '-b', 'main')
        self.git(copy, 'add', 'project', 'migrations', 'config', 'wsgi.py')
        self.git(copy, 'commit', '-q', '-m', 'Begin')
        self.git(copy, 'switch', '-q', '-c', 'topic')
        versions = copy / 'migrations' / 'versions'
        texts = [path.read_text() for path in (versions / 'core').glob('*.py')]
        revisions = {text.partition("\nrevision = '")[2].partition("'")[0] for text in texts}
        # A migration that joins two branches has two down revisions.
        down = ''.join(text.partition('\ndown_revision')[2].partition('\n')[0] for text in texts)
        [head] = [each for each in revisions if f"'{each}'" not in down]
        (versions / 'zz_planted').mkdir()
        (versions / 'zz_planted' / 'first.py').write_text(NEW_FEATURE)
        (versions / 'core' / 'second.py').write_text(NEXT.format(head=head))
        (versions / 'core' / 'third.py').write_text(THIRD)
        self.git(copy, 'add', 'migrations')
        self.git(copy, 'commit', '-q', '-m', 'Add migrations')

    def git(self, copy, *arguments):
        identity = ('-c', 'user.name=x', '-c', 'user.email=x@example.com')
        subprocess.run(['git', *identity, *arguments], cwd=copy, check=True)
