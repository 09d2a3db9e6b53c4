"""Removal of features."""

import subprocess
from pathlib import Path

import pytest
from click import ClickException

from project.core.cli.feature_kit import removal
from project.core.cli.feature_kit.removal import (
    accepted_removal,
    is_on_main_branch,
    planned_removal,
)
from project.core.documents.api_changes.accepted_changes import read_reasons
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


class TestAcceptedRemoval:
    @pytest.fixture
    def release(self, monkeypatch, tmp_path):
        """Store a release that has routes of the feature `zz_bills`."""
        monkeypatch.setattr(removal, 'ROOT', tmp_path)
        path = tmp_path / 'docs' / 'releases' / '0.1.0' / 'openapi.json'
        path.parent.mkdir(parents=True)
        path.write_text('{"paths": {"/zz-bills": {"get": {"tags": ["zz_bills"]}}}}')

    def test_accepts_the_removal_of_released_routes(self, release, tmp_path):
        [(path, text)] = accepted_removal('zz_bills').items()

        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(text)
        assert list(read_reasons(tmp_path / 'docs' / 'features')) == [
            ('zz_bills', 'the feature was removed')
        ]

    def test_returns_nothing_for_a_feature_without_released_routes(self, release):
        assert accepted_removal('zz_boats') == {}

    def test_returns_nothing_without_a_release(self, monkeypatch, tmp_path):
        monkeypatch.setattr(removal, 'ROOT', tmp_path)

        assert accepted_removal('zz_bills') == {}
