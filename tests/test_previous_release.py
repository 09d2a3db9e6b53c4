"""`python -m tests.previous_release`: the commit of a release."""

import pytest

from tests.complete_copy import IDENTITY, git
from tests.previous_release import commit_of


@pytest.fixture
def repository(tmp_path):
    """Return a repository with two commits, of which the first one makes release 0.1.0."""
    git(tmp_path, 'init', '--quiet')
    for setting in IDENTITY:
        git(tmp_path, 'config', *setting.split('=', 1))
    for name in ('docs/releases/0.1.0/openapi.json', 'later.py'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        git(tmp_path, 'add', name)
        git(tmp_path, 'commit', '--quiet', '--message', name)
    return tmp_path


class TestCommitOf:
    def test_returns_the_last_commit_of_the_folder_of_the_release(self, repository):
        first = git(repository, 'rev-parse', 'HEAD~1').strip()

        assert commit_of('0.1.0', repository) == first

    def test_prefers_the_tag_of_the_release(self, repository):
        git(repository, 'tag', 'v0.1.0', 'HEAD')

        assert commit_of('0.1.0', repository) == git(repository, 'rev-parse', 'HEAD').strip()

    def test_raises_if_the_history_lacks_the_release(self, repository):
        with pytest.raises(SystemExit, match=r'0\.2\.0.*--unshallow'):
            commit_of('0.2.0', repository)
