"""How the service is told what it is, and how it refuses to be told nonsense."""

import ast
import json
import os
import re
import resource
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.utils import import_string

from config import ENVIRONMENTS, checks, config_for, env, set_umask
from tests.architecture import parse

ROOT = Path(__file__).resolve().parents[2]
KEY = 'q8Zr2vLx0mWc5nTy7bKd1hFj4gPs6aEu9iOo3RtY'
START = 'import wsgi; print(wsgi.create_app().config["SECRET_KEY"])'

# One process that has imported what costs time, and none of the classes, forks for each start.
START_MANY = """
import json, os, sys, tempfile
import project.api, project.core.database.migrations, project.core.observability.health
import project.core.web.endpoints.rate_limits, project.core.web.maintenance

assert not {'config.base', 'config.production'} & set(sys.modules)
ended = {}
for name, environment in json.loads(sys.argv[1]).items():
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os.environ.update(environment)
            try:
                import wsgi
                wsgi.create_app()
            except SystemExit as rejection:
                print(rejection.code, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        ended[name] = os.waitstatus_to_exitcode(status), said.read().decode()
print(json.dumps(ended))
"""
EVERYWHERE = {'PATH': os.environ['PATH'], 'PYTHON_DOTENV_DISABLED': '1', 'HOME': '/nonexistent'}


def good_environment(folder):
    """Return an environment that production starts in."""
    return {
        'APP_ENV': 'production',
        'SECRET_KEY': KEY,
        'DATABASE_URL': f'sqlite:///{folder}/production.sqlite',
        'PUBLIC_URL': 'https://api.example.com',
        'STORAGE_URL': f'file://{folder}/storage',
        'MAIL_URL': f'file://{folder}/mail',
    }


