"""The check of modes and owners."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from project.core.checks import Situation
from project.core.doctor import permissions
from project.core.doctor.permissions import (
    check_permissions,
    data_folders,
    folder_faults,
    new_file_faults,
    secret_faults,
)

# The user id of `nobody`.
NOBODY = 65534


@pytest.fixture(autouse=True)
def _umask():
    """Use the umask of the service, and restore that of the tests."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def situation(folder, **changes):
    """Return the situation of a service whose data are in a folder."""
    config = {
        'STORAGE_URL': f'file://{folder}/storage',
        'MAIL_URL': f'file://{folder}/mail',
        'STORAGE_SPOOL': f'{folder}/spool',
        'SQLALCHEMY_DATABASE_URI': f'sqlite:///{folder}/database/db?timeout=3',
        **changes,
    }
    return Situation(config=config, var=folder)


class TestDataFolders:
    def test_returns_the_folders_of_data(self, tmp_path):
        names = ['', 'storage', 'storage/incoming', 'storage/partial', 'mail', 'database']

        assert data_folders(situation(tmp_path)) == [tmp_path / name for name in names]

    def test_returns_only_the_spool_with_servers(self, tmp_path):
        servers = situation(
            tmp_path,
            STORAGE_URL='s3://bucket',
            MAIL_URL='smtp://mail',
            SQLALCHEMY_DATABASE_URI='postgresql://db/api',
            STORAGE_SPOOL='/srv/spool',
        )

        found = [str(path) for path in data_folders(servers)]
        assert found == ['/srv/spool', '/srv/spool/incoming', '/srv/spool/partial']


class TestFolderFaults:
    def test_accepts_a_closed_folder(self, tmp_path):
        assert list(folder_faults(tmp_path)) == []
        assert list(tmp_path.iterdir()) == []

    def test_accepts_a_folder_that_will_be_created(self, tmp_path):
        assert list(folder_faults(tmp_path / 'a' / 'b')) == []

    def test_rejects_a_folder_that_any_user_may_write(self, tmp_path):
        tmp_path.chmod(0o777)

        [found] = folder_faults(tmp_path)

        assert (found.state, found.remedy) == ('failed', f'`chmod o= {tmp_path}`')

    def test_warns_of_a_folder_that_any_user_may_list(self, tmp_path, monkeypatch):
        tmp_path.chmod(0o755)
        # The folders above belong to the machine.
        monkeypatch.setattr(permissions, '_lets_pass', lambda folder: True)

        [found] = folder_faults(tmp_path)

        assert (found.state, found.seen) == ('warning', f'{tmp_path}: any user may list it (755)')

    def test_accepts_an_open_folder_in_a_closed_one(self, tmp_path):
        inside = tmp_path / 'inside'
        inside.mkdir()
        tmp_path.chmod(0o700)
        inside.chmod(0o755)

        assert list(folder_faults(inside)) == []

    def test_rejects_a_file(self, tmp_path):
        (tmp_path / 'file').write_bytes(b'')

        assert [found.state for found in folder_faults(tmp_path / 'file')] == ['failed']


class TestNewFileFaults:
    @pytest.mark.parametrize(('umask', 'mode'), [(0o022, '644'), (0o007, '660')])
    def test_finds_new_files_that_other_users_may_use(self, tmp_path, umask, mode):
        os.umask(umask)

        [found] = new_file_faults(tmp_path)

        assert found.seen == f'{tmp_path}: new files get the mode {mode}'
        assert list(tmp_path.iterdir()) == []

    def test_accepts_files_that_the_group_may_read(self, tmp_path):
        os.umask(0o027)

        assert list(new_file_faults(tmp_path)) == []

    def test_reports_a_folder_without_space_or_permission(self):
        [found] = new_file_faults(permissions.Path('/proc'))

        assert found.state == 'failed'


class TestSecretFaults:
    @pytest.fixture
    def secret(self, tmp_path, monkeypatch):
        """Return a file with a secret, in a folder that all users may enter."""
        monkeypatch.setattr(permissions, '_lets_pass', lambda folder: True)
        path = tmp_path / 'key'
        path.write_text('secret')
        return path

    @pytest.mark.parametrize(
        ('mode', 'states'),
        [(0o600, []), (0o440, []), (0o644, ['warning']), (0o602, ['failed'])],
    )
    def test_compares_the_mode(self, secret, mode, states):
        secret.chmod(mode)

        found = list(secret_faults(secret))

        assert [each.state for each in found] == states
        assert all(each.remedy == f'`chmod o= {secret}`' for each in found)

    def test_finds_a_file_of_another_user(self, secret, monkeypatch):
        monkeypatch.setattr(os, 'geteuid', lambda: secret.stat().st_uid + 1)
        monkeypatch.setattr(permissions, 'ROOT_UID', -1)

        [found] = secret_faults(secret)

        assert (found.state, found.fails_deploy) == ('warning', True)


class TestClosedFolder:
    @pytest.fixture
    def closed(self):
        """Yield a folder that the user of the test must not enter, in an open folder."""
        with tempfile.TemporaryDirectory() as name:
            folder, user = Path(name), os.geteuid()
            folder.chmod(0o755)
            (folder / 'closed' / 'storage').mkdir(parents=True)
            (folder / 'closed').chmod(0)
            if user == 0:
                os.seteuid(NOBODY)
            try:
                yield folder / 'closed'
            finally:
                os.seteuid(user)
                (folder / 'closed').chmod(0o700)

    def test_is_named_for_each_path(self, closed):
        mail = closed.parent / 'none' / 'mail'
        urls = {'STORAGE_URL': f'file://{closed}/storage', 'MAIL_URL': f'file://{mail}'}
        service = situation(closed.parent, **urls)

        found = list(check_permissions(replace(service, secret_files=(closed / 'key',))))

        seen = {each.seen: each for each in found}
        for path in (closed / 'storage', closed / 'storage' / 'incoming', closed / 'key'):
            each = seen[f'{path} cannot be reached: this user must not enter {closed}']
            assert each.state == 'failed'
            assert each.remedy == f'`setfacl -m u:{os.geteuid()}:x {closed}`'

    def test_does_not_hide_other_findings(self, closed, tmp_path):
        service = situation(closed.parent, STORAGE_URL=f'file://{closed}/storage')
        missing = Path('/proc/missing-key')

        found = list(check_permissions(replace(service, secret_files=(missing,))))

        assert f'{missing}: No such file or directory' in [each.seen for each in found]


class TestCheckPermissions:
    def test_reports_a_path_below_a_file(self, tmp_path):
        (tmp_path / 'file').write_bytes(b'')
        service = situation(tmp_path, MAIL_URL=f'file://{tmp_path}/file/mail')

        found = [each.seen for each in check_permissions(service)]

        assert f'{tmp_path}/file/mail: Not a directory' in found

    def test_warns_of_root(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, 'geteuid', lambda: 0)

        [found] = check_permissions(situation(tmp_path))

        assert 'runs as root' in found.seen
        assert found.fails_deploy

    def test_is_ok_for_another_user(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, 'geteuid', lambda: 10001)

        [found] = check_permissions(situation(tmp_path))

        assert (found.state, found.seen) == ('ok', 'folders: 6, files with secrets: 0')
