"""Reading of branches of a git repository."""

import subprocess

import pytest

from project.core.git_repository import FileOnBranch, find_on_branches, read_files, run_git


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Create a repository: the file `notes/a.py` is on the branch `topic` and not on `main`."""

    def git(*arguments):
        identity = ('-c', 'user.name=x', '-c', 'user.email=x@example.com')
        subprocess.run(['git', *identity, *arguments], cwd=tmp_path, check=True)

    git('init', '-q', '-b', 'main')
    git('commit', '-q', '--allow-empty', '-m', 'Begin')
    git('switch', '-q', '-c', 'topic')
    (tmp_path / 'notes').mkdir()
    (tmp_path / 'notes' / 'a.py').write_text("revision = 'abc'\n")
    (tmp_path / 'notes' / 'a.txt').write_text("revision = 'abc'\n")
    git('add', '.')
    git('commit', '-q', '-m', 'Add notes')
    # The remote branch is newer.
    monkeypatch.setenv('GIT_COMMITTER_DATE', '2090-01-01T00:00:00Z')
    git('commit', '-q', '--allow-empty', '-m', 'Change nothing')
    git('update-ref', 'refs/remotes/origin/topic', 'topic')
    git('reset', '-q', '--hard', 'HEAD~1')
    git('switch', '-q', 'main')
    return tmp_path


class TestRunGit:
    def test_returns_none_without_a_repository(self, tmp_path):
        assert run_git('status', root=tmp_path) is None

    def test_returns_none_if_git_fails(self, repository):
        assert run_git('show', 'nowhere', root=repository) is None

    def test_returns_none_if_git_is_not_installed(self, repository, monkeypatch):
        monkeypatch.setenv('PATH', str(repository))

        assert run_git('status', root=repository) is None


class TestFindOnBranches:
    def test_returns_the_own_branch_before_the_remote_one(self, repository):
        found = find_on_branches('^revision = .abc.$', 'notes', root=repository)

        assert found[0] == FileOnBranch('topic', 'notes/a.py')
        assert {file.branch for file in found} == {'topic', 'origin/topic'}

    def test_skips_remote_branches_of_others(self, repository):
        run_git('update-ref', 'refs/remotes/fork/topic', 'topic', root=repository)

        found = find_on_branches('^revision = .abc.$', 'notes', root=repository)

        assert {file.branch for file in found} == {'topic', 'origin/topic'}

    @pytest.mark.parametrize(('pattern', 'folder'), [('abd', 'notes'), ('abc', 'other')])
    def test_returns_nothing_for_another_text_or_folder(self, repository, pattern, folder):
        assert find_on_branches(pattern, folder, root=repository) == []

    def test_returns_nothing_without_a_repository(self, tmp_path):
        assert find_on_branches('abc', 'notes', root=tmp_path) == []


class TestReadFiles:
    def test_returns_the_python_files_of_a_branch(self, repository):
        found = read_files('topic', 'notes', root=repository)

        assert found == {'notes/a.py': "revision = 'abc'\n"}

    def test_prefers_the_branch_to_a_tag_of_the_same_name(self, repository):
        run_git('tag', 'topic', 'main', root=repository)

        for branch in ('topic', 'origin/topic'):
            assert read_files(branch, 'notes', root=repository)
