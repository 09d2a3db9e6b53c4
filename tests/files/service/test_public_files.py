"""Service: publish and unpublish files, and check their names."""

import pytest

from project.core.errors import NotFound
from project.files import service
from project.files.errors import (
    AlreadyPublished,
    NotPublished,
    PublishedNameInvalid,
)


class TestPublishFile:
    @pytest.fixture
    def source(self, tmp_path):
        source = tmp_path / 'source.txt'
        source.write_bytes(b'For everybody.')
        return source

    @pytest.mark.parametrize(
        'name', ['a.txt', 'nested/deep/a.txt', 'a b.txt', 'ä.txt', 'a..b', 'x' * 255]
    )
    def test_copies_the_file_into_the_folder(self, source, name):
        service.publish_file(source, name)

        assert (service.published_folder() / name).read_bytes() == b'For everybody.'
        assert source.exists()

    @pytest.mark.parametrize(
        'name',
        [
            '../a.txt', 'a/../../b.txt', '/etc/a.txt', '..', '.hidden', 'nested/.hidden',
            '.nested/a.txt', '.', './.', '', 'x' * 256, f'{"ä" * 128}/a.txt',
        ],
    )  # fmt: skip
    @pytest.mark.parametrize('before', ['a folder', 'no folder'])
    def test_rejects_hidden_and_too_long_names_and_names_outside_of_the_folder(
        self, source, var, name, before
    ):
        if before == 'a folder':
            service.published_folder().mkdir()
        there = set(var.rglob('*'))

        with pytest.raises(PublishedNameInvalid, match='Must be a path of visible names inside'):
            service.publish_file(source, name)

        assert set(var.rglob('*')) == there

    @pytest.mark.parametrize('name', ['a/b.txt', 'a', 'a/b.txt/c.txt', 'a/b.txt/c/d.txt'])
    def test_rejects_a_taken_name(self, source, name):
        service.publish_file(source, 'a/b.txt')

        with pytest.raises(AlreadyPublished, match='Already published'):
            service.publish_file(source, name)

        assert [p.name for p in service.published_folder().rglob('*')] == ['a', 'b.txt']

    def test_leaves_no_draft(self, source):
        service.publish_file(source, 'a.txt')

        assert [path.name for path in service.published_folder().iterdir()] == ['a.txt']


class TestGetPublishedPath:
    @pytest.mark.parametrize('name', ['a.txt', 'nested/a.txt', 'a..b'])
    def test_returns_the_path_of_a_published_file(self, tmp_path, name):
        source = tmp_path / 'source.txt'
        source.touch()
        service.publish_file(source, name)

        assert service.get_published_path(name) == service.published_folder() / name

    @pytest.mark.parametrize('name', ['.a.txt.part', 'nested/.a', '.git/config', '../a', 'a.txt'])
    def test_rejects_hidden_and_unpublished_names(self, name):
        path = service.published_folder() / name
        if path.name != 'a.txt':
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

        with pytest.raises(NotFound):
            service.get_published_path(name)


class TestUnpublishFile:
    def test_deletes_the_file_from_the_folder(self, tmp_path):
        source = tmp_path / 'source.txt'
        source.touch()
        service.publish_file(source, 'nested/a.txt')

        service.unpublish_file('nested/a.txt', dry_run=True)
        assert (service.published_folder() / 'nested/a.txt').exists()

        service.unpublish_file('nested/a.txt')
        assert not (service.published_folder() / 'nested/a.txt').exists()

    @pytest.mark.parametrize('name', ['nothing.txt', '../outside.txt', '.hidden', 'nested', '.'])
    def test_rejects_an_unpublished_name(self, var, name):
        (var / 'outside.txt').touch()
        (service.published_folder() / 'nested').mkdir(parents=True)
        (service.published_folder() / '.hidden').touch()

        with pytest.raises(NotPublished):
            service.unpublish_file(name)

        assert (var / 'outside.txt').exists()
        assert (service.published_folder() / '.hidden').exists()


class TestPublishedFolder:
    def test_returns_an_absolute_path_in_any_working_directory(self, app, monkeypatch, tmp_path):
        monkeypatch.setitem(app.config, 'FILES_PUBLIC_FOLDER', 'relative')
        monkeypatch.chdir(tmp_path)

        assert service.published_folder() == tmp_path / 'relative'
