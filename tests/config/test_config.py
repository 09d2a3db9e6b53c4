"""The configuration classes, such as for production, and processes that start with them."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from werkzeug.utils import import_string

from config import ENVIRONMENTS, config_for, set_umask
from config.development import DevelopmentConfig
from tests.config.environment import KEY, good_environment

ROOT = Path(__file__).resolve().parents[2]
START = 'import wsgi; print(wsgi.create_app().config["SECRET_KEY"])'

BASE_VARIABLES = {'PATH': os.environ['PATH'], 'PYTHON_DOTENV_DISABLED': '1', 'HOME': '/nonexistent'}


def run(command, environment):
    """Run a command in the repository with only `BASE_VARIABLES` and these variables."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**BASE_VARIABLES, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rejection_of(ended):
    """Return the only line on stderr; check that the process failed."""
    assert ended.returncode not in (0, None)
    assert ended.stdout == ''
    [line] = ended.stderr.splitlines()
    return line


class TestConfigFor:
    @pytest.mark.parametrize('environment', ENVIRONMENTS)
    def test_returns_the_path_of_a_class(self, environment):
        path = config_for(environment)

        assert import_string(path).__name__ == f'{environment.title()}Config'

    def test_reads_app_env(self, monkeypatch):
        monkeypatch.setenv('APP_ENV', 'staging')

        assert config_for() == 'config.staging.StagingConfig'

    @pytest.mark.parametrize('nothing', [None, ''])
    def test_returns_production_by_default(self, monkeypatch, nothing):
        monkeypatch.delenv('APP_ENV', raising=False)
        if nothing is not None:
            monkeypatch.setenv('APP_ENV', nothing)

        assert config_for() == 'config.production.ProductionConfig'

    @pytest.mark.parametrize('unknown', ['prod', 'Production', ' production', '../staging'])
    def test_rejects_an_unknown_environment_in_one_line(self, monkeypatch, unknown):
        monkeypatch.setenv('APP_ENV', unknown)

        with pytest.raises(SystemExit) as rejection:
            config_for()

        assert str(rejection.value).startswith(f'APP_ENV is {unknown!r}; it must be one of ')
        assert len(str(rejection.value).splitlines()) == 1

    def test_loads_only_the_chosen_class(self):
        code = (
            'import sys, config; from werkzeug.utils import import_string\n'
            'import_string(config.config_for())\n'
            'print(*sorted(n for n in sys.modules if n.count(".") == 1 and "config." in n))'
        )

        ended = run([sys.executable, '-c', code], {'APP_ENV': 'development'})

        assert ended.stdout.split() == [
            'config.base',
            'config.development',
            'config.env',
            'config.features',
            'config.settings',
        ]


class TestSetUmask:
    @pytest.fixture(autouse=True)
    def umask(self):
        """Restore the umask of the test process afterwards."""
        before = os.umask(0o022)
        yield
        os.umask(before)

    @pytest.mark.parametrize(('value', 'mode'), [('', 0o600), ('077', 0o600), ('027', 0o640)])
    def test_denies_new_files_to_other_users(self, monkeypatch, tmp_path, value, mode):
        monkeypatch.setenv('UMASK', value)

        set_umask()

        (tmp_path / 'new').touch()
        assert (tmp_path / 'new').stat().st_mode & 0o777 == mode

    def test_reads_app_config_file(self, monkeypatch, tmp_path):
        path = tmp_path / 'settings.py'
        path.write_text("UMASK = '027'")
        monkeypatch.setenv('APP_CONFIG_FILE', str(path))

        set_umask()

        assert os.umask(0o022) == 0o027

    def test_reads_the_class_of_the_environment(self, monkeypatch):
        monkeypatch.setenv('APP_ENV', 'development')
        monkeypatch.setattr(DevelopmentConfig, 'UMASK', '027')

        set_umask()

        assert os.umask(0o022) == 0o027


