"""`flask run`: Flask's own, with the processes beside it that work the outbox off."""

from multiprocessing import active_children

import pytest
from click.testing import CliRunner
from flask.cli import ScriptInfo, run_command

from project.core.cli.run import run
from tests.concurrency import separate_app


@pytest.fixture
def own_app(tmp_path):
    """An application that other processes may work for."""
    with separate_app(tmp_path) as app:
        yield app


@pytest.fixture
def served(monkeypatch):
    """Return what Flask's own command was told, and who was there meanwhile."""
    seen = []

    def serve(**options):
        seen.append((options, [child.name for child in active_children()]))

    monkeypatch.setattr(run_command, 'callback', serve)
    monkeypatch.delenv('FLASK_DEBUG', raising=False)
    monkeypatch.delenv('WERKZEUG_RUN_MAIN', raising=False)
    return seen


def flask_run(create_app, *arguments):
    """Run `flask run …` for an application."""
    info = ScriptInfo(create_app=create_app)
    return CliRunner().invoke(run, arguments, obj=info, catch_exceptions=False)


class TestRun:
    def test_starts_task_workers_beside_it(self, own_app, served):
        result = flask_run(lambda: own_app)

        assert result.exit_code == 0
        [(_, beside)] = served
        assert beside == ['tasks']
        assert active_children() == []

    def test_takes_the_options_of_flask_s_own(self, own_app, served):
        flask_run(lambda: own_app, '--port', '8123', '--host', '127.0.0.9', '--no-reload')

        [(options, _)] = served
        assert (options['port'], options['host'], options['reload']) == (8123, '127.0.0.9', False)
        assert run.name == 'run'
        assert run.params is not None

    @pytest.mark.parametrize(
        ('setting', 'value'), [('TASKS_CONCURRENCY', 0), ('TASKS_BROKER_URL', 'redis://localhost')]
    )
    def test_is_alone_where_others_do_the_work(self, own_app, served, monkeypatch, setting, value):
        monkeypatch.setitem(own_app.config, setting, value)

        flask_run(lambda: own_app)

        [(_, beside)] = served
        assert beside == []

    @pytest.mark.parametrize(
        ('variables', 'arguments', 'crew'),
        [
            ({}, ['--reload'], []),
            ({'WERKZEUG_RUN_MAIN': 'true'}, ['--reload'], ['tasks']),
            ({'FLASK_DEBUG': '1'}, [], []),
            ({'FLASK_DEBUG': '1', 'WERKZEUG_RUN_MAIN': 'true'}, [], ['tasks']),
            ({'FLASK_DEBUG': '1'}, ['--no-reload'], ['tasks']),
        ],
    )
    def test_starts_task_workers_beside_the_server_and_not_the_reloader(
        self, own_app, served, monkeypatch, variables, arguments, crew
    ):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        flask_run(lambda: own_app, *arguments)

        [(_, beside)] = served
        assert beside == crew

    def test_leaves_it_to_flask_to_say_why_nothing_can_be_loaded(self, served):
        def reject():
            raise ZeroDivisionError

        flask_run(reject)

        [(_, beside)] = served
        assert beside == []

    def test_ends_the_task_workers_although_serving_fails(self, own_app, monkeypatch, served):
        def fail(**_options):
            raise ZeroDivisionError

        monkeypatch.setattr(run_command, 'callback', fail)

        with pytest.raises(ZeroDivisionError):
            flask_run(lambda: own_app)

        assert active_children() == []
