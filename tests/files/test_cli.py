"""The commands `flask files …`."""

import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from project.core.database.session import atomic, db
from project.core.storage import FallbackStorage, storage, storage_from_url
from project.core.stored_objects import collect_released_objects
from project.files import service
from project.files.errors import LinkPasswordWrong
from project.files.models import Usage, Version
from project.files.service.storage.garbage_collection import collect_garbage_nightly
from tests.clamd import EICAR
from tests.files.factories import FileFactory
from tests.files.file_io import hash_of, path_of, state_of, store
from tests.kit.storage import contents
from tests.users.factories import UserFactory, principal_of


@pytest.fixture
def run(cli):
    """Return a function that runs a `flask files` command; check its success, return stdout."""

    def run(*arguments):
        result = cli.invoke(args=['files', *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


class TestFilesMove:
    def test_copies_each_object_of_every_feature_once(self, run, app, tmp_path):
        FileFactory(content=b'one')
        FileFactory(content=b'two')
        target = f'file://{tmp_path}/target'

        first = json.loads(run('move', '--to', target, '--json'))
        again = json.loads(run('move', '--to', target, '--json'))

        assert first == {'moved': 2, 'there': 0, 'failed': 0}
        assert again == {'moved': 0, 'there': 2, 'failed': 0}
        there = storage_from_url(app, target)
        assert contents(there) == contents(storage())
        assert set(contents(there).values()) == {b'one', b'two'}

    def test_exits_with_1_when_a_copy_fails(self, cli):
        FileFactory(content=b'one')

        result = cli.invoke(args=['files', 'move', '--to', 'file:///dev/null/target', '--json'])

        assert result.exit_code == 1
        assert json.loads(result.stdout) == {'moved': 0, 'there': 0, 'failed': 1}

    @pytest.mark.parametrize('to', ['', 'folder', 'ftp://host/folder'])
    def test_rejects_an_invalid_storage_url(self, cli, to):
        result = cli.invoke(args=['files', 'move', '--to', to])

        assert result.exit_code == 1
        assert '--to must be' in result.output + str(result.exception)

    def test_copies_missing_objects_from_the_old_storage(self, run, app, monkeypatch, tmp_path):
        FileFactory(content=b'before')
        old, url = storage(), f'file://{tmp_path}/new'
        new = storage_from_url(app, url)
        monkeypatch.setitem(app.extensions, 'storage', FallbackStorage(new, old))
        monkeypatch.setitem(app.config, 'STORAGE_URL', url)
        FileFactory(content=b'since')

        moved = json.loads(run('move', '--to', url, '--json'))

        assert moved == {'moved': 1, 'there': 0, 'failed': 0}
        assert len(list(new.iterate_names())) == 2


@pytest.fixture
def rejection(cli):
    """Return a function that runs a failing `flask files` command.

    It returns the only line on stderr.
    """

    def run(*arguments):
        result = cli.invoke(args=['files', *arguments])
        assert result.exit_code != 0
        assert result.stdout == ''
        [line] = result.stderr.splitlines()
        return line

    return run


@pytest.fixture
def source(tmp_path):
    """A file on the operator's disk, which a command can publish."""
    source = tmp_path / 'terms.txt'
    source.write_bytes(b'For everybody.')
    return source


class TestFilesList:
    def test_shows_the_files_of_a_user_as_a_table(self, run):
        ada = UserFactory()
        FileFactory(owner=ada, name='old.txt', tags=['red', 'blue'])
        FileFactory(owner=ada, name='new.txt')
        FileFactory(name='another’s.txt')

        heading, *rows = [
            line for line in run('list', ada.username).splitlines() if '──' not in line
        ]

        assert heading.split() == ['id', 'name', 'size', 'type', 'tags', 'created_at', 'trashed_at']
        assert ['new.txt' in rows[0], 'old.txt' in rows[1], len(rows)] == [True, True, 2]
        assert 'blue red' in rows[1]

    def test_accepts_an_email_address(self, run):
        ada = UserFactory()
        file = FileFactory(owner=ada)

        assert str(file.id) in run('list', ada.email)

    def test_shows_the_files_as_json(self, run):
        ada = UserFactory()
        file = FileFactory(owner=ada, name='a.txt', tags=['red'])

        [row] = json.loads(run('list', ada.username, '--json'))

        assert row == {
            'id': str(file.id),
            'name': 'a.txt',
            'size': file.size,
            'type': 'text/plain',
            'tags': ['red'],
            'created_at': row['created_at'],
            'trashed_at': None,
        }
        assert row['created_at'].endswith('Z')

    def test_shows_the_files_in_the_trash_with_trashed(self, run):
        ada = UserFactory()
        FileFactory(owner=ada)
        trashed = FileFactory(owner=ada, trashed=True)

        [row] = json.loads(run('list', ada.username, '--trashed', '--json'))

        assert row['id'] == str(trashed.id)

    def test_shows_at_most_limit_files(self, run):
        ada = UserFactory()
        FileFactory.create_batch(3, owner=ada)

        assert len(json.loads(run('list', ada.username, '--limit', '2', '--json'))) == 2

    def test_replaces_line_separators_in_names(self, run):
        ada = UserFactory()
        FileFactory(owner=ada, name='a\u2028b')

        assert 'a\N{REPLACEMENT CHARACTER}b' in run('list', ada.username)

    def test_rejects_an_unknown_user(self, rejection):
        assert rejection('list', 'nobody') == 'Error: user: No such user'


class TestFilesStats:
    def test_counts_files_and_bytes_by_type(self, run):
        FileFactory(content=b'12345')
        FileFactory(content=b'123', trashed=True)

        assert json.loads(run('stats', '--json')) == [
            {'type': 'text/plain', 'files': 2, 'bytes': 8}
        ]
        assert run('stats').split()[-3:] == ['text/plain', '2', '8']

    def test_shows_an_empty_list_without_files(self, run):
        assert json.loads(run('stats', '--json')) == []

    def test_counts_stored_objects_by_kind(self, run):
        FileFactory(content=b'12345')
        FileFactory(content=b'12345')
        path_of(b'orphan').parent.mkdir(parents=True)
        path_of(b'orphan').write_bytes(b'orphan')
        run('sweep')

        counted = json.loads(run('stats', '--storage', '--json'))

        assert {row['kind']: (row['objects'], row['bytes']) for row in counted} == {
            'avatars': (0, 0), 'blobs': (1, 5), 'exports': (0, 0), 'thumbnails': (0, 0),
            'examined': (2, None), 'collected': (1, 6),
        }  # fmt: skip


class TestFilesPublish:
    def test_publishes_a_file_under_its_name(self, run, client, source):
        assert run('publish', str(source)) == 'Published terms.txt.\n'

        response = client.get('/api/v1/files/public/terms.txt', buffered=True)
        assert response.data == b'For everybody.'

    def test_publishes_a_file_under_another_name(self, run, client, source):
        run('publish', str(source), '--name', '2026/terms.txt')

        response = client.get('/api/v1/files/public/2026/terms.txt', buffered=True)
        assert response.data == b'For everybody.'

    def test_rejects_a_taken_name(self, run, rejection, source):
        run('publish', str(source))

        assert rejection('publish', str(source)) == 'Error: name: Already published'

    @pytest.mark.parametrize('name', ['../terms.txt', '.terms.txt', '/terms.txt', '.'])
    def test_rejects_a_hidden_name_or_one_outside_of_the_folder(self, rejection, source, name):
        line = rejection('publish', str(source), '--name', name)

        assert line == 'Error: name: Must be a path of visible names inside the published folder'

    def test_shows_one_line_when_the_folder_is_not_writable(
        self, app, rejection, source, monkeypatch
    ):
        monkeypatch.setitem(app.config, 'FILES_PUBLIC_FOLDER', str(source / 'public'))

        line = rejection('publish', str(source))

        assert line == f'Error: {source}: File exists'

    def test_rejects_a_missing_source_file(self, cli, tmp_path):
        result = cli.invoke(args=['files', 'publish', str(tmp_path / 'nothing')])

        assert result.exit_code != 0


class TestFilesUnpublish:
    def test_deletes_the_published_file(self, run, client, source):
        run('publish', str(source))

        assert run('unpublish', 'terms.txt') == 'Unpublished terms.txt.\n'

        assert client.get('/api/v1/files/public/terms.txt').status_code == 404

    def test_changes_nothing_in_a_dry_run(self, run, source):
        run('publish', str(source))

        output = run('unpublish', 'terms.txt', '--dry-run')

        assert output == 'Would unpublish terms.txt.\n'
        assert (service.published_folder() / 'terms.txt').exists()

    @pytest.mark.parametrize('options', [(), ('--dry-run',)])
    def test_rejects_an_unpublished_name(self, rejection, options):
        line = rejection('unpublish', 'nothing.txt', *options)

        assert line == 'Error: file: No file is published under this name'


class TestFilesSweep:
    def test_shows_the_number_of_deleted_items(self, run, kept):
        FileFactory(expired=True)
        FileFactory(expired=True)

        removed = {'trash': 2, 'links': 0, 'bytes': 2, 'incoming': 0, 'unknown': 0}
        assert json.loads(run('sweep', '--json')) == removed
        assert kept() == []

    def test_changes_nothing_in_a_dry_run(self, run, kept):
        FileFactory(expired=True)

        counted = json.loads(run('sweep', '--dry-run', '--json'))

        assert counted == {'trash': 1, 'links': 0, 'bytes': 0, 'incoming': 0, 'unknown': 0}
        assert len(kept()) == 1

    def test_shows_zeros_without_garbage(self, run):
        assert run('sweep').split()[-5:] == ['0'] * 5

    def test_shows_unknown_names_on_stderr(self, cli):
        place = storage().root / 'blobs' / 'lost+found'
        place.mkdir(parents=True)

        result = cli.invoke(args=['files', 'sweep', '--json'])

        assert (result.exit_code, json.loads(result.stdout)['unknown']) == (0, 1)
        assert 'Unknown name, not deleted: blobs/lost+found' in result.stderr
        assert place.is_dir()

    def test_keeps_all_bytes_during_a_pause(self, run, rejection, kept):
        FileFactory(expired=True)
        run('pause-collection', '60')

        assert rejection('sweep').startswith('Error: Paused until ')
        collect_released_objects()
        collect_garbage_nightly()
        assert len(kept()) == 1

        run('pause-collection', '0')
        run('sweep')
        assert kept() == []

    def test_stops_at_the_end_of_its_budget(self, run, kept):
        FileFactory.create_batch(2, expired=True)

        assert json.loads(run('sweep', '--budget', '0', '--json'))['trash'] == 1


class TestFilesQuota:
    def test_sets_the_quota_of_a_user(self, cli, ada):
        assert cli.invoke(args=['files', 'quota', ada.username, '5GB']).exit_code == 0
        assert service.get_usage(ada.id)['quota'] == 5_000_000_000

        shown = cli.invoke(args=['files', 'quota', ada.username, '512KiB', '--json'])
        assert '"quota":524288' in shown.stdout

    def test_restores_the_default_quota(self, app, cli, ada):
        cli.invoke(args=['files', 'quota', ada.username, '5GB'])

        assert cli.invoke(args=['files', 'quota', ada.username, '--default']).exit_code == 0

        assert service.get_usage(ada.id)['quota'] == app.config['FILES_QUOTA']

    @pytest.mark.parametrize('size', ['much', '-5GB', '5 GB', '5XB', '', '٥GB'])
    def test_rejects_an_invalid_size(self, cli, ada, size):
        rejected = cli.invoke(args=['files', 'quota', ada.username, size])

        assert rejected.exit_code == 2

    def test_rejects_an_unknown_user(self, cli):
        rejected = cli.invoke(args=['files', 'quota', 'nobody', '5GB'])

        assert (rejected.exit_code, rejected.stderr) == (1, 'Error: user: No such user\n')


class TestFilesUnlockLink:
    def test_resets_the_counter_of_wrong_passwords(self, run):
        ada = UserFactory()
        link = service.create_link(principal_of(ada), FileFactory(owner=ada).id, password='A' * 12)
        for _ in range(10):
            with pytest.raises(LinkPasswordWrong):
                service.resolve_link(link['token'], 'wrong')

        outputs = [run('unlock-link', str(link['id'])) for _ in range(2)]

        assert outputs == ['Reset link.\n', 'No attempts were counted.\n']
        assert service.resolve_link(link['token'], 'A' * 12)

    def test_rejects_an_unknown_link(self, rejection):
        assert rejection('unlock-link', str(uuid4())) == 'Error: link: No such link'


class TestFilesFsck:
    def test_shows_no_faults_in_intact_files(self, cli, ada):
        store(ada.id)

        result = cli.invoke(args=['files', 'fsck', '--json'])

        assert (result.exit_code, json.loads(result.stdout)) == (0, [])

    def test_shows_a_fault_and_exits_with_1(self, app, cli, ada):
        app.extensions['identify_storage']()
        store(ada.id, b'lost')
        path_of(b'lost').unlink()

        result = cli.invoke(args=['files', 'fsck', '--json'])

        assert result.exit_code == 1
        [fault] = json.loads(result.stdout)
        assert fault == {'kind': 'missing', 'name': hash_of(b'lost'), 'repaired': False}

    def test_shows_one_fault_for_an_unknown_storage(self, cli, ada):
        store(ada.id, b'lost')
        path_of(b'lost').unlink()

        result = cli.invoke(args=['files', 'fsck', '--repair', '--json'])

        assert result.exit_code == 1
        assert [fault['kind'] for fault in json.loads(result.stdout)] == ['storage']

    def test_exits_with_0_when_all_faults_are_repaired(self, cli, ada):
        store(ada.id)
        with atomic():
            db.session.execute(update(Usage).values(used=99))

        assert cli.invoke(args=['files', 'fsck']).exit_code == 1
        assert cli.invoke(args=['files', 'fsck', '--repair']).exit_code == 0
        assert cli.invoke(args=['files', 'fsck']).exit_code == 0


@pytest.mark.usefixtures('scanner')
class TestFilesScan:
    def test_scans_unscanned_versions_only(self, cli: Any, ada: Any) -> None:
        store(ada.id, b'Clean.')
        store(ada.id, EICAR)

        done = cli.invoke(args=['files', 'scan', '--json'])

        assert done.exit_code == 0
        assert json.loads(done.stdout) == {
            'clean': 1, 'infected': 1, 'unscannable': 0, 'failed': 0,
        }  # fmt: skip
        again = cli.invoke(args=['files', 'scan', '--json'])
        assert not any(json.loads(again.stdout).values())

    def test_scans_all_versions_with_again(self, cli: Any, ada: Any) -> None:
        file = store(ada.id, EICAR)
        # As if the scanner had not recognized this malware at the first scan.
        with atomic():
            db.session.execute(update(Version).values(scan='clean'))

        done = cli.invoke(args=['files', 'scan', '--again'])

        assert done.exit_code == 0
        assert state_of(file) == 'infected'

    def test_exits_with_1_when_the_scanner_fails(self, cli: Any, ada: Any, down: None) -> None:
        store(ada.id)

        done = cli.invoke(args=['files', 'scan', '--json'])

        assert done.exit_code == 1
        assert json.loads(done.stdout)['failed'] == 1

    def test_rejects_the_command_without_a_scanner(self, app: Any, cli: Any) -> None:
        app.config['FILES_SCANNER'] = ''

        assert cli.invoke(args=['files', 'scan']).exit_code == 2


class TestFeatureAdd:
    def test_requires_a_package_of_commands(self, cli):
        result = cli.invoke(args=['feature', 'add', 'files', '--model', 'ZzBill'])

        assert result.exit_code == 2
        reason = 'project/files/cli.py is a module: make it the package project/files/cli'
        assert reason in result.stderr.splitlines()[-1]
