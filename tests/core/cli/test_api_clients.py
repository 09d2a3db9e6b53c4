"""`flask api client` without real generators; tests/servers/test_clients.py runs the real ones."""

import json
import sys

import pytest

from project.core.documents import clients, files

# Writes its arguments, and the client.
GENERATOR = """#!{python}
import json, pathlib, sys
pathlib.Path('client').mkdir(exist_ok=True)
if {fails}:
    print('first', 'second', '', 'third', 'fourth', sep=chr(10), file=sys.stderr)
    sys.exit(1)
pathlib.Path('client/config.json').write_text(pathlib.Path('config.yml').read_text())
pathlib.Path('client/openapi.json').write_text(pathlib.Path('openapi.json').read_text())
"""


@pytest.fixture(autouse=True)
def programs(monkeypatch, tmp_path):
    """Return the only folder in which programs are searched."""
    folder = tmp_path / 'programs'
    folder.mkdir()
    monkeypatch.setattr(clients, 'tools_folder', lambda: tmp_path / 'none')
    monkeypatch.setenv('PATH', str(folder))
    return folder


def add_generator(programs, *, fails=False):
    program = programs / 'openapi-python-client'
    program.write_text(GENERATOR.format(python=sys.executable, fails=fails))
    program.chmod(0o700)


class TestApiClient:
    def test_writes_the_client_of_the_generator(self, cli, programs, tmp_path):
        add_generator(programs)
        out = tmp_path / 'out'

        result = cli.invoke(args=['api', 'client', 'python', str(out)])

        assert result.output == f'Wrote a client to {out}.\n'
        assert (out / 'openapi.json').read_text() == files.joined_openapi()

    def test_declares_unknown_content_types_as_binary(self, cli, programs, tmp_path):
        add_generator(programs)

        cli.invoke(args=['api', 'client', 'python', str(tmp_path / 'out')])

        overrides = json.loads((tmp_path / 'out' / 'config.json').read_text())
        kinds = overrides['content_type_overrides']
        assert set(kinds.values()) == {'application/octet-stream'}
        assert not {'application/json', 'application/problem+json', 'text/html'} & set(kinds)

    @pytest.mark.parametrize(
        ('language', 'program'), [('python', 'openapi-python-client'), ('typescript', 'node')]
    )
    def test_prints_one_line_if_a_program_is_missing(self, cli, tmp_path, language, program):
        result = cli.invoke(args=['api', 'client', language, str(tmp_path / 'out')])

        assert result.exit_code == 1
        assert result.output == (
            f'Error: {program} is not installed; run `make clients`, or add it to PATH\n'
        )
        assert not (tmp_path / 'out').exists()

    def test_rejects_a_folder_that_is_not_empty(self, cli, programs, tmp_path):
        add_generator(programs)
        (tmp_path / 'out').mkdir()
        (tmp_path / 'out' / 'mine').touch()

        result = cli.invoke(args=['api', 'client', 'python', str(tmp_path / 'out')])

        assert result.exit_code == 1
        assert 'exists and is not an empty folder' in result.output
        assert [path.name for path in (tmp_path / 'out').iterdir()] == ['mine']

    def test_writes_nothing_if_the_generator_fails(self, cli, programs, tmp_path):
        add_generator(programs, fails=True)

        result = cli.invoke(args=['api', 'client', 'python', str(tmp_path / 'out')])

        assert result.exit_code == 1
        assert result.output == 'Error: openapi-python-client failed: second / third / fourth\n'
        assert not (tmp_path / 'out').exists()

    @pytest.mark.parametrize(
        ('name', 'shown'),
        [
            ('x-y z', 'x-y z'), ('Client', 'Client'), ('2nd', '2nd'), ('class', 'class'),
            ('a\n', 'a\ufffd'), ('b\udcff', r'b\xff'),
        ],
    )  # fmt: skip
    def test_rejects_a_folder_that_python_cannot_import(self, cli, programs, tmp_path, name, shown):
        add_generator(programs)

        result = cli.invoke(args=['api', 'client', 'python', str(tmp_path / name)])

        assert result.exit_code == 1
        assert result.output == (
            f'Error: {shown} is not the name of a Python package: choose lower-case letters, digits'
            ' and underscores for the folder, such as acme_api\n'
        )
        assert not (tmp_path / name).exists()
