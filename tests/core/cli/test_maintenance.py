"""`flask maintenance`, and the context of `flask shell`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from project.core.cli.maintenance import shell_context
from project.core.database.session import Base, db
from project.core.web.maintenance import maintenance

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def run(cli):
    """Return a function that runs `flask maintenance …`."""

    def invoke(*arguments):
        return cli.invoke(args=['maintenance', *arguments])

    return invoke


class TestMaintenanceOn:
    def test_makes_the_api_return_503(self, run, client):
        result = run('on', '--reason', 'Größeres')

        assert (result.exit_code, result.output) == (0, 'Maintenance is on.\n')
        assert client.get('/readyz').json['message'] == 'Größeres'
        assert client.get('/healthz').status_code == 200

    @pytest.mark.parametrize(
        ('until', 'seconds'),
        [('+30m', 1800), ('30m', 1800), ('+2h', 7200), ('+1d', 86400), ('+90s', 90)],
    )
    def test_sets_retry_after(self, run, client, until, seconds, travel):
        travel(to=NOON)
        run('on', '--until', until)

        assert client.get('/readyz').headers['Retry-After'] == str(seconds)

    @pytest.mark.parametrize('until', ['soon', '30', '+1w', '-5m', '+9999999d', '+30m\n', ''])
    def test_rejects_an_invalid_length(self, run, until):
        result = run('on', '--until', until)

        if until:
            assert result.exit_code == 2
            assert 'must be a duration such as +30m' in result.stderr
            assert maintenance() is None
        else:
            assert maintenance()['until'] is None

    def test_prints_one_line_when_it_cannot_write(self, run, app, monkeypatch, tmp_path):
        (tmp_path / 'file').touch()
        path = tmp_path / 'file' / 'maintenance'
        monkeypatch.setitem(app.config, 'MAINTENANCE_FILE', str(path))

        result = run('on')

        assert (result.exit_code, result.stdout) == (1, '')
        assert result.stderr == f'Error: {path.parent}: File exists\n'

    def test_creates_the_folder_and_leaves_no_temporary_file(self, run, app, monkeypatch, tmp_path):
        file = tmp_path / 'var' / 'run' / 'maintenance'
        monkeypatch.setitem(app.config, 'MAINTENANCE_FILE', str(file))

        run('on')

        assert list(file.parent.iterdir()) == [file]

    def test_writes_the_file_by_rename(self, run, monkeypatch):
        renamed = []
        rename = Path.rename

        def record(path, target):
            renamed.append(json.loads(path.read_text()))
            return rename(path, target)

        monkeypatch.setattr(Path, 'rename', record)
        run('on')

        assert renamed == [{'reason': '', 'until': None}]


class TestMaintenanceOff:
    def test_ends_maintenance(self, run, client):
        run('on')

        result = run('off')

        assert (result.exit_code, result.output) == (0, 'Maintenance is off.\n')
        assert client.get('/nowhere').status_code == 404

    def test_succeeds_without_maintenance(self, run):
        assert run('off').exit_code == 0


class TestMaintenanceStatus:
    def test_reports_that_it_is_off(self, run):
        assert json.loads(run('status', '--json').output) == {
            'maintenance': False, 'reason': None, 'until': None,
        }  # fmt: skip

    def test_reports_that_it_is_on(self, run, travel):
        travel(to=NOON)
        run('on', '--reason', 'Moving house', '--until', '+1h')

        assert json.loads(run('status', '--json').output) == {
            'maintenance': True,
            'reason': 'Moving house',
            'until': '2026-11-23T13:00:00Z',
        }

    def test_prints_a_table(self, run):
        run('on', '--reason', 'Moving')

        head, _, row = run('status').output.splitlines()

        assert head.split() == ['maintenance', 'reason', 'until']
        assert row.split() == ['True', 'Moving', '-']


class TestShellContext:
    def test_contains_the_database_and_every_model(self, app):
        known = app.make_shell_context()

        assert known['db'] is db
        models = {mapper.class_ for mapper in Base.registry.mappers}
        assert models <= set(known.values())
        assert {'User', 'ThrottleCounter'} <= set(known)

    def test_contains_each_model_under_its_own_name(self):
        assert len(shell_context()) == len(set(Base.registry.mappers)) + 1
