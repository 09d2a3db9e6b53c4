"""Long tests of `flask feature`, which `make soak` runs on copies of the repository.

`.ci/run` only makes, checks and removes the features of docs/features.md.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from project.core.cli.feature_kit.fields import EXAMPLES
from tests.complete_copy import commit_copy, git

# Values of `--fields` for the features that the tests create, with all types and options.
ALL_FIELDS = ' '.join(
    [f'{kind}_value:{kind}' for kind in EXAMPLES if kind not in ('enum', 'ref')]
    + [
        'state:enum(open,paid,void)',
        'customer:ref(users)',
        'number:str:unique',
        'memo:text:optional',
    ]
)
OPTIONAL_FIELDS = ' '.join(
    [f'{kind}_value:{kind}:optional' for kind in EXAMPLES if kind not in ('enum', 'ref')]
    + ['state:enum(open,paid):optional', 'customer:ref(users):optional']
    + ['bill:ref(zz_billing):optional', 'next_bill:ref(zz_billing)', 'code:uuid:unique:optional']
)


class Repository:
    """A copy of the repository with an SQLite database. In git, its branch is `topic`."""

    def __init__(self, folder: Path) -> None:
        self.folder = commit_copy(folder / 'copy')
        git(self.folder, 'checkout', '--quiet', '-b', 'topic')

    def run(self, *arguments: str, environment: str = 'development', code: int = 0) -> str:
        """Run a module of Python, and return its output."""
        variables = {
            'PATH': os.environ['PATH'],
            'PYTHONPATH': str(self.folder),
            'PYTHON_DOTENV_DISABLED': '1',
            'APP_ENV': environment,
            'DATABASE_URL': f'sqlite:///{self.folder}/var/development.sqlite',
        }
        ended = subprocess.run(
            [sys.executable, '-m', *arguments],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout

    def flask(self, *arguments: str, code: int = 0) -> str:
        """Run a `flask` command, and return its output."""
        return self.run('flask', *arguments, code=code)

    def commit(self, message: str) -> None:
        """Commit all files."""
        git(self.folder, 'add', '--all')
        git(self.folder, 'commit', '--quiet', '--message', message)


@pytest.fixture
def repository(tmp_path):
    """Return a copy of the repository whose development database is migrated."""
    repository = Repository(tmp_path)
    (repository.folder / 'var').mkdir()
    repository.flask('db', 'upgrade')
    return repository


class TestFeatureNew:
    @pytest.mark.timeout(600)
    def test_creates_a_feature_that_passes_all_checks(self, repository):
        repository.flask(
            'feature', 'new', 'zz_billing', '--model', 'ZzBill', '--fields', ALL_FIELDS
        )
        repository.flask(
            'feature', 'add', 'zz_billing', '--model', 'ZzPayment', '--fields', OPTIONAL_FIELDS
        )
        repository.flask(
            'feature', 'new', 'zz_orders', '--fields', 'name:str bill:ref(zz_billing_zz_bills)'
        )
        repository.flask('db', 'upgrade')
        repository.flask('db', 'check')

        for name in ('zz_billing', 'zz_orders'):
            assert 'FAILED' not in repository.flask('feature', 'check', name)

        # The new features are not on the main branch, so `remove` simply undoes their creation.
        assert 'zz_orders' in subprocess_error(repository, 'feature', 'remove', 'zz_billing')
        repository.flask('feature', 'remove', 'zz_orders')
        repository.flask('feature', 'remove', 'zz_billing')
        assert git(repository.folder, 'status', '--short') == ''
        repository.flask('db', 'check')

    @pytest.mark.timeout(3600)
    def test_keeps_the_whole_suite_green_with_ten_features(self, repository):
        for number in range(10):
            repository.flask(
                'feature', 'new', f'zz_{"abcdefghij"[number]}_bills', '--fields', ALL_FIELDS
            )

        repository.flask('db', 'upgrade')
        repository.run(
            *('pytest', '-q', '-n', 'auto', '-p', 'no:schemathesis', '-m', 'not servers'),
            environment='testing',
        )

    @pytest.mark.timeout(300)
    def test_accepts_names_of_the_maximum_length(self, repository):
        name = 'b' * 17
        fields = ' '.join(
            f'{"f" * 23}{at}:{kind}'
            for at, kind in enumerate(('str:unique', 'ref(users)', 'enum(a,b)'))
        )

        repository.flask('feature', 'new', f'{name}s', '--fields', fields)

        repository.run(
            'pytest', '-q', '-p', 'no:schemathesis', f'tests/{name}s', environment='testing'
        )


def subprocess_error(repository: Repository, *arguments: str) -> str:
    """Return the error of a command that must fail."""
    with pytest.raises(AssertionError) as error:
        repository.flask(*arguments)
    return str(error.value)


class TestFeatureRemove:
    @pytest.mark.timeout(600)
    def test_needs_two_calls_for_a_feature_on_the_main_branch(self, repository):
        repository.flask('feature', 'new', 'zz_orders')
        repository.commit('Add orders')
        git(repository.folder, 'branch', '-f', 'main')
        repository.flask('db', 'upgrade')

        output = repository.flask('feature', 'remove', 'zz_orders', code=1)
        assert 'flask db downgrade zz_orders@base' in output
        repository.flask('feature', 'remove', 'zz_orders', '--confirm', code=1)
        assert git(repository.folder, 'status', '--short') == ''

        repository.flask('db', 'downgrade', 'zz_orders@base')
        repository.flask('feature', 'remove', 'zz_orders', '--confirm')
        repository.commit('Remove orders')
        assert git(repository.folder, 'diff', '--stat', 'main~1', 'topic') == ''

    @pytest.mark.timeout(600)
    def test_keeps_tables_on_request(self, repository):
        repository.flask('feature', 'new', 'zz_orders')
        repository.flask('db', 'upgrade')

        repository.flask('feature', 'remove', 'zz_orders', '--keep-data')

        repository.flask('db', 'upgrade')
        repository.flask('db', 'check')
        kept = repository.folder / 'migrations' / 'versions' / 'zz_orders'
        assert 'flask db downgrade zz_orders@base' in (kept / 'README.md').read_text()
        assert not (repository.folder / 'project' / 'zz_orders').exists()
        repository.flask('db', 'downgrade', 'zz_orders@base')
        shutil.rmtree(kept)
        repository.flask('db', 'check')