@pytest.mark.slow('starts a process for each configuration')
class TestProduction:
    """Starts of the application with the configuration class for production.

    Each start is a separate process.
    """

    def test_rejects_an_empty_environment_within_four_cpu_seconds(self):
        # Measure the CPU time, because the elapsed time depends on other processes.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)

        line = rejection_of(run([sys.executable, '-c', START], {}))

        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4
        assert line == (
            'Refusing to start: DATABASE_URL is not set; SECRET_KEY is not set; '
            'PUBLIC_URL is not set. See .env.example.'
        )

    def test_starts_with_values_from_variables_and_files(self, tmp_path):
        good = good_environment(tmp_path)
        (tmp_path / 'strong.py').write_text(f'SECRET_KEY = {KEY[::-1]!r}\n')
        (tmp_path / 'url').write_text(f'{good.pop("DATABASE_URL")}\n')
        files = {'APP_CONFIG_FILE': 'strong.py', 'DATABASE_URL_FILE': 'url'}
        files = {name: str(tmp_path / path) for name, path in files.items()}

        environment = {**good, 'APP_ENV': '', 'SECRET_KEY': '', **files}
        end = run([sys.executable, '-c', START], environment)

        assert (end.returncode, end.stdout.strip(), end.stderr) == (0, KEY[::-1], '')


@pytest.mark.servers
class TestProcesses:
    """Commands that operators run with a wrong configuration: `flask` and `gunicorn`."""

    # tests/test_configuration.py tests all possible faults.
    @pytest.mark.parametrize(
        ('faults', 'reason'),
        [
            ({'SECRET_KEY': ''}, 'SECRET_KEY is not set'),
            ({'WEB_CONCURRENCY': 'two'}, 'WEB_CONCURRENCY must be a whole number from 1 to 1024'),
        ],
    )
    def test_flask_rejects_faults_in_one_line(self, tmp_path, faults, reason):
        flask = str(Path(sys.executable).parent / 'flask')

        ended = run([flask, 'users', 'list'], {**good_environment(tmp_path), **faults})

        assert rejection_of(ended).startswith(f'Refusing to start: {reason}')

    @pytest.mark.parametrize(
        'faults',
        [
            # config/gunicorn.py detects these faults before it loads the application.
            {'APP_CONFIG_FILE': 'nowhere', 'HOST': 'unix:/x', 'FILES_QUOTA': '-1'},
            # The application detects these faults.
            {'MAIL_FROM': 'API', 'SECRET_KEY': 'short', 'FILES_SCANNER': 'x'},
        ],
    )
    def test_gunicorn_rejects_faults_in_one_line_at_once(self, tmp_path, faults):
        gunicorn = str(Path(sys.executable).parent / 'gunicorn')
        before = resource.getrusage(resource.RUSAGE_CHILDREN)

        end = run(
            [gunicorn, '-c', 'config/gunicorn.py', 'wsgi:create_app()'],
            {**good_environment(tmp_path), 'PORT': '0', **faults},
        )

        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        line = rejection_of(end)
        assert [name for name in faults if name not in line] == []
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4

    def test_config_check_reports_faults(self, tmp_path):
        flask = str(Path(sys.executable).parent / 'flask')
        faults = {'SECRET_KEY': '', 'WEB_CONCURRENCY': 'two', 'APP_CONFIG_FILE': 'nowhere'}

        end = run([flask, 'config', 'check'], {**good_environment(tmp_path), **faults})

        assert end.returncode == 1
        assert {'SECRET_KEY', 'WEB_CONCURRENCY', 'APP_CONFIG_FILE'} <= set(end.stdout.split())
        assert end.stderr == 'Error: the configuration has faults: 3\n'


class TestStaging:
    def test_is_strict(self):
        assert import_string(config_for('staging')).STRICT


class TestDevelopment:
    def test_needs_no_variables(self):
        code = (
            'from config.development import DevelopmentConfig as c\n'
            'print(c.SQLALCHEMY_DATABASE_URI, c.STORAGE_URL, c.MAIL_URL, c.API_DOCS, c.STRICT)'
        )

        ended = run([sys.executable, '-c', code], {})

        var = ROOT / 'var'
        assert ended.stdout.split() == [
            f'sqlite:///{var}/development.sqlite',
            f'file://{var}/storage',
            f'file://{var}/mail',
            'public',
            'False',
        ]
