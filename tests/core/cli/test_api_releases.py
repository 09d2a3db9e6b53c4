"""`flask api diff` and `flask api release`."""

import json
import re
from shutil import copytree, ignore_patterns

import pytest

from project.core.documents import files
from project.core.documents.api_changes.accepted_changes import SUFFIX

CHANGELOG = '# Changelog\n\n## {version} – 2027-01-31\n'


@pytest.fixture
def root(monkeypatch, tmp_path):
    """Make the commands use a folder with the documents and the release 0.1.0; return it."""
    # A team that has removed a feature has entries that match no change here.
    ignored = ignore_patterns(f'*{SUFFIX}')
    copytree(files.features_folder(), tmp_path / 'docs' / 'features', ignore=ignored)
    monkeypatch.setattr(files, 'ROOT', tmp_path)
    (tmp_path / 'docs' / 'releases' / '0.1.0').mkdir(parents=True)
    base = tmp_path / 'docs' / 'releases' / '0.1.0' / 'openapi.json'
    base.write_text(files.joined_openapi())
    declare(tmp_path, '0.2.0')
    return tmp_path


def declare(root, version):
    """Write the version into the project file and the changelog."""
    (root / 'pyproject.toml').write_text(f'[project]\nversion = "{version}"\n')
    (root / 'CHANGELOG.md').write_text(CHANGELOG.format(version=version))


def edit_base(root, change):
    """Change the OpenAPI document of the release."""
    path = root / 'docs' / 'releases' / '0.1.0' / 'openapi.json'
    document = json.loads(path.read_text())
    change(document['paths'])
    path.write_text(json.dumps(document))


def add_removed_route(paths):
    """Add a route that the current API lacks, to the release."""
    paths['/api/v1/users/old'] = {'get': paths['/api/v1/users']['get']}


REMOVED = 'GET /api/v1/users/old was removed'


class TestApiDiff:
    def test_finds_no_change_of_the_same_api(self, cli, root):
        result = cli.invoke(args=['api', 'diff'])

        assert (result.exit_code, result.stdout) == (
            0, '0 change(s) since 0.1.0, 0 of them breaking.\n',
        )  # fmt: skip

    def test_exits_with_1_and_the_remedy_after_a_breaking_change(self, cli, root):
        edit_base(root, add_removed_route)

        result = cli.invoke(args=['api', 'diff'])

        assert result.exit_code == 1
        assert result.stdout == (
            f'users: {REMOVED}: breaking\n1 change(s) since 0.1.0, 1 of them breaking.\n'
        )
        assert result.stderr.count('\n') == 1
        assert f'docs/features/users.breaking.toml: "{REMOVED}" = "the reason"' in result.stderr

    def test_prints_json(self, cli, root):
        edit_base(root, add_removed_route)

        result = cli.invoke(args=['api', 'diff', '--json', '--base', '0.1.0'])

        assert result.exit_code == 1
        assert json.loads(result.stdout) == {
            'base': '0.1.0', 'unused': [],
            'changes': [{
                'feature': 'users', 'change': REMOVED, 'routes': ['GET /api/v1/users/old'],
                'breaking': True, 'accepted': False, 'reason': None,
            }],
        }  # fmt: skip

    def test_exits_with_1_for_an_unused_entry(self, cli, root):
        (root / 'docs' / 'features' / 'users.breaking.toml').write_text('"x" = "y"\n')

        result = cli.invoke(args=['api', 'diff'])

        assert result.exit_code == 1
        assert 'there is no breaking change' in result.stderr

    @pytest.mark.parametrize(
        ('base', 'fault'), [('0.0.9', 'does not exist'), ('../x', 'is not a version')]
    )
    def test_names_an_unknown_release(self, cli, root, base, fault):
        result = cli.invoke(args=['api', 'diff', '--base', base])

        assert result.exit_code == 1
        assert fault in result.stderr

    def test_says_that_there_is_no_release(self, cli, root):
        declare(root, '0.0.1')

        result = cli.invoke(args=['api', 'diff'])

        assert result.stdout == 'There is no release in docs/releases yet.\n'


