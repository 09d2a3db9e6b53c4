"""`flask api`: generated documents that must match the routes."""

from shutil import copy

import pytest

from project.core.cli import api_documents
from project.core.cli.api_documents import authorization_result, matrix
from project.core.web.endpoints.access import authenticated, owner_or, public, requires


@pytest.fixture
def root(monkeypatch, tmp_path):
    """Make the commands read and write the documents in a temporary folder; return it."""
    (tmp_path / 'docs').mkdir()
    copy(api_documents.ROOT / 'docs' / 'security.md', tmp_path / 'docs')
    monkeypatch.setattr(api_documents, 'ROOT', tmp_path)
    return tmp_path


class TestApiWrite:
    def test_writes_all_documents(self, cli, root):
        result = cli.invoke(args=['api', 'write'])

        assert result.exit_code == 0
        names = ['openapi.json', 'docs/matrix.md', 'docs/security.md']
        assert result.output.splitlines() == [f'Wrote {name}.' for name in names]
        assert cli.invoke(args=['api', 'check']).output == 'Documents: ok\n'


class TestApiCheck:
    def test_accepts_the_committed_documents(self, cli):
        result = cli.invoke(args=['api', 'check'])

        assert (result.exit_code, result.output) == (0, 'Documents: ok\n')

    def test_rejects_a_stale_table_of_attempt_counters(self, cli, root):
        page = root / 'docs' / 'security.md'
        page.write_text(page.read_text().replace('| 10 in 15 minutes |', '| 11 in 15 minutes |', 1))

        result = cli.invoke(args=['api', 'check'])

        assert result.exit_code == 1

    @pytest.mark.parametrize('name', ['openapi.json', 'docs/matrix.md'])
    def test_rejects_a_stale_document(self, cli, root, name):
        cli.invoke(args=['api', 'write'])
        (root / name).write_text((root / name).read_text() + ' ')

        result = cli.invoke(args=['api', 'check'])

        assert result.exit_code == 1
        assert result.stderr == f'Error: {name} is stale: run flask api write\n'

    def test_rejects_missing_documents(self, cli, root):
        assert cli.invoke(args=['api', 'check']).exit_code == 1

    def test_rejects_documents_after_a_change_of_an_endpoint_spec(
        self, cli, root, app, monkeypatch
    ):
        cli.invoke(args=['api', 'write'])
        route = ('api_v1.users.user_me', 'GET')
        key = next(
            k for k in app.extensions['endpoint_specs'] if k == route or k[0].endswith('users')
        )
        spec = app.extensions['endpoint_specs'][key]
        changed = {**app.extensions['endpoint_specs'], key: Changed(spec)}
        monkeypatch.setitem(app.extensions, 'endpoint_specs', changed)

        assert cli.invoke(args=['api', 'check']).exit_code == 1


class Changed:
    """Wrapper of an endpoint spec that makes its route public."""

    def __init__(self, spec):
        self._spec = spec
        self.allow = public

    def __getattr__(self, name):
        return getattr(self._spec, name)


class TestMatrix:
    def test_contains_a_row_for_every_route_and_method(self, app):
        rows = [line for line in matrix().splitlines() if line.startswith('| `')]
        routes = [key for key in app.extensions['endpoint_specs'] if key[1] != 'HEAD']

        assert len(rows) == len(set(rows)) >= len(routes)

    def test_contains_results_and_permissions(self, app):
        assert '| `GET /healthz` | ok | ok | ok | public |' in matrix()
        assert '| `GET /api/v1/users` | 401 | 403 | ok | `users:read` |' in matrix()


class TestAuthorizationResult:
    @pytest.mark.parametrize(
        ('allow', 'anonymous', 'member', 'admin'),
        [
            (public, 'ok', 'ok', 'ok'),
            (authenticated(), '401', 'ok', 'ok'),
            (authenticated(fresh=True), '401', 'ok, freshly logged in', 'ok, freshly logged in'),
            (requires('a:b'), '401', '403', 'ok'),
            (requires('a:b', fresh=True), '401', '403', 'ok, freshly logged in'),
            (owner_or('a:b', scope='c:d'), '401', '404, own: ok', 'ok'),
        ],
    )
    def test_is_the_result_of_the_guard(self, allow, anonymous, member, admin):
        found = (
            authorization_result(allow, logged_in=False, holds=lambda _: False),
            authorization_result(allow, logged_in=True, holds=lambda _: False),
            authorization_result(allow, logged_in=True, holds=lambda _: True),
        )

        assert found == (anonymous, member, admin)
