"""The output and files of `flask mail`."""

import json

import pytest

from project.core.mail.previews import mail_names


@pytest.fixture
def run(cli):
    """Return a function that runs `flask mail …`."""

    def invoke(*arguments):
        return cli.invoke(args=['mail', *map(str, arguments)])

    return invoke


class TestMailList:
    def test_prints_json(self, run):
        rows = json.loads(run('list', '--json').output)

        assert [row['name'] for row in rows] == mail_names()

    def test_prints_a_table(self, run):
        head, _, *rows = run('list').output.splitlines()

        assert head.strip() == 'name'
        assert [row.strip() for row in rows] == mail_names()


class TestMailPreview:
    def test_writes_a_mail_and_prints_the_paths(self, run, tmp_path):
        result = run('preview', 'export_ready', '--folder', tmp_path / 'new')

        paths = [tmp_path / 'new' / f'export_ready.{ending}' for ending in ('html', 'txt', 'eml')]
        assert result.exit_code == 0
        assert result.output.splitlines() == [str(path) for path in paths]
        assert all(path.read_bytes() for path in paths)

    @pytest.mark.parametrize('name', ['nonsense', '../export_ready', 'base.html'])
    def test_prints_one_line_for_an_unknown_mail(self, run, tmp_path, name):
        result = run('preview', name, '--folder', tmp_path / 'new')

        assert (result.exit_code, result.stdout) == (1, '')
        assert result.stderr == 'Error: mail: No such mail\n'
        assert not (tmp_path / 'new').exists()

    def test_prints_one_line_when_it_cannot_write(self, run, tmp_path):
        (tmp_path / 'file').touch()

        result = run('preview', 'export_ready', '--folder', tmp_path / 'file' / 'in')

        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert 'Not a directory' in result.stderr
