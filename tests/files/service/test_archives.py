"""Service: write a ZIP archive in little memory, also a large one."""

import tracemalloc

from sqlalchemy import update

from project.core.database.session import atomic, db
from project.files import service
from project.files.models import File
from tests.files.file_io import store


class TestMemory:
    def test_holds_a_block_of_it(self, ada):
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

    def test_writes_zip64_of_what_is_large(self, ada):
        # Nobody stores 5 GB here: the row says so, and only the length is looked at.
        file = store(ada.id, name='large')
        with atomic():
            db.session.execute(update(File).where(File.id == file.id).values(size=5 * 10**9))

        archive = service.open_archive(ada.id, [file.id])

        assert len(archive) > 5 * 10**9
