"""ZIP archives. They are created while they are sent: only one block of one file is in memory."""

from collections.abc import Sequence
from pathlib import PurePath
from uuid import UUID

from project.core.zip_streams import ZipEntry, ZipStream
from project.files import blobs
from project.files.errors import FileNotFound
from project.files.models import File

from .malware_scanning import check_clean

MAX_FILES_PER_ARCHIVE = 1000


def open_archive(owner_id: int, file_ids: Sequence[UUID]) -> ZipStream:
    """Return an archive of the owner's files. Its `len` is its size in bytes.

    Files are not compressed, because most large files are compressed already. They have the time
    at which their content was uploaded. An archive above 4 GiB is a ZIP64. If files have the same
    name, the later ones are numbered.

    :raises FileNotFound: if any of the files does not exist or is in the trash.
    :raises ScanPending, ScanInfected, Unscannable: as `check_clean` does.
    """
    wanted = list(dict.fromkeys(file_ids))
    files = {file.id: file for file in File.find_untrashed(owner_id, wanted)}
    if len(files) < len(wanted):
        raise FileNotFound
    for file in files.values():
        check_clean(file.scan)
    taken: dict[str, int] = {}
    # Each file is opened only when its bytes are sent; otherwise 1,000 files would be open. If it
    # is missing then, the response ends too early, because Content-Length was sent already.
    return ZipStream(
        [
            ZipEntry(
                name=_free_name(file.name, taken),
                modified_at=file.content_created_at,
                size=file.size,
                crc32=file.crc32,
                blocks=blobs.iter_chunks(file.sha256),
            )
            for file in (files[file_id] for file_id in wanted)
        ]
    )


def _free_name(name: str, taken: dict[str, int]) -> str:
    """Return a name that is unique in the archive, even if case is ignored.

    :param taken: the highest number of each name in the archive, by the casefolded name. This
        function updates it.
    """
    path, wanted, free = PurePath(name), name.casefold(), name
    while free.casefold() in taken:
        taken[wanted] += 1
        free = f'{path.stem} ({taken[wanted]}){path.suffix}'
    taken[free.casefold()] = 1
    return free
