"""`flask api`: generated documents that must match the code."""

import inspect
from shutil import copytree

import pytest

from project import users as feature
from project.core.documents import files
from project.core.web.endpoints.access import public

FILES = [f'docs/features/{name}' for name in ('users.md', 'users.openapi.json')]


@pytest.fixture
def root(monkeypatch, tmp_path):
    """Make the commands use documents in a temporary folder instead of docs; return the folder."""
    copytree(files.features_folder(), tmp_path / 'docs' / 'features')
    monkeypatch.setattr(files, 'ROOT', tmp_path)
    return tmp_path


class TestApiWrite:
    def test_writes_all_documents(self, cli, root):
        for path in (root / 'docs' / 'features').iterdir():
            path.unlink()

        result = cli.invoke(args=['api', 'write'])

        assert result.exit_code == 0
        names = [f'{owner}.md' for owner in files.all_owners().names]
        names += [f'{owner}.openapi.json' for owner in files.all_owners().names]
        written = [*(f'docs/features/{name}' for name in names), 'openapi.json']
        assert result.output.splitlines() == [f'Wrote {name}.' for name in written]
        assert cli.invoke(args=['api', 'check']).output == 'Documents: ok\n'
        assert cli.invoke(args=['api', 'write']).output == ''

    def test_creates_a_page_that_begins_with_the_docstring_of_the_package(self, cli, root):
        page = root / 'docs' / 'features' / 'users.md'
        page.unlink()

        cli.invoke(args=['api', 'write'])

        text = page.read_text()
        assert text.startswith(f'# Users\n\n{inspect.getdoc(feature)}\n\n<!-- generated: ')
        assert '\n<!-- generated: routes: begin -->\n\n## Routes\n\n| route |' in text

    def test_keeps_hand_written_text(self, cli, root):
        page = root / 'docs' / 'features' / 'users.md'
        page.write_text(page.read_text().replace('# Users\n', '# Users\n\nOurs.\n'))

        cli.invoke(args=['api', 'write'])

        assert '# Users\n\nOurs.\n' in page.read_text()

    def test_exits_with_1_and_names_a_page_with_damaged_markers(self, cli, root):
        damage(root / 'docs' / 'features' / 'users.md')

        result = cli.invoke(args=['api', 'write'])

        assert result.exit_code == 1
        assert result.stderr.startswith('Error: docs/features/users.md: its markers')


class TestApiCheck:
    def test_accepts_the_committed_documents(self, cli):
        result = cli.invoke(args=['api', 'check'])

        assert (result.exit_code, result.output) == (0, 'Documents: ok\n')

    def test_names_all_stale_and_missing_documents(self, cli, root):
        (root / FILES[0]).write_text(
            (root / FILES[0]).read_text().replace('| 120 an hour |', '', 1)
        )
        (root / FILES[1]).unlink()

        result = cli.invoke(args=['api', 'check'])

        assert result.exit_code == 1
        assert result.stdout.splitlines() == [
            f'{FILES[0]} is stale: run `flask api write`',
            f'{FILES[1]} is missing: run `flask api write`',
        ]
        assert result.stderr == 'Error: faults in the documents or the API: 2\n'

    def test_names_documents_of_a_feature_that_does_not_exist(self, cli, root):
        (root / 'docs' / 'features' / 'boats.md').write_text('# Boats\n')

        result = cli.invoke(args=['api', 'check'])

        assert result.exit_code == 1
        assert result.stdout == (
            'docs/features/boats.md describes no feature, there is no project/boats: '
            'run `rm docs/features/boats.md`\n'
        )

    def test_ignores_files_of_editors(self, cli, root):
        (root / 'docs' / 'features' / '.users.md.swp').write_text('')

        assert cli.invoke(args=['api', 'check']).exit_code == 0

    def test_names_a_page_with_damaged_markers(self, cli, root):
        damage(root / 'docs' / 'features' / 'users.md')

        result = cli.invoke(args=['api', 'check'])

        assert result.exit_code == 1
        assert result.stdout.startswith('docs/features/users.md: its markers')

    def test_rejects_documents_after_a_change_of_an_endpoint_spec(self, cli, app, monkeypatch):
        key = ('api_v1.users.users', 'GET')
        spec = app.extensions['endpoint_specs'][key]
        changed = {**app.extensions['endpoint_specs'], key: Changed(spec)}
        monkeypatch.setitem(app.extensions, 'endpoint_specs', changed)

        result = cli.invoke(args=['api', 'check'])

        assert result.stdout == 'docs/features/users.md is stale: run `flask api write`\n'


class TestApiMatrix:
    def test_prints_the_routes_of_all_features(self, cli):
        result = cli.invoke(args=['api', 'matrix'])

        assert result.exit_code == 0
        for route in ('GET /healthz', 'GET /api/v1/users', 'PATCH /api/v1/users/me'):
            assert f'\n| `{route}` | ' in result.stdout


def damage(page):
    """Delete the end of a block in a page."""
    page.write_text(page.read_text().replace('<!-- generated: routes: end -->', ''))


class Changed:
    """Wrapper of an endpoint spec that makes its route public."""

    def __init__(self, spec):
        self._spec = spec
        self.allow = public

    def __getattr__(self, name):
        return getattr(self._spec, name)
