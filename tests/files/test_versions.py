"""Versions: what a file was, and may be again."""

from datetime import timedelta
from io import BytesIO
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from project.core.clock import now
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import atomic, db
from project.files import service
from project.files.errors import FileChanged, FileNotFound, QuotaExceeded
from project.files.models import File, Version
from project.users import service as users
from tests.users.factories import UserFactory

from .file_io import store


class TestReplaceContent:
    def test_keeps_what_was_there_as_a_version(self, ada):
        file = store(ada.id, b'first', name='a.txt')

        changed = service.replace_content(ada.id, file.id, BytesIO(b'GIF89a' + bytes(13)))

        assert (changed.name, changed.version) == ('a.txt', 2)
        assert changed.type != file.type
        versions = service.list_versions(ada.id, file.id, PageRequest()).items
        assert [(v.number, v.size) for v in versions] == [(2, 19), (1, 5)]
        _, version, stream = service.open_version(ada.id, file.id, 1)
        with stream:
            assert (version.type, stream.read()) == ('text/plain', b'first')
        assert service.get_usage(ada.id)['used'] == 24

    def test_deletes_the_oldest_and_releases_its_bytes(self, app, ada, monkeypatch):
        monkeypatch.setitem(app.config, 'FILES_VERSIONS_KEPT', 2)
        file = store(ada.id, b'1')

        for content in (b'22', b'333', b'4444'):
            service.replace_content(ada.id, file.id, BytesIO(content))

        versions = service.list_versions(ada.id, file.id, PageRequest()).items
        assert [v.number for v in versions] == [4, 3]
        assert service.get_usage(ada.id)['used'] == 7

    def test_rejects_what_is_not_there_before_it_reads(self, ada):
        file = store(ada.id, b'1')
        service.trash_file(ada.id, file.id)
        stream = BytesIO(b'2')

        for owner_id, file_id in ((ada.id, file.id), (ada.id, uuid4())):
            with pytest.raises(FileNotFound):
                service.replace_content(owner_id, file_id, stream)
        assert stream.tell() == 0

    def test_rejects_another_version_and_keeps_nothing_of_it(self, ada):
        file = store(ada.id, b'1')

        with pytest.raises(FileChanged):
            service.replace_content(
                ada.id, file.id, BytesIO(b'22'), expected=frozenset([file.version + 1])
            )

        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved']) == (1, 0)

    def test_of_many_at_once_each_is_a_version(self, own_app, run_concurrently):
        ada = UserFactory()
        file = store(ada.id, b'0')

        run_concurrently(*(
            lambda n=n: service.replace_content(ada.id, file.id, BytesIO(b'x' * n))
            for n in range(1, 6)
        ))  # fmt: skip

        versions = service.list_versions(ada.id, file.id, PageRequest()).items
        assert [v.number for v in versions] == [6, 5, 4, 3, 2, 1]
        newest = service.get_file(ada.id, file.id)
        assert (newest.current_version, newest.size) == (versions[0].number, versions[0].size)
        assert service.get_usage(ada.id)['used'] == 16


class TestRestoreVersion:
    def test_makes_the_old_bytes_the_newest(self, ada, kept):
        file = store(ada.id, b'first')
        service.replace_content(ada.id, file.id, BytesIO(b'second'))

        restored = service.restore_version(ada.id, file.id, 1)

        assert (restored.sha256, restored.current_version) == (file.sha256, 3)
        assert len(kept()) == 2
        assert service.get_usage(ada.id)['used'] == 16

    def test_rejects_what_exceeds_the_quota(self, ada):
        service.set_quota(ada.id, 10)
        file = store(ada.id, b'12345')
        service.replace_content(ada.id, file.id, BytesIO(b'1234'))

        with pytest.raises(QuotaExceeded):
            service.restore_version(ada.id, file.id, 1)

        assert service.get_file(ada.id, file.id).current_version == 2

    def test_rejects_a_version_that_is_not_there(self, ada):
        with pytest.raises(FileNotFound):
            service.restore_version(ada.id, store(ada.id, b'1').id, 2)


class TestDeleteVersions:
    @pytest.mark.parametrize('how', ['delete', 'empty', 'sweep', 'user'])
    def test_nothing_stays_of_any_of_them(self, ada, kept, how):
        file = store(ada.id, b'first')
        service.replace_content(ada.id, file.id, BytesIO(b'second'))
        if how == 'delete':
            service.delete_file(ada.id, file.id)
        elif how == 'user':
            users.delete_user(ada.id)
        else:
            service.trash_file(ada.id, file.id)
            with atomic():
                long_ago = now() - timedelta(days=99)
                db.session.execute(update(File).values(trashed_at=long_ago))
            service.empty_trash(ada.id) if how == 'empty' else list(service.collect_garbage())

        assert service.get_usage(ada.id)['used'] == 0
        list(service.collect_garbage())
        assert kept() == []
        assert db.session.scalar(select(func.count()).select_from(Version)) == 0

    def test_the_sweeper_keeps_the_bytes_of_old_ones(self, ada, kept):
        file = store(ada.id, b'first')
        service.replace_content(ada.id, file.id, BytesIO(b'second'))

        list(service.collect_garbage())

        assert len(kept()) == 2
