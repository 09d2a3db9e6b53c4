"""Archives: many files as one ZIP, made while it is sent. Memory holds a block of one of them."""

from collections.abc import Sequence
from pathlib import PurePath
from uuid import UUID

from zipstream import ZipStream

from project.files import blobs
from project.files.errors import FileNotFound
from project.files.models import File

from .malware_scanning import check_clean

MAX_FILES_PER_ARCHIVE = 1000  # files of one archive


def open_archive(owner_id: int, file_ids: Sequence[UUID]) -> ZipStream:
    """Return an archive of files of the owner's, which knows how many bytes it will have.

    Stored, not compressed: most of what is large is compressed already. Larger than 4 GiB it is a
    ZIP64. Of files with the same name the later ones are numbered.

    Refuses if any of them is not there, also trash, with FileNotFound, and as `check_clean` does.
    """
    wanted = list(dict.fromkeys(file_ids))
    files = {file.id: file for file in File.find_untrashed(owner_id, wanted)}
    if len(files) < len(wanted):
        raise FileNotFound
    for file in files.values():
        check_clean(file.scan)
    archive, taken = ZipStream(sized=True), dict[str, int]()
    for file in (files[file_id] for file_id in wanted):
        name = _free_name(file.name, taken)
        # Opened when its turn comes, or a thousand would be open at once. What was deleted for good
        # and swept by then breaks the answer off: its length was announced.
        archive.add(blobs.iter_chunks(file.sha256), name, size=file.size)
    return archive


def _free_name(name: str, taken: dict[str, int]) -> str:
    """Return a name that none before had, also where upper and lower case are the same.

    :param taken: those that there are, each with the last number that it was given.
    """
    path, wanted, free = PurePath(name), name.casefold(), name
    while free.casefold() in taken:
        taken[wanted] += 1
        free = f'{path.stem} ({taken[wanted]}){path.suffix}'
    taken[free.casefold()] = 1
    return free
