"""Folders on the local disk: durable names, also where a file system has no call for it."""

import errno
import os
from pathlib import Path

import pytest

from project.core.storage import make_folder, sync_folder


class TestMakeFolder:
    def test_gives_a_mode_to_the_folder_itself(self, tmp_path: Path) -> None:
        make_folder(tmp_path / 'above' / 'public', mode=0o705)

        assert (tmp_path / 'above' / 'public').stat().st_mode & 0o777 == 0o705
        assert (tmp_path / 'above').stat().st_mode & 0o777 != 0o705


class TestSyncFolder:
    @pytest.fixture
    def fsync_fails(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        """Let fsync(2) fail as a file system may."""

        def fail(_descriptor: int) -> None:
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr(os, 'fsync', fail)

    @pytest.mark.usefixtures('fsync_fails')
    @pytest.mark.parametrize('fsync_fails', [errno.EINVAL], indirect=True)
    def test_does_without_it_where_folders_cannot_be_synced(self, tmp_path: Path) -> None:
        sync_folder(tmp_path)

    @pytest.mark.usefixtures('fsync_fails')
    @pytest.mark.parametrize('fsync_fails', [errno.EIO, errno.ENOSPC], indirect=True)
    def test_hides_no_fault_of_the_disk(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match=r'Input/output|No space'):
            sync_folder(tmp_path)
