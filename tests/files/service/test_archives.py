"""Service: create ZIP archives of any size with little memory."""

import tracemalloc

from sqlalchemy import update

from project.core.database.session import atomic, db
from project.files import service
from project.files.models import File
from tests.files.file_io import store


class TestOpenArchive:
    def test_holds_a_block_of_one_file_in_memory(self, ada):
        block = b'x' * 900_000
        files = [store(ada.id, block + bytes([number]), name=str(number)) for number in range(3)]
        archive = service.open_archive(ada.id, [file.id for file in files])

        tracemalloc.start()
        try:
            size = sum(map(len, archive))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert size > 2_700_000
        assert most < 2_500_000

    def test_returns_a_zip64_archive_for_large_files(self, ada):
        # Only the row claims a size of 5 GB. The test computes the length of the archive and reads
        # no bytes.
        file = store(ada.id, name='large')
        with atomic():
            db.session.execute(update(File).where(File.id == file.id).values(size=5 * 10**9))

        archive = service.open_archive(ada.id, [file.id])

        assert len(archive) > 5 * 10**9
