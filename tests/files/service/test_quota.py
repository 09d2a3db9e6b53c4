"""Service: reserve bytes within a quota, and report the usage."""

import pytest

from project.core.database.session import atomic
from project.files import service
from project.files.errors import QuotaExceeded
from project.files.service import quota
from tests.files.factories import FileFactory

QUOTA = 3_000_000


class TestReserve:
    def test_raises_and_rolls_back_when_the_quota_is_exceeded(self, ada):
        service.set_quota(ada.id, 5)

        @atomic()
        def reserve_twice():
            quota.reserve(ada.id, 3)
            quota.reserve(ada.id, 3)

        with pytest.raises(QuotaExceeded):
            reserve_twice()

        assert service.get_usage(ada.id)['reserved'] == 0


class TestGetUsage:
    def test_runs_as_many_queries_for_50_files_as_for_one(self, ada, queries):
        FileFactory.create_batch(50, owner=ada, content=b'x')

        with queries(max=2):
            usage = service.get_usage(ada.id)

        assert (usage['used'], usage['files']) == (50, 50)


class TestGetReport:
    def test_returns_a_report_for_a_user_without_files(self, ada):
        assert service.get_report(ada.id) == f'0 files, 0 of {QUOTA} bytes\n\n'


class TestFileStats:
    def test_counts_the_files_of_all_users(self):
        FileFactory(content=b'12345')
        FileFactory(content=b'123')
        FileFactory(content=b'\0')

        assert service.file_stats() == [
            {'type': 'application/octet-stream', 'files': 1, 'bytes': 1},
            {'type': 'text/plain', 'files': 2, 'bytes': 8},
        ]
