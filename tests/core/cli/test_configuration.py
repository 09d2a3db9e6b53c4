"""`flask config`: it shows the settings with masked secrets, and lists all wrong settings."""

import json

import pytest

from project.configuration import config_cli
from project.core.checks import CheckResult, HealthCheck, checks
from project.core.cli import configuration
from tests.config.environment import KEY, good_environment, set_environment


@pytest.fixture
def production(monkeypatch, tmp_path):
    """Return a function that sets the environment variables of production.

    Its arguments are the variables that differ from those of a valid configuration.
    """
    good = good_environment(tmp_path)
    return lambda **changes: set_environment(monkeypatch, **{**good, **changes})


class TestShow:
    def test_prints_settings_with_masked_secrets(self, cli, production):
        production(DATABASE_URL='postgresql://ada:hunter2@db/api', SECRET_KEY_FALLBACKS=KEY[::-1])

        result = cli.invoke(config_cli, ['show'])

        assert result.exit_code == 0
        rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
        assert rows['SECRET_KEY'] == ['***', 'environment']
        assert rows['DATABASE_URL'] == ['postgresql://ada:***@db/api', 'environment']
        assert rows['PORT'] == ['8000', 'default']
        assert rows['SECRET_KEY_FALLBACKS'] == ['***', 'environment']
        assert 'hunter2' not in result.output

    def test_prints_meanings_for_programs(self, cli, production):
        production()

        result = cli.invoke(config_cli, ['show', '--json'])

        [row] = [row for row in json.loads(result.stdout) if row['name'] == 'PORT']
        assert row == {
            'name': 'PORT',
            'value': 8000,
            'source': 'default',
            'accepted': 'a whole number from 0 to 65535',
            'meaning': 'The port that gunicorn listens on; 0: any free one.',
        }

    def test_prints_the_defaults_of_a_broken_configuration_and_fails(self, cli, production):
        production(PORT='x')

        result = cli.invoke(config_cli, ['show'])

        assert result.exit_code == 1
        assert 'PORT' in result.stdout
        assert result.stderr.startswith(
            'Error: PORT must be a whole number from 0 to 65535, and not'
        )


class TestCheck:
    def test_finds_nothing_in_a_good_configuration(self, cli, production):
        production()

        result = cli.invoke(config_cli, ['check'])

        assert (result.exit_code, result.output) == (0, 'The configuration has no faults.\n')

    def test_prints_all_faults_and_warnings(self, cli, production):
        production(PORT='x', SECRET_KEY='', STORAGE_MINFREE='1')

        result = cli.invoke(config_cli, ['check', '--json'])

        assert result.exit_code == 1
        rows = [(row['kind'], row['text'].split()[0]) for row in json.loads(result.stdout)]
        assert rows == [('fault', 'PORT'), ('fault', 'SECRET_KEY'), ('warning', 'STORAGE_MINFREE')]
        assert result.stderr == 'Error: the configuration has faults: 2\n'

    def test_reports_warnings_without_failing(self, cli, production):
        production(STORAGE_MINFREE='1')

        assert cli.invoke(config_cli, ['check']).exit_code == 0

    def test_reports_an_unknown_environment(self, cli, monkeypatch):
        set_environment(monkeypatch, APP_ENV='prod')

        result = cli.invoke(config_cli, ['check'])

        assert result.exit_code == 1
        assert "APP_ENV is 'prod'" in result.stdout


class TestOnline:
    @pytest.mark.parametrize(
        ('state', 'is_critical', 'kind'),
        [
            ('ok', True, 'ok'), ('ahead', True, 'ok'), ('behind', True, 'fault'),
            ('down', False, 'fault'), ('silent', False, 'fault'), ('late', False, 'warning'),
        ],
    )  # fmt: skip
    def test_queries_the_dependencies(
        self, app, cli, production, monkeypatch, state, is_critical, kind
    ):
        production()
        monkeypatch.setattr('flask.cli.ScriptInfo.load_app', lambda _: app)
        check = HealthCheck(
            function=lambda: CheckResult(state, reason='so it is'), is_critical=is_critical
        )
        monkeypatch.setattr(checks, 'values', {'storage': check})

        result = cli.invoke(config_cli, ['check', '--online', '--json'])

        assert result.exit_code == int(kind == 'fault')
        text = f'storage: {state} (so it is)'
        assert json.loads(result.stdout) == [{'kind': kind, 'text': text}]

    def test_queries_nothing_with_a_broken_configuration(self, cli, production, monkeypatch):
        production(PORT='x')
        monkeypatch.setattr(configuration, '_dependencies', pytest.fail)

        assert cli.invoke(config_cli, ['check', '--online']).exit_code == 1
