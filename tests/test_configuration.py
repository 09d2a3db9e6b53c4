"""Configuration checks of all packages together, and the start of the application.

The application does not start with a wrong configuration.
"""

import pytest

from config.base import Config
from config.settings import declared_settings
from project import create_app
from project.configuration import load_configuration

from .config.environment import good_environment, set_environment

REJECTED = {
    'no database': ({'DATABASE_URL': ''}, 'DATABASE_URL is not set'),
    'no URL': ({'PUBLIC_URL': ''}, 'PUBLIC_URL is not set'),
    'a weak key': ({'SECRET_KEY': 'a-weak-one'}, 'SECRET_KEY is weak'),
    'debug mode': ({'FLASK_DEBUG': '1'}, 'debug mode is on'),
    'PINs in the log': ({'MAIL_URL': 'log:'}, 'MAIL_URL must not be log:'),
    'any origin': ({'CORS_ORIGINS': '*'}, 'CORS_ORIGINS must be exact origins'),
    'any host': ({'TRUSTED_HOSTS': '*'}, 'TRUSTED_HOSTS must be host names'),
    'a relative file': ({'APP_CONFIG_FILE': 'config/base.py'}, 'must be the absolute path'),
    'a negative size': ({'STORAGE_MIN_FREE': '-1'}, 'STORAGE_MIN_FREE must be'),
    'a huge size': ({'STORAGE_MIN_FREE': '99999999999TB'}, 'STORAGE_MIN_FREE must be'),
    'rounds of 0': ({'AUTH_HASH_ROUNDS': '0'}, 'AUTH_HASH_ROUNDS must be'),
    'memory of 1': ({'AUTH_HASH_MEMORY_KIB': '1'}, 'AUTH_HASH_MEMORY_KIB must be'),
    'a word as a number': ({'TRUSTED_PROXIES': 'two'}, 'TRUSTED_PROXIES must be'),
    'a word as a number of processes': ({'WEB_CONCURRENCY': 'two'}, 'WEB_CONCURRENCY must be'),
    'a socket': ({'HOST': 'unix:/x'}, 'HOST must be'),
    'a missing secret': ({'SECRET_KEY_FILE': '/nowhere/key'}, 'SECRET_KEY_FILE cannot be read'),
    'an unknown level': ({'LOG_LEVEL': 'loud'}, 'LOG_LEVEL must be'),
    'an invalid URL of the cache': ({'REDIS_URL': 'foo'}, 'REDIS_URL must be'),
    'an invalid URL of the broker': ({'TASKS_BROKER_URL': 'foo'}, 'TASKS_BROKER_URL must be'),
    'a sender without a domain': ({'MAIL_FROM': 'API <a>'}, 'MAIL_FROM must be one address'),
    'a sender of two lines': ({'MAIL_FROM': 'a@b.example\nBcc: c'}, 'MAIL_FROM must be'),
    'a database in memory': ({'DATABASE_URL': 'sqlite://'}, 'DATABASE_URL must name a file'),
    'a bad folder': ({'DATABASE_URL': 'sqlite:////dev/null/a/b'}, 'DATABASE_URL is in a folder'),
    'no encryption': ({'PUBLIC_URL': 'http://api.example.com'}, 'PUBLIC_URL must begin with https'),
    'an unknown word': ({'API_DOCS': 'fax'}, 'API_DOCS must be'),
}  # fmt: skip


TEXTS = [s for s in declared_settings(Config).values() if s.variable and s.kind.of in (str, list)]
MALFORMED = [
    ' ', '%', 'é', '"', '<>', '.', '-', '/', '*', 'a\nb', 'a%00b', 'x' * 10_000, '../..', '[::1',
    '://', 'http://[', 'https://u:p@h', 'https://h:99999', 'file://', 'file:///%00',
    f'file:///{"a" * 300}', 's3://', 's3://b?endpoint=[', 'smtp://h:99999', 'smtp://h?tls=x',
    'postgresql://h:99999/x', 'postgresql://h/x?colour=red', 'sqlite:////tmp', 'sqlite:////x?a=b',
    'redis://h:0', 'redis://h/x', 'rediss://h?ssl_cert_reqs=x', 'amqp://h?heartbeat=x',
    'clamd://h:99999', 'a@b,c@d', '"a" <a@b',
]  # fmt: skip


@pytest.fixture
def set_production(monkeypatch, tmp_path):
    """Return a function that sets the environment variables of production, with changes."""
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'key')
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'secret')
    good = good_environment(tmp_path)
    return lambda **changes: set_environment(monkeypatch, **{**good, **changes})


class TestLoadConfiguration:
    def test_finds_no_faults_in_a_good_environment(self, set_production):
        set_production()

        loaded = load_configuration()

        assert (loaded.faults, loaded.warnings) == ([], [])
        assert loaded.values['TRUSTED_HOSTS'] == [
            'api.example.com', 'localhost', '127.0.0.1', '::1',
        ]  # fmt: skip

    @pytest.mark.parametrize('name', REJECTED)
    def test_finds_one_fault_and_names_the_variable(self, set_production, name):
        changes, said = REJECTED[name]
        set_production(**changes)

        [fault] = load_configuration().faults

        assert said in fault
        assert len(fault.splitlines()) == 1

    @pytest.mark.parametrize('setting', TEXTS, ids=lambda setting: setting.variable)
    def test_finds_faults_in_malformed_values_and_never_raises(self, set_production, setting):
        for text in MALFORMED:
            set_production(**{setting.variable: text})

            for fault in load_configuration().faults:
                assert fault.startswith(setting.variable), text
                assert len(fault) < 400, text
                assert len(fault.splitlines()) == 1, text

    def test_finds_the_faults_of_all_packages_at_once(self, set_production):
        set_production(PORT='x', SECRET_KEY='', MAIL_FROM='API')

        found = [fault.split()[0] for fault in load_configuration().faults]

        assert found == ['PORT', 'SECRET_KEY', 'MAIL_FROM']

    def test_warns_about_values_that_are_probably_mistakes(self, set_production):
        set_production(STORAGE_MINFREE='1GB')

        loaded = load_configuration()

        assert loaded.faults == []
        assert [warning.split()[0] for warning in loaded.warnings] == ['STORAGE_MINFREE']


class TestCreateApp:
    def test_exits_with_one_line_that_names_every_fault(self, set_production):
        set_production(SECRET_KEY='', MAIL_FROM='API')

        with pytest.raises(SystemExit) as rejection:
            create_app()

        assert str(rejection.value).startswith(
            'Refusing to start: SECRET_KEY is not set; MAIL_FROM '
        )
        assert len(str(rejection.value).splitlines()) == 1

    def test_logs_all_warnings_in_one_line(self, monkeypatch, capsys):
        set_environment(monkeypatch, STORAGE_MINFREE='1', MAIL_FORM='a')

        create_app('config.testing.TestingConfig')

        [line] = capsys.readouterr().err.splitlines()
        assert 'STORAGE_MINFREE' in line
        assert 'MAIL_FORM' in line
