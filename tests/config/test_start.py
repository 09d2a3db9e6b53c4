"""`python -m config.start`: a check before a command, such as gunicorn, starts."""

import os

import pytest

from config.base import CORES
from config.start import start
from tests.config.environment import set_environment

GUNICORN = ['gunicorn', '-c', 'config/gunicorn.py', 'wsgi:create_app()']


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the commands that replace the process."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, 'execvp', lambda _file, command: commands.append(command))
    return commands


class TestStart:
    @pytest.mark.parametrize(('value', 'number'), [('', CORES), ('1', 1), ('1024', 1024)])
    def test_executes_the_command_with_a_number_that_gunicorn_accepts(
        self, monkeypatch: pytest.MonkeyPatch, executed: list[list[str]], value: str, number: int
    ) -> None:
        set_environment(monkeypatch, WEB_CONCURRENCY=value)

        start(GUNICORN)

        assert executed == [GUNICORN]
        assert os.environ['WEB_CONCURRENCY'] == str(number)

    @pytest.mark.parametrize('value', ['two', '0', '1025', '-1', '1_0', '2.5'])
    def test_rejects_a_wrong_number_of_processes_in_one_line(
        self, monkeypatch: pytest.MonkeyPatch, executed: list[list[str]], value: str
    ) -> None:
        set_environment(monkeypatch, WEB_CONCURRENCY=value)

        with pytest.raises(SystemExit) as end:
            start(GUNICORN)

        assert str(end.value) == (
            'Refusing to start: WEB_CONCURRENCY must be a whole number from 1 to 1024, '
            f'and not {value!r}. See .env.example.'
        )
        assert executed == []

    def test_names_a_command_that_does_not_exist(self) -> None:
        with pytest.raises(SystemExit, match='no-such-program cannot be executed: No such file'):
            start(['no-such-program'])
