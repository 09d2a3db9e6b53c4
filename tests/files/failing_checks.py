"""A cause for each check of `files` because of which it fails."""

from typing import Any

from tests.failing_checks import Failure, Preparation


def relative_folder(_prepared: Preparation) -> dict[str, Any]:
    """Configure a relative path."""
    return {'FILES_PUBLIC_FOLDER': 'public'}


def open_folder(prepared: Preparation) -> dict[str, Any]:
    """Let any user write to the folder of published files."""
    folder = prepared.folder / 'public'
    folder.mkdir()
    folder.chmod(0o777)
    return {'FILES_PUBLIC_FOLDER': str(folder)}


def put_file_above(prepared: Preparation) -> dict[str, Any]:
    """Let the folder above that of published files be a file."""
    path = prepared.folder / 'file'
    path.write_bytes(b'')
    return {'FILES_PUBLIC_FOLDER': str(path / 'public')}


def stopped_scanner(_prepared: Preparation) -> dict[str, Any]:
    """Configure a port on which no scanner listens."""
    return {'FILES_SCANNER': 'clamd://127.0.0.1:1'}


FAILURES = (
    Failure('files_configuration', 'FILES_PUBLIC_FOLDER must be', relative_folder),
    Failure('public_folder', r'any user may publish \(777\)', open_folder),
    Failure('public_folder', 'file cannot be written', put_file_above),
    Failure('scanner', 'down', stopped_scanner),
)