class TestApiCheck:
    def test_names_a_breaking_change(self, cli, root):
        edit_base(root, add_removed_route)

        result = cli.invoke(args=['api', 'check'])

        assert result.exit_code == 1
        assert result.stdout.startswith(f'users: {REMOVED}: breaking since 0.1.0: see ')


class TestApiRelease:
    def test_stores_the_documents_of_the_release(self, cli, root):
        result = cli.invoke(args=['api', 'release', '0.2.0'])

        assert result.exit_code == 0
        folder = root / 'docs' / 'releases' / '0.2.0'
        names = [
            'openapi.json', 'schema.postgresql.sql', 'schema.sqlite.sql', 'migrations.txt',
            'api_changes.txt',
        ]  # fmt: skip
        assert result.stdout == ''.join(f'Wrote docs/releases/0.2.0/{n}.\n' for n in names)
        assert (folder / 'openapi.json').read_text() == files.joined_openapi()
        heads = (folder / 'migrations.txt').read_text().splitlines()
        assert all(re.fullmatch(r'[a-z_]+ [0-9a-f]{12}', line) for line in heads)
        assert (folder / 'api_changes.txt').read_text() == 'Changes since 0.1.0:\n\nnone\n'

    def test_deletes_the_entries_of_accepted_changes(self, cli, root):
        edit_base(root, add_removed_route)
        entries = root / 'docs' / 'features' / 'users.breaking.toml'
        entries.write_text(f'"{REMOVED}" = "No client used it."\n')

        assert cli.invoke(args=['api', 'release', '0.2.0']).exit_code == 0

        assert not entries.exists()
        changes = (root / 'docs' / 'releases' / '0.2.0' / 'api_changes.txt').read_text()
        assert f'users: {REMOVED}: breaking, accepted: No client used it.\n' in changes
        assert cli.invoke(args=['api', 'diff']).exit_code == 0

    def test_rejects_a_patch_version_after_breaking_changes(self, cli, root):
        edit_base(root, add_removed_route)
        entries = root / 'docs' / 'features' / 'users.breaking.toml'
        entries.write_text(f'"{REMOVED}" = "No client used it."\n')
        declare(root, '0.1.1')

        result = cli.invoke(args=['api', 'release', '0.1.1'])

        assert 'breaking changes since 0.1.0: 0.1.1 needs a higher minor number' in result.stderr
        assert entries.exists()

    @pytest.mark.parametrize(
        ('version', 'fault'),
        [
            ('0.1.0', '0.1.0 must be newer than 0.1.0'),
            ('0.0.9', '0.0.9 must be newer than 0.1.0'),
            ('0.3.0', 'pyproject.toml has the version 0.2.0, and not 0.3.0'),
            ('next', "'next' is not a version such as 1.4.0"),
        ],
    )
    def test_rejects_another_version(self, cli, root, version, fault):
        result = cli.invoke(args=['api', 'release', version])

        assert (result.exit_code, result.stderr) == (1, f'Error: {fault}\n')

    def test_rejects_a_version_without_a_dated_section(self, cli, root):
        (root / 'CHANGELOG.md').write_text('## 0.2.0 – unreleased\n')

        result = cli.invoke(args=['api', 'release', '0.2.0'])

        assert 'CHANGELOG.md has no heading "## 0.2.0 – ' in result.stderr

    def test_rejects_lines_that_are_not_in_the_changelog(self, cli, root):
        changes = root / 'docs' / 'changes' / 'billing.md'
        changes.parent.mkdir()
        changes.write_text('- Invoices.\n')

        result = cli.invoke(args=['api', 'release', '0.2.0'])

        assert 'move the lines of docs/changes/billing.md to CHANGELOG.md' in result.stderr

    def test_rejects_breaking_changes_and_outdated_documents(self, cli, root):
        edit_base(root, add_removed_route)
        (root / 'docs' / 'features' / 'users.openapi.json').unlink()

        result = cli.invoke(args=['api', 'release', '0.2.0'])

        assert '2 fault(s), first: docs/features/users.openapi.json is missing' in result.stderr
        assert not (root / 'docs' / 'releases' / '0.2.0').exists()
