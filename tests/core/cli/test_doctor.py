"""`flask doctor`: the report, its exit code, and its work without a configuration."""

import json
import logging
import os
import re

import pytest

from project.configuration import doctor_cli
from project.core.checks import DoctorCheck, Finding, Need, State, checks, register_check
from project.core.cli import doctor
from tests.config.environment import good_environment, set_environment


@pytest.fixture(autouse=True)
def _umask():
    """Restore the umask of the tests: the command sets that of the service."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def production(monkeypatch, tmp_path):
    """Return a function that sets the environment variables of production."""
    good = good_environment(tmp_path)
    return lambda **changes: set_environment(monkeypatch, **{**good, **changes})


@pytest.fixture
def run(cli, app, production, monkeypatch):
    """Return a function that runs the command with the given checks of the machine."""
    production()
    monkeypatch.setattr('flask.cli.ScriptInfo.load_app', lambda _: app)

    def invoke(*arguments, **found):
        wanted = {
            name: DoctorCheck(
                function=lambda _, one=one: [one], remedy='Repair it.', needs=Need.NOTHING
            )
            for name, one in found.items()
        }
        monkeypatch.setattr(checks, 'values', wanted)
        return cli.invoke(doctor_cli, arguments)

    return invoke


class TestDoctor:
    def test_prints_failures_first_and_counts(self, run):
        result = run(
            disk=Finding(State.OK, '3 GB'),
            clock=Finding(State.FAILED, 'an hour late'),
            mail=Finding(State.WARNING, 'slow', 'Wait.'),
        )

        assert result.exit_code == 1
        assert result.stdout == (
            'failed       clock  an hour late\n'
            '             → Repair it.\n'
            'warning      mail   slow\n'
            '             → Wait.\n'
            'ok           disk   3 GB\n'
            '1 failed, 1 warning, 0 not checked, 1 ok\n'
        )
        assert result.stderr == 'Error: failed checks: 1\n'

    def test_succeeds_with_warnings(self, run):
        result = run(mail=Finding(State.WARNING, 'slow'), disk=Finding(State.NOT_CHECKED, 'none'))

        assert (result.exit_code, result.stderr) == (0, '')

    def test_fails_before_a_deployment(self, run):
        insecure = Finding(State.OK, 'not production', fails_deploy=True)

        assert run(environment=insecure).exit_code == 0
        assert run('--deploy', environment=insecure).exit_code == 1

    def test_prints_json(self, run):
        result = run('--json', disk=Finding(State.FAILED, 'full'))

        assert result.exit_code == 1
        assert json.loads(result.stdout) == [
            {'name': 'disk', 'state': 'failed', 'seen': 'full', 'remedy': 'Repair it.'}
        ]

    def test_prints_no_control_sequences_of_servers(self, run):
        assert '\x1b' not in run(mail=Finding(State.FAILED, '554 \x1b[31mred')).stdout

    @pytest.mark.parametrize('url', ['example.com', 'ftp://example.com', 'https://a b', 'https://'])
    def test_rejects_other_urls(self, run, url):
        assert run('--url', url).exit_code == 2

    def test_enables_the_log_again(self, run):
        run(disk=Finding(State.OK))

        assert logging.root.manager.disable == logging.NOTSET

    def test_exits_at_once_if_a_check_has_not_ended(self, run, monkeypatch):
        messages = []
        monkeypatch.setattr(doctor, 'is_any_running', lambda: True)
        monkeypatch.setattr(doctor, '_end_process', messages.append)

        run(storage=Finding(State.FAILED, 'silent'))

        assert messages == ['Error: failed checks: 1']


class TestWithoutApplication:
    def test_checks_the_machine_with_a_faulty_configuration(self, cli, production):
        production(PORT='x', SECRET_KEY='short', CORS_ORIGINS='*')

        result = cli.invoke(doctor_cli, ['--json'])

        states = {(row['name'], row['state']) for row in json.loads(result.stdout)}
        assert result.exit_code == 1
        assert {
            ('configuration', 'failed'), ('cors', 'failed'), ('secret_keys', 'not checked'),
            ('core_configuration', 'ok'),
            ('application', 'not checked'), ('database', 'not checked'), ('storage', 'not checked'),
        } <= states  # fmt: skip
        assert {row['name'] for row in json.loads(result.stdout)} == checks.values.keys()

    def test_reports_a_weak_key_once(self, cli, production):
        production(SECRET_KEY='short')

        rows = json.loads(cli.invoke(doctor_cli, ['--json']).stdout)

        weak = [row for row in rows if 'KEY is weak' in row['seen']]
        assert [(row['name'], row['state']) for row in weak] == [('configuration', 'failed')]
        assert 'docs/operations.md, "Changing SECRET_KEY"' in weak[0]['seen']

    @pytest.mark.parametrize('key', ['file/key', 'k' * 300])
    def test_checks_files_that_cannot_be_reached(self, cli, production, tmp_path, key):
        (tmp_path / 'file').write_bytes(b'')
        production(MAIL_URL=f'file://{tmp_path}/file/mail', SECRET_KEY_FILE=f'{tmp_path}/{key}')

        rows = json.loads(cli.invoke(doctor_cli, ['--json']).stdout)

        failed = {(row['name'], row['state']) for row in rows if row['state'] == 'failed'}
        assert ('permissions', 'failed') in failed

    def test_names_an_unknown_environment(self, cli, monkeypatch):
        set_environment(monkeypatch, APP_ENV='prod')

        result = cli.invoke(doctor_cli)

        assert result.exit_code == 1
        assert re.match("failed +configuration +APP_ENV is 'prod'; it must", result.stdout)
        assert re.search('^not checked +cors ', result.stdout, re.MULTILINE)
        assert re.search('^(ok|failed) +python ', result.stdout, re.MULTILINE)

    @pytest.mark.parametrize(
        ('error', 'seen'),
        [
            (
                ModuleNotFoundError("No module named 'segno'"),
                'ModuleNotFoundError: No module named',
            ),
            (SystemExit('Refusing to start: no'), 'Refusing to start: no'),
        ],
    )
    def test_names_why_there_is_no_application(self, cli, production, monkeypatch, error, seen):
        def fail(_script):
            raise error

        production()
        monkeypatch.setattr('flask.cli.ScriptInfo.load_app', fail)

        result = cli.invoke(doctor_cli)

        assert result.exit_code == 1
        [line] = [each for each in result.stdout.splitlines() if ' application ' in each]
        assert line.startswith('failed')
        assert seen in line
        assert 'Traceback' not in result.output


class TestRegisterCheck:
    def test_runs_the_check_of_a_feature(self, run, monkeypatch, cli):
        run(disk=Finding(State.OK))
        monkeypatch.setattr(checks, '_owners', {**checks._owners})
        check = DoctorCheck(
            function=lambda situation: [Finding(State.FAILED, situation.config['PUBLIC_URL'])],
            remedy='None.',
        )

        register_check('zz_planted', check, owner='project.zz.service')

        assert 'failed       zz_planted  https://api.example.com' in cli.invoke(doctor_cli).stdout
