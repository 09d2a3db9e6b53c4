"""`flask run`: the command of Flask, which also starts the task workers."""

from multiprocessing import active_children

import pytest
from click.testing import CliRunner
from flask.cli import ScriptInfo, run_command

from project.core.cli.run import run
from tests.concurrency import separate_app


@pytest.fixture
def own_app(tmp_path):
    """Yield an application with its own database, which child processes can open, too."""
    with separate_app(tmp_path) as app:
        yield app


@pytest.fixture
def served(monkeypatch):
    """Replace Flask's `run` command; return the list of its calls.

    Each entry contains the options of the call and the names of the child processes at that time.
    """
    seen = []

    def serve(**options):
        seen.append((options, [child.name for child in active_children()]))

    monkeypatch.setattr(run_command, 'callback', serve)
    monkeypatch.delenv('FLASK_DEBUG', raising=False)
    monkeypatch.delenv('WERKZEUG_RUN_MAIN', raising=False)
    return seen


def flask_run(create_app, *arguments):
    """Run `flask run …` with this application factory; return the result."""
    info = ScriptInfo(create_app=create_app)
    return CliRunner().invoke(run, arguments, obj=info, catch_exceptions=False)


class TestRun:
    def test_starts_task_workers_beside_the_server(self, own_app, served):
        result = flask_run(lambda: own_app)

        assert result.exit_code == 0
        [(_, children)] = served
        assert children == ['tasks']
        assert active_children() == []

    def test_accepts_the_options_of_flask(self, own_app, served):
        flask_run(lambda: own_app, '--port', '8123', '--host', '127.0.0.9', '--no-reload')

        [(options, _)] = served
        assert (options['port'], options['host'], options['reload']) == (8123, '127.0.0.9', False)
        assert run.name == 'run'
        assert run.params is not None

    @pytest.mark.parametrize(
        ('setting', 'value'), [('TASKS_CONCURRENCY', 0), ('TASKS_BROKER_URL', 'redis://localhost')]
    )
    def test_starts_no_task_workers_if_other_processes_run_tasks(
        self, own_app, served, monkeypatch, setting, value
    ):
        monkeypatch.setitem(own_app.config, setting, value)

        flask_run(lambda: own_app)

        [(_, children)] = served
        assert children == []

    @pytest.mark.parametrize(
        ('variables', 'arguments', 'expected'),
        [
            ({}, ['--reload'], []),
            ({'WERKZEUG_RUN_MAIN': 'true'}, ['--reload'], ['tasks']),
            ({'FLASK_DEBUG': '1'}, [], []),
            ({'FLASK_DEBUG': '1', 'WERKZEUG_RUN_MAIN': 'true'}, [], ['tasks']),
            ({'FLASK_DEBUG': '1'}, ['--no-reload'], ['tasks']),
        ],
    )
    def test_starts_task_workers_in_the_server_process_and_not_in_the_reloader(
        self, own_app, served, monkeypatch, variables, arguments, expected
    ):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        flask_run(lambda: own_app, *arguments)

        [(_, children)] = served
        assert children == expected

    def test_lets_flask_report_an_application_that_cannot_be_loaded(self, served):
        def reject():
            raise ZeroDivisionError

        flask_run(reject)

        [(_, children)] = served
        assert children == []

    def test_stops_the_task_workers_when_the_server_fails(self, own_app, monkeypatch, served):
        def fail(**_options):
            raise ZeroDivisionError

        monkeypatch.setattr(run_command, 'callback', fail)

        with pytest.raises(ZeroDivisionError):
            flask_run(lambda: own_app)

        assert active_children() == []
