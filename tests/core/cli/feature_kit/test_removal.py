"""Removal of features."""

import subprocess
from pathlib import Path

import pytest
from click import ClickException

from project.core.cli.feature_kit import removal
from project.core.cli.feature_kit.removal import is_on_main_branch, planned_removal
from project.core.features import Feature


@pytest.fixture
def git(tmp_path):
    """Create a git repository with a commit on the branch `topic`; return a function to run git."""

    def git(*arguments):
        identity = ('-c', 'user.name=Ada', '-c', 'user.email=ada@example.com')
        subprocess.run(['git', *identity, *arguments], cwd=tmp_path, check=True)

    git('init', '-q', '-b', 'topic')
    git('commit', '-q', '--allow-empty', '-m', 'Begin')
    return git


def add_migration(folder):
    """Write a migration of the feature `billing`."""
    path = folder / 'migrations' / 'versions' / 'billing' / 'first.py'
    path.parent.mkdir(parents=True)
    path.write_text('')


class TestIsOnMainBranch:
    def test_returns_whether_the_branch_has_migrations_of_the_feature(self, git, tmp_path):
        git('branch', 'main')
        add_migration(tmp_path)
        git('add', '.')
        git('commit', '-q', '-m', 'Add billing')
        assert not is_on_main_branch('billing', tmp_path)

        git('branch', '-f', 'main')

        assert is_on_main_branch('billing', tmp_path)

    def test_returns_true_without_a_main_branch(self, git, tmp_path):
        assert is_on_main_branch('billing', tmp_path)

    def test_returns_true_without_git(self, tmp_path):
        assert is_on_main_branch('billing', tmp_path)


class TestPlannedRemoval:
    def test_names_the_features_that_require_the_feature(self, monkeypatch):
        features = (Feature('users', ()), Feature('zz_bills', ('users',)))
        monkeypatch.setattr(removal, 'find_features', lambda: features)

        with pytest.raises(ClickException) as error:
            planned_removal('users')

        assert error.value.message.startswith('zz_bills requires users: remove them first')

    def test_names_the_features_if_there_is_no_such_feature(self):
        with pytest.raises(ClickException) as error:
            planned_removal('zz_missing')

        assert "there is no feature 'zz_missing'; the features are users" in error.value.message

    def test_names_the_shared_modules_that_import_the_feature(self, monkeypatch):
        monkeypatch.setattr(removal, 'find_features', lambda: [Feature('zz_bills', ())])
        shared = {Path('tests/client.py'): 'project.zz_bills'}
        monkeypatch.setattr(removal, 'shared_dependents', lambda name, root: shared)

        with pytest.raises(ClickException, match=r'tests/client\.py uses project\.zz_bills'):
            planned_removal('zz_bills')
