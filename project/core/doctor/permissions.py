"""The check of the files of the service: modes, owners, and the modes of new files."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from project.core.checks import DoctorCheck, Finding, Situation, State, register_check
from project.core.storage import find_status
from project.core.storage.listing import SPOOL_FOLDERS

ROOT_UID = 0


def check_permissions(situation: Situation) -> Iterator[Finding]:
    """Check the folders of the service and the files with secrets."""
    folders = data_folders(situation)
    found = [
        *(fault for folder in folders for fault in _faults_of(folder, folder_faults)),
        *(fault for path in situation.secret_files for fault in _faults_of(path, secret_faults)),
    ]
    yield from found
    if os.geteuid() == ROOT_UID:
        yield Finding(
            State.WARNING,
            'this command runs as root, who may write everything',
            'Run the service and this command as a user without privileges.',
            fails_deploy=True,
        )
    elif not found:
        seen = f'folders: {len(folders)}, files with secrets: {len(situation.secret_files)}'
        yield Finding(State.OK, seen)


def data_folders(situation: Situation) -> list[Path]:
    """Return the folders that the service writes to, as far as they are on this machine."""
    config = situation.config
    is_local = config['STORAGE_URL'].startswith('file:')
    spool = _path(config['STORAGE_URL']) if is_local else Path(config['STORAGE_SPOOL'])
    paths = [spool, *(spool / name for name in SPOOL_FOLDERS)]
    if config['MAIL_URL'].startswith('file:'):
        paths.append(_path(config['MAIL_URL']))
    database = config['SQLALCHEMY_DATABASE_URI'].partition('?')[0].removeprefix('sqlite:///')
    if database.startswith('/'):
        paths.append(Path(database).parent)
    is_used = any(path.is_relative_to(situation.var) for path in paths)
    return list(dict.fromkeys([*([situation.var] if is_used else []), *paths]))


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _faults_of(path: Path, find_faults: Callable[[Path], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the faults of a path. If it cannot be reached, this is its fault."""
    try:
        yield from find_faults(path)
    except OSError as error:
        closed = _closed_folder(path)
        if closed is None:
            yield Finding(State.FAILED, f'{path}: {error.strerror}')
        else:
            seen = f'{path} cannot be reached: this user must not enter {closed}'
            yield Finding(State.FAILED, seen, f'`setfacl -m u:{os.geteuid()}:x {closed}`')


def _closed_folder(path: Path) -> Path | None:
    """Return the folder above a path that this user must not enter, or None."""
    for inside in (*reversed(path.absolute().parents), path.absolute()):
        try:
            inside.stat()
        except PermissionError:
            return inside.parent
        except OSError:
            return None
    return None


def folder_faults(folder: Path) -> Iterator[Finding]:
    """Yield the faults of a folder for data. A missing folder is created later, by the service.

    :raises OSError: if the folder cannot be reached.
    """
    try:
        found = folder.stat()
    except FileNotFoundError:
        above = next(path for path in folder.parents if find_status(path))
        if not os.access(above, os.W_OK | os.X_OK):
            yield Finding(State.FAILED, f'{folder} is missing, and cannot be created', _own(above))
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Finding(State.FAILED, f'{folder} is not a folder')
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(State.FAILED, f'{folder} cannot be read or written', _own(folder))
    elif found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        yield Finding(
            State.FAILED, f'{folder}: any user may write ({_mode(found)})', _close(folder)
        )
    elif found.st_mode & stat.S_IROTH and _is_reachable(folder):
        seen = f'{folder}: any user may list it ({_mode(found)})'
        yield Finding(State.WARNING, seen, _close(folder))
    else:
        yield from new_file_faults(folder)


def new_file_faults(folder: Path) -> Iterator[Finding]:
    """Create and delete a file in a folder; yield a fault if other users could read it.

    The umask decides, but an access control list of the folder (`setfacl -d`) overrides it.
    """
    path = folder / f'.doctor-{uuid4().hex}'
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except OSError as error:
        yield Finding(State.FAILED, f'{folder}: {error.strerror}')
        return
    try:
        mode = os.fstat(descriptor)
    finally:
        os.close(descriptor)
        path.unlink()
    if mode.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        seen = f'{folder}: new files get the mode {_mode(mode)}'
        remedy = f'Delete the default access control list: `setfacl -k {folder}`'
        yield Finding(State.FAILED, seen, remedy)


def secret_faults(path: Path) -> Iterator[Finding]:
    """Yield the faults of a file from which secrets are read.

    :raises OSError: if the file cannot be reached.
    """
    found = path.stat()
    if not os.access(path, os.R_OK):
        yield Finding(State.FAILED, f'{path} cannot be read', _own(path))
    elif found.st_mode & stat.S_IWOTH:
        yield Finding(State.FAILED, f'{path}: any user may write ({_mode(found)})', _close(path))
    elif found.st_mode & stat.S_IROTH and _is_reachable(path):
        seen = f'{path}: any user may read secrets ({_mode(found)})'
        yield Finding(State.WARNING, seen, _close(path), fails_deploy=True)
    elif found.st_uid not in {os.geteuid(), ROOT_UID}:
        seen = f'{path} belongs to the user {found.st_uid}, who may change it'
        yield Finding(State.WARNING, seen, _own(path), fails_deploy=True)


def _is_reachable(path: Path) -> bool:
    """Return whether any user may open the folders above a path."""
    return all(_lets_pass(folder) for folder in path.absolute().parents)


def _lets_pass(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)


def _mode(found: os.stat_result) -> str:
    return f'{stat.S_IMODE(found.st_mode):o}'


def _close(path: Path) -> str:
    return f'`chmod o= {path}`'


def _own(path: Path) -> str:
    return f'`chown {os.geteuid()} {path}`, and `chmod u+rwX {path}`'


register_check(
    'permissions',
    DoctorCheck(
        function=check_permissions,
        remedy='Correct the paths: docs/operations.md, "Permissions of files".',
    ),
    owner=__name__,
)
