"""The repository and its copy: comparison, and moves that an error undoes."""

from pathlib import Path

import pytest

from project.core.cli.feature_kit import repository


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Replace the repository by a folder with one file; return this folder."""
    root = tmp_path / 'root'
    write(root, 'docs/known.md', 'before')
    monkeypatch.setattr(repository, 'ROOT', root)
    return root


@pytest.fixture
def copy(tmp_path):
    """Return a copy of it in which one file was changed and two were added."""
    copy = tmp_path / 'copy'
    write(copy, 'docs/known.md', 'after')
    write(copy, 'project/billing/models/invoices.py', '')
    write(copy, 'project/billing/__init__.py', '')
    return copy


def write(root, path, text):
    """Write a file; create its folders first."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def texts(root):
    """Return the text of each file by its path."""
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob('*') if p.is_file()}


class TestCopiedRepository:
    def test_contains_the_files_and_is_deleted_at_the_end(self, root):
        write(root, 'var/service.sqlite', '')

        with repository.copied_repository() as copy:
            assert texts(copy) == {'docs/known.md': 'before'}

        assert not copy.exists()


class TestChangedFiles:
    def test_returns_new_and_changed_files(self, root, copy):
        for path in (
            'var/a',
            '.cache/a',
            'project/__pycache__/a.pyc',
            'migrations/versions/users/a',
        ):
            write(copy, path, '')

        assert repository.changed_files(copy, ignored=['migrations/versions/users']) == [
            Path('docs/known.md'),
            Path('project/billing/__init__.py'),
            Path('project/billing/models/invoices.py'),
        ]


class TestMoveFiles:
    def test_moves_files(self, root, copy):
        repository.move_files(copy, repository.changed_files(copy))

        assert texts(root) == texts(copy)

    def test_restores_the_repository_after_an_error(self, root, copy):
        paths = [*repository.changed_files(copy), Path('missing.md')]

        with pytest.raises(FileNotFoundError):
            repository.move_files(copy, paths)

        assert texts(root) == {'docs/known.md': 'before'}
        assert not (root / 'project').exists()


class TestDelete:
    def test_deletes_files_and_folders_if_they_exist(self, root, copy):
        repository.delete(copy, [Path('project/billing'), Path('docs/known.md'), Path('missing')])

        assert texts(copy) == {}


class TestFormatCode:
    def test_deletes_unused_imports_and_joins_short_lists(self, root):
        write(root, 'a.py', "import sys\n\nNAMES = [\n    'a',\n    'b',\n]\n")

        repository.format_code(root, [Path('a.py'), Path('page.md')])

        assert (root / 'a.py').read_text() == 'NAMES = ["a", "b"]\n'

    def test_raises_with_the_first_fault(self, root):
        write(root, 'a.py', 'x = missing\nx ==\n')

        with pytest.raises(Exception, match=r'nothing was changed: a\.py:2:5: invalid-syntax'):
            repository.format_code(root, [Path('a.py')])
