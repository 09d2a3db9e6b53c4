"""Folders on the local disk: their permissions, and names that survive a power cut."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from project.core.storage import find_status, is_file, is_folder, make_folder, sync_folder


class TestFindStatus:
    def test_distinguishes_missing_names_files_and_folders(self, tmp_path: Path) -> None:
        (tmp_path / 'file').touch()
        names = ['', 'file', 'missing', 'missing/a', 'file/a']

        found = {name: (is_file(tmp_path / name), is_folder(tmp_path / name)) for name in names}

        assert found == {
            '': (False, True), 'file': (True, False), 'missing': (False, False),
            'missing/a': (False, False), 'file/a': (False, False),
        }  # fmt: skip

    @pytest.mark.parametrize('function', [find_status, is_file, is_folder])
    def test_raises_for_a_disk_error(
        self, function: Callable[[Path], object], tmp_path: Path
    ) -> None:
        # No file system accepts a name of this length.
        with pytest.raises(OSError, match='too long'):
            function(tmp_path / ('a' * 1000))


class TestMakeFolder:
    def test_sets_the_mode_of_the_folder_only(self, tmp_path: Path) -> None:
        make_folder(tmp_path / 'above' / 'public', mode=0o705)

        assert (tmp_path / 'above' / 'public').stat().st_mode & 0o777 == 0o705
        assert (tmp_path / 'above').stat().st_mode & 0o777 != 0o705


class TestSyncFolder:
    @pytest.fixture
    def fsync_fails(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        """Return a function that makes fsync(2) fail with the given error number."""

        def fail(_descriptor: int) -> None:
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr(os, 'fsync', fail)

    @pytest.mark.usefixtures('fsync_fails')
    @pytest.mark.parametrize('fsync_fails', [errno.EINVAL], indirect=True)
    def test_ignores_a_file_system_that_cannot_sync_folders(self, tmp_path: Path) -> None:
        sync_folder(tmp_path)

    @pytest.mark.usefixtures('fsync_fails')
    @pytest.mark.parametrize('fsync_fails', [errno.EIO, errno.ENOSPC], indirect=True)
    def test_raises_for_a_disk_error(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match=r'Input/output|No space'):
            sync_folder(tmp_path)