def run(command, environment):
    """Run a command in the repository with nothing in its environment but what is given."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**EVERYWHERE, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rejection_of(ended):
    """Return the line that a process refused with."""
    assert ended.returncode not in (0, None)
    assert ended.stdout == ''
    [line] = ended.stderr.splitlines()
    return line


class TestConfigFor:
    @pytest.mark.parametrize('environment', ENVIRONMENTS)
    def test_names_a_class_that_is_there(self, environment):
        path = config_for(environment)

        assert import_string(path).__name__ == f'{environment.title()}Config'

    def test_asks_the_environment(self, monkeypatch):
        monkeypatch.setenv('APP_ENV', 'staging')

        assert config_for() == 'config.staging.StagingConfig'

    @pytest.mark.parametrize('nothing', [None, ''])
    def test_takes_nothing_for_production(self, monkeypatch, nothing):
        monkeypatch.delenv('APP_ENV', raising=False)
        if nothing is not None:
            monkeypatch.setenv('APP_ENV', nothing)

        assert config_for() == 'config.production.ProductionConfig'

    @pytest.mark.parametrize('unknown', ['prod', 'Production', ' production', '../staging'])
    def test_rejects_what_it_does_not_know_in_one_line(self, monkeypatch, unknown):
        monkeypatch.setenv('APP_ENV', unknown)

        with pytest.raises(SystemExit) as rejection:
            config_for()

        assert str(rejection.value).startswith(f'APP_ENV is {unknown!r}; it must be one of ')
        assert len(str(rejection.value).splitlines()) == 1

    def test_loads_only_the_chosen_class(self):
        code = (
            'import sys, config; from werkzeug.utils import import_string\n'
            'import_string(config.config_for())\n'
            'print(*sorted(name for name in sys.modules if name.startswith("config.")))'
        )

        ended = run([sys.executable, '-c', code], {'APP_ENV': 'development'})

        assert ended.stdout.split() == ['config.base', 'config.development', 'config.env']


class TestSetUmask:
    @pytest.fixture(autouse=True)
    def umask(self):
        """Leave the umask of the tests as it was."""
        before = os.umask(0o022)
        yield
        os.umask(before)

    @pytest.mark.parametrize(('value', 'mode'), [('', 0o600), ('077', 0o600), ('027', 0o640)])
    def test_keeps_other_users_from_new_files(self, monkeypatch, tmp_path, value, mode):
        monkeypatch.setenv('UMASK', value)

        set_umask()

        (tmp_path / 'new').touch()
        assert (tmp_path / 'new').stat().st_mode & 0o777 == mode


class TestText:
    def test_asks_the_environment(self, monkeypatch):
        monkeypatch.setenv('SOMETHING', 'here')

        assert env.text('SOMETHING', 'default') == 'here'

    @pytest.mark.parametrize('value', [None, ''])
    def test_has_a_default_for_nothing(self, monkeypatch, value):
        monkeypatch.delenv('SOMETHING', raising=False)
        if value is not None:
            monkeypatch.setenv('SOMETHING', value)

        assert env.text('SOMETHING', 'default') == 'default'

    @pytest.mark.parametrize('content', ['here', 'here\n', 'here\n\n'])
    def test_reads_the_file_that_may_hold_it(self, monkeypatch, tmp_path, content):
        (tmp_path / 'secret').write_text(content)
        monkeypatch.setenv('SOMETHING_FILE', str(tmp_path / 'secret'))
        monkeypatch.setenv('SOMETHING', 'elsewhere')

        assert env.text('SOMETHING') == 'here'

    def test_keeps_spaces_of_a_file(self, monkeypatch, tmp_path):
        (tmp_path / 'secret').write_text('\u00a0 ü \t\n', encoding='utf-8')
        monkeypatch.setenv('SOMETHING_FILE', str(tmp_path / 'secret'))

        assert env.text('SOMETHING') == '\u00a0 ü \t'

    def test_rejects_a_file_that_is_not_there_without_naming_it(self, monkeypatch, tmp_path):
        monkeypatch.setenv('SOMETHING_FILE', str(tmp_path / 'nothing'))

        with pytest.raises(SystemExit) as rejection:
            env.text('SOMETHING')

        assert str(rejection.value) == 'SOMETHING_FILE cannot be read: No such file or directory.'

    def test_rejects_a_file_that_is_no_text(self, monkeypatch, tmp_path):
        (tmp_path / 'secret').write_bytes(b'\xff\xfe')
        monkeypatch.setenv('SOMETHING_FILE', str(tmp_path / 'secret'))

        with pytest.raises(SystemExit) as rejection:
            env.text('SOMETHING')

        assert str(rejection.value) == 'SOMETHING_FILE cannot be read: it is not UTF-8.'


class TestTypedVariables:
    @pytest.mark.parametrize(
        ('read', 'value', 'meant'),
        [
            (lambda: env.integer('IT', 1), '42', 42),
            (lambda: env.integer('IT', 1), '', 1),
            (lambda: env.integer('IT', 1, range(5)), '4', 4),
            (lambda: env.days('IT', 1), '7', timedelta(days=7)),
            (lambda: env.boolean('IT', False), 'true', True),
            (lambda: env.boolean('IT', False), 'YES', True),
            (lambda: env.boolean('IT', True), '0', False),
            (lambda: env.boolean('IT', True), 'off', False),
            (lambda: env.boolean('IT', True), '', True),
            (lambda: env.word_list('IT'), ' a  b ', ['a', 'b']),
            (lambda: env.word_list('IT'), '', []),
            (lambda: env.choice('IT', 'a', ('a', 'b')), 'b', 'b'),
            (lambda: env.choice('IT', 'a', ('a', 'b')), '', 'a'),
            (lambda: env.size('IT', '1GB'), '', 1_000_000_000),
            (lambda: env.optional_size('IT', range(5001)), '5KB', 5000),
            (lambda: env.optional_size('IT', range(5001)), '', None),
        ],
    )
    def test_mean_what_they_say(self, monkeypatch, read, value, meant):
        monkeypatch.setenv('IT', value)

        assert read() == meant

    @pytest.mark.parametrize(
        ('read', 'value', 'kind'),
        [
            (lambda: env.integer('IT', 1), 'many', 'a whole number'),
            (lambda: env.integer('IT', 1), '1.5', 'a whole number'),
            (lambda: env.integer('IT', 1), '1' * 5000, 'a whole number'),
            (lambda: env.integer('IT', 1, range(1, 5)), '0', 'a whole number from 1 to 4'),
            (lambda: env.integer('IT', 1, range(1, 5)), '5', 'a whole number from 1 to 4'),
            (lambda: env.days('IT', 1), '1d', 'days to count'),
            (lambda: env.boolean('IT', True), 'perhaps', 'true or false'),
            (lambda: env.choice('IT', 'a', ('a', 'b')), 'c', 'a or b'),
            (lambda: env.size('IT', '1GB'), 'big', 'a size such as 500MB'),
            (lambda: env.size('IT', '1GB'), 'GB', 'a size such as 500MB'),
            (lambda: env.size('IT', '1GB'), '1.5GB', 'a size such as 500MB'),
            (lambda: env.size('IT', '1GB'), '10XB', 'a size such as 500MB'),
            (
                lambda: env.optional_size('IT', range(5000)),
                '5KB',
                'a size such as 500MB, of at most 4999 bytes',
            ),
        ],
    )
    def test_reject_nonsense_in_one_line(self, monkeypatch, read, value, kind):
        monkeypatch.setenv('IT', value)

        with pytest.raises(SystemExit) as rejection:
            read()

        assert str(rejection.value) == f'IT is {value!r}; it must be {kind}.'

    @pytest.mark.parametrize(
        'read',
        [lambda: env.integer('IT', 1), lambda: env.days('IT', 1), lambda: env.size('IT', '1')],
    )
    def test_reject_less_than_nothing(self, monkeypatch, read):
        monkeypatch.setenv('IT', '-1')

        with pytest.raises(SystemExit):
            read()

    def test_reject_more_days_than_there_are(self, monkeypatch):
        monkeypatch.setenv('IT', '9' * 12)

        with pytest.raises(SystemExit):
            env.days('IT', 1)


class TestParseSize:
    @pytest.mark.parametrize(
        ('word', 'size'),
        [
            ('0', 0),
            ('1000', 1000),
            ('1000B', 1000),
            ('5k', 5000),
            ('5KB', 5000),
            ('5KiB', 5120),
            ('500MB', 500_000_000),
            ('2GiB', 2 * 1024**3),
            ('1T', 10**12),
        ],
    )
    def test_knows_thousands_and_their_binary_cousins(self, word, size):
        assert env.parse_size(word) == size


class TestDatabaseUrl:
    @pytest.mark.parametrize(
        ('given', 'meant'),
        [
            ('postgres://u:p@host/name', 'postgresql://u:p@host/name'),
            ('postgresql://u:p@host/name', 'postgresql://u:p@host/name'),
            ('sqlite:///var/a.sqlite', f'sqlite:///{ROOT}/var/a.sqlite'),
            ('sqlite:////srv/a.sqlite', 'sqlite:////srv/a.sqlite'),
            ('sqlite:///:memory:', 'sqlite:///:memory:'),
            ('sqlite://', 'sqlite://'),
            ('', ''),
        ],
    )
    def test_is_what_sqlalchemy_wants(self, monkeypatch, given, meant):
        monkeypatch.setenv('DATABASE_URL', given)

        assert env.database_url() == meant


class TestTrustedHosts:
    @pytest.mark.parametrize(
        ('given', 'strict', 'hosts'),
        [
            (None, True, ['api.example.com', 'localhost', '127.0.0.1']),
            (None, False, None),
            (['a.example'], True, ['a.example']),
            (['a.example'], False, ['a.example']),
        ],
    )
    def test_are_those_that_were_named_or_the_services_own(self, given, strict, hosts):
        config = {
            'TRUSTED_HOSTS': given,
            'STRICT': strict,
            'PUBLIC_URL': 'https://api.example.com:8443',
        }

        assert checks.trusted_hosts(config) == hosts


class TestValidateConfig:
    GOOD = {
        'STRICT': True,
        'SQLALCHEMY_DATABASE_URI': 'sqlite://',
        'SECRET_KEY': KEY,
        'SECRET_KEY_FALLBACKS': [],
        'CORS_ORIGINS': [],
        'PUBLIC_URL': 'https://api.example.com',
        'DEBUG': False,
        'MAIL_URL': 'smtp://localhost',
        'REDIS_URL': '',
        'TASKS_BROKER_URL': '',
        'STORAGE_URL': 'file:///tmp',
        'FILES_OFFLOAD': 'none',
        'FILES_SCANNER': '',
    }

    def rejection(self, *, strict=True, **faults):
        with pytest.raises(SystemExit) as rejection:
            checks.validate_config({**self.GOOD, 'STRICT': strict, **faults})
        assert len(str(rejection.value).splitlines()) == 1
        return str(rejection.value)

    def test_lets_good_values_pass(self):
        checks.validate_config(self.GOOD)
        checks.validate_config(
            {
                **self.GOOD,
                'PUBLIC_URL': 'https://api.example.com/',
                'CORS_ORIGINS': ['https://app.example.com', 'http://localhost:5173'],
                'SECRET_KEY_FALLBACKS': [KEY[:32]],
                'REDIS_URL': 'rediss://:hunter2@cache.example.com:6379/0',
                'TASKS_BROKER_URL': 'amqps://ada:hunter2@broker.example.com:5671',
                'SQLALCHEMY_DATABASE_URI': 'postgresql://ada:hunter2@db/api',
            }
        )

    @pytest.mark.parametrize(
        ('faults', 'said'),
        [
            ({'SQLALCHEMY_DATABASE_URI': ''}, 'DATABASE_URL is not set'),
            ({'SQLALCHEMY_DATABASE_URI': 'mysql://x'}, 'DATABASE_URL must begin with'),
            ({'SQLALCHEMY_DATABASE_URI': 'postgresql://u:hunter2@h:abc/db'}, 'DATABASE_URL is no'),
            ({'SQLALCHEMY_DATABASE_URI': 'postgresql+none://h/db'}, 'DATABASE_URL is no'),
            ({'SQLALCHEMY_DATABASE_URI': 'postgresql+psycopg2://h/db'}, 'a driver that is not'),
            ({'SQLALCHEMY_DATABASE_URI': 'sqlite:////dev/null/db'}, 'DATABASE_URL is in a folder'),
            ({'REDIS_URL': 'foo'}, 'REDIS_URL must be'),
            ({'REDIS_URL': 'redis://h:abc'}, 'REDIS_URL must be'),
            ({'REDIS_URL': 'http://h'}, 'REDIS_URL must be'),
            ({'TASKS_BROKER_URL': 'localhost'}, 'TASKS_BROKER_URL must be'),
            ({'TASKS_BROKER_URL': 'kafka://broker'}, 'TASKS_BROKER_URL must be'),
            ({'TASKS_BROKER_URL': 'amqp://u:hunter2@h:abc'}, 'TASKS_BROKER_URL must be'),
            ({'TASKS_BROKER_URL': 'redis://'}, 'TASKS_BROKER_URL must be'),
            ({'SECRET_KEY': ''}, 'SECRET_KEY is not set'),
            ({'CORS_ORIGINS': ['*']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://a.example/']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://[a.example']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://a.example?b']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['null']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://*.example.com/x']}, 'CORS_ORIGINS must be exact origins'),
        ],
    )
    def test_rejects_everywhere_what_cannot_work(self, faults, said):
        assert said in self.rejection(strict=False, **faults)

    @pytest.mark.parametrize(
        ('faults', 'said'),
        [
            ({'SECRET_KEY': 'short'}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY': KEY[:31]}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY': 'a' * 64}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY': 'change-me-' + KEY}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY': 'development-only-never-use-this-one'}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY_FALLBACKS': ['short']}, 'SECRET_KEY is weak'),
            ({'PUBLIC_URL': ''}, 'PUBLIC_URL is not set'),
            ({'PUBLIC_URL': 'api.example.com'}, 'PUBLIC_URL must be an address'),
            ({'PUBLIC_URL': 'https://api.example.com/path'}, 'PUBLIC_URL must be an address'),
            ({'PUBLIC_URL': 'https://'}, 'PUBLIC_URL must be an address'),
            ({'DEBUG': True}, 'debug mode is on'),
            ({'MAIL_URL': 'log:'}, 'MAIL_URL must not be log:'),
            ({'STORAGE_URL': 'file:///dev/null/storage'}, 'STORAGE_URL is a folder that cannot'),
            (
                {'STORAGE_URL': 's3://bucket', 'STORAGE_SPOOL': '/dev/null/spool'},
                'STORAGE_SPOOL is a folder that cannot',
            ),
        ],
    )
    def test_rejects_where_it_is_strict_what_must_not_be(self, faults, said):
        assert said in self.rejection(**faults)
        if 'SECRET_KEY' not in faults:
            checks.validate_config({**self.GOOD, 'STRICT': False, **faults})

    @pytest.mark.parametrize('path', ['relative.py', '/nowhere/settings.py', '/'])
    def test_rejects_everywhere_a_file_of_settings_that_is_not_there(self, monkeypatch, path):
        monkeypatch.setenv('APP_CONFIG_FILE', path)

        assert 'APP_CONFIG_FILE must be the absolute path of a file' in self.rejection(strict=False)

    def test_lets_a_file_of_settings_pass(self, monkeypatch):
        monkeypatch.setenv('APP_CONFIG_FILE', __file__)

        checks.validate_config(self.GOOD)

    def test_names_all_faults_at_once(self):
        line = self.rejection(SQLALCHEMY_DATABASE_URI='', SECRET_KEY='', PUBLIC_URL='', DEBUG=True)

        assert line.count(';') == 3

    def test_repeats_no_secret(self):
        assert 'hunter2' not in self.rejection(
            SECRET_KEY='hunter2', SQLALCHEMY_DATABASE_URI='mysql://a:hunter2@b'
        )


@pytest.mark.slow('starts a process for each configuration')
class TestProduction:
    """Real processes, as an operator sees them."""

    REJECTED = {
        'no database': ({'DATABASE_URL': ''}, 'DATABASE_URL is not set'),
        'no address': ({'PUBLIC_URL': ''}, 'PUBLIC_URL is not set'),
        'a weak key': ({'SECRET_KEY': 'a-weak-one'}, 'SECRET_KEY is weak'),
        'debug mode': ({'FLASK_DEBUG': '1'}, 'debug mode is on'),
        'PINs in the log': ({'MAIL_URL': 'log:'}, 'MAIL_URL must not be log:'),
        'any origin': ({'CORS_ORIGINS': '*'}, 'CORS_ORIGINS must be exact origins'),
        'a relative file': ({'APP_CONFIG_FILE': 'config/base.py'}, 'must be the absolute path'),
        'no such file': ({'APP_CONFIG_FILE': '/nowhere/settings.py'}, 'must be the absolute path'),
        'a weak key in a file': ({'APP_CONFIG_FILE': 'weak.py'}, 'SECRET_KEY is weak'),
        'a negative size': ({'FILES_QUOTA': '-1'}, 'FILES_QUOTA is'),
        'no number': ({'TRUSTED_PROXIES': 'two'}, 'TRUSTED_PROXIES is'),
        'a missing secret': ({'SECRET_KEY_FILE': '/nowhere/key'}, 'SECRET_KEY_FILE cannot be read'),
        'an unknown level': ({'LOG_LEVEL': 'loud'}, 'LOG_LEVEL is'),
        'files for all': ({'UMASK': '022'}, 'UMASK is'),
        'no cache': ({'REDIS_URL': 'foo'}, 'REDIS_URL must be'),
        'no broker': ({'TASKS_BROKER_URL': 'foo'}, 'TASKS_BROKER_URL must be'),
        'too many workers': ({'TASKS_CONCURRENCY': '65'}, 'TASKS_CONCURRENCY is'),
        'no port': ({'DATABASE_URL': 'postgresql://u:p@h:abc/db'}, 'DATABASE_URL is no address'),
        'no folder': ({'DATABASE_URL': 'sqlite:////dev/null/a/b'}, 'DATABASE_URL is in a folder'),
        'no folder for nginx': (
            {'FILES_OFFLOAD': 'x-accel', 'STORAGE_URL': 's3://bucket'},
            'FILES_OFFLOAD=x-accel',
        ),
        'no server to send': ({'FILES_OFFLOAD': 'redirect'}, 'FILES_OFFLOAD=redirect needs'),
        'no scanner': ({'FILES_SCANNER': 'localhost:3310'}, 'FILES_SCANNER must be'),
        'nobody to send': ({'FILES_OFFLOAD': 'fax'}, 'FILES_OFFLOAD is'),
        'no room': ({'STORAGE_URL': 'file:///dev/null/storage'}, 'STORAGE_URL is a folder'),
    }

    def test_does_not_start_with_a_bad_value_and_names_it_in_one_line(self, tmp_path):
        (tmp_path / 'weak.py').write_text('SECRET_KEY = "short"\n')
        good = good_environment(tmp_path)
        starts = {name: {**good, **fault} for name, (fault, _) in self.REJECTED.items()}
        starts['a weak key in a file']['APP_CONFIG_FILE'] = str(tmp_path / 'weak.py')

        end = run([sys.executable, '-c', START_MANY, json.dumps(starts)], {})

        assert end.stderr == ''
        wrong = {
            name: (code, said)
            for name, (code, said) in json.loads(end.stdout).items()
            if code in (0, None)
            or len(said.splitlines()) != 1
            or self.REJECTED[name][1] not in said
        }
        assert wrong == {}
        assert len(json.loads(end.stdout)) == len(self.REJECTED)

    def test_does_not_start_without_app_env_and_says_so_soon(self):
        # What it takes by itself: how long it waits for a processor is not its fault.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)

        line = rejection_of(run([sys.executable, '-c', START], {}))

        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4
        assert line == (
            'Refusing to start: DATABASE_URL is not set; SECRET_KEY is not set; '
            'PUBLIC_URL is not set. See .env.example.'
        )

    def test_the_flask_command_rejects_in_the_same_line(self, tmp_path):
        flask = str(Path(sys.executable).parent / 'flask')

        end = run([flask, 'users', 'list'], {**good_environment(tmp_path), 'SECRET_KEY': ''})

        assert rejection_of(end) == 'Refusing to start: SECRET_KEY is not set. See .env.example.'

    def test_starts_with_good_values_and_takes_them_from_files(self, tmp_path):
        good = good_environment(tmp_path)
        (tmp_path / 'strong.py').write_text(f'SECRET_KEY = {KEY[::-1]!r}\n')
        (tmp_path / 'url').write_text(f'{good.pop("DATABASE_URL")}\n')
        files = {'APP_CONFIG_FILE': 'strong.py', 'DATABASE_URL_FILE': 'url'}
        files = {name: str(tmp_path / path) for name, path in files.items()}

        environment = {**good, 'APP_ENV': '', 'SECRET_KEY': '', **files}
        end = run([sys.executable, '-c', START], environment)

        assert (end.returncode, end.stdout.strip(), end.stderr) == (0, KEY[::-1], '')


class TestStaging:
    def test_is_as_strict_as_production(self):
        assert import_string(config_for('staging')).STRICT


class TestDevelopment:
    def test_needs_nothing(self):
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


class TestEnvExample:
    """`.env.example` and the code name the same variables."""

    EXAMPLE = (ROOT / '.env.example').read_text(encoding='utf-8')
    ENTRY = re.compile(r'^#?([A-Z][A-Z0-9_]+)=', re.MULTILINE)

    @pytest.fixture(scope='class')
    @classmethod
    def read_by_the_code(cls):
        """Return the names that are asked of the environment, by `env.…` or `os.environ`."""
        names = {'DATABASE_URL', 'APP_CONFIG_FILE'}
        for path in [*ROOT.glob('config/*.py'), *ROOT.glob('project/**/*.py')]:
            for call in ast.walk(parse(path.read_text(encoding='utf-8'))):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    owner = ast.unparse(call.func.value)
                    if owner in ('env', 'os.environ') and call.args:
                        names |= {a.value for a in call.args[:1] if isinstance(a, ast.Constant)}
        return {name for name in names if name.isupper()}

    def test_names_every_variable_that_is_read(self, read_by_the_code):
        assert read_by_the_code - set(self.ENTRY.findall(self.EXAMPLE)) == set()

    def test_names_no_variable_that_is_not_read(self, read_by_the_code):
        assert set(self.ENTRY.findall(self.EXAMPLE)) - read_by_the_code == set()

    def test_says_a_sentence_about_each(self):
        lines = self.EXAMPLE.splitlines()
        for number, line in enumerate(lines):
            if not self.ENTRY.match(line):
                continue
            above = number - 1
            while self.ENTRY.match(lines[above]):
                above -= 1
            assert lines[above].startswith('# '), line

    def test_holds_no_secret(self):
        assert not re.search(r'^(SECRET_KEY|\w+_FALLBACKS)=.', self.EXAMPLE, re.MULTILINE)
