"""The scenario for the client that `flask api client python` writes: the package `client`."""

import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zipfile import ZipFile

from client import AuthenticatedClient, Client
from client.api.auth import (
    create_account,
    create_session,
    verify_account,
)
from client.api.files import (
    create_archive,
    create_file,
    create_link,
    download_file,
    download_shared_file,
    list_files,
    update_file,
)
from client.models import (
    AccountCreateRequest,
    ArchiveRequest,
    Fail,
    FileCreateForm,
    FilePatchRequest,
    LinkCreateRequest,
    ListFilesSort,
    SessionCreateRequest,
    VerificationReplaceRequest,
)
from client.types import File, Response
from dialog import CONTENT, PASSWORD, done, mailed_pin

# URLs of these features.
requires = ('auth', 'files')


def main(url: str, name: str) -> None:
    """Run all steps; print each."""
    with Client(base_url=url) as anonymous:
        token = register(anonymous, name)
        with AuthenticatedClient(base_url=url, token=token) as client:
            files = [upload(client, f'{name}-{number}.txt') for number in range(3)]
            done('upload')
            read(client, files)
            change(client, files[0])
            archive(client, files)
            share(client, anonymous, files[0])
            failure = create_session.sync(
                client=anonymous,
                body=SessionCreateRequest(user_or_email=name, password='wrong password'),
            )
            assert isinstance(failure, Fail)
            assert failure.data['credentials']
            done('failure')


def register(client: Client, name: str) -> str:
    email = f'{name}@example.com'
    account = AccountCreateRequest(username=name, email=email, password=PASSWORD)
    assert create_account.sync_detailed(client=client, body=account).status_code == 202
    done('register')
    verification = VerificationReplaceRequest(email=email, pin=mailed_pin(email), password=PASSWORD)
    user = verify_account.sync(client=client, body=verification)
    assert user.data.username == name
    done('verify')
    login = SessionCreateRequest(user_or_email=email, password=PASSWORD)
    session = create_session.sync(client=client, body=login).data
    assert session.expires_at > datetime.now(UTC) + timedelta(minutes=1)
    done('log in')
    return session.token


def upload(client: AuthenticatedClient, name: str):
    form = FileCreateForm(file=File(payload=BytesIO(CONTENT), file_name=name), tags='notes')
    found = create_file.sync(client=client, body=form).data
    assert (found.name, found.size, found.tags) == (name, len(CONTENT), ['notes'])
    return found


def read(client: AuthenticatedClient, files) -> None:
    first = list_files.sync(client=client, limit=2, sort=ListFilesSort.NAME).data
    second = list_files.sync(
        client=client, limit=2, sort=ListFilesSort.NAME, cursor=first.next_
    ).data
    assert second.next_ is None
    assert [file.id for file in (*first.items, *second.items)] == [file.id for file in files]
    done('pages')
    part = download_file.sync_detailed(files[0].id, client=client, range_='bytes=0-3')
    assert part.status_code == 206
    assert part.parsed.payload.read() == CONTENT[:4]
    done('range')


def change(client: AuthenticatedClient, file) -> None:
    etag = update_file.sync_detailed(
        file.id, client=client, body=FilePatchRequest(tags=['notes', 'a'])
    ).headers['ETag']
    changed: Response = update_file.sync_detailed(
        file.id, client=client, body=FilePatchRequest(name='renamed.txt'), if_match=etag
    )
    assert changed.status_code == 200
    assert changed.parsed.data.name == 'renamed.txt'
    done('change')
    failed = update_file.sync_detailed(
        file.id, client=client, body=FilePatchRequest(name='again.txt'), if_match=etag
    )
    assert failed.status_code == 412
    assert isinstance(failed.parsed, Fail)
    done('conflict')


def archive(client: AuthenticatedClient, files) -> None:
    found = create_archive.sync(client=client, body=ArchiveRequest(ids=[file.id for file in files]))
    with ZipFile(found.payload) as entries:
        assert len(entries.namelist()) == len(files)
        assert entries.read('renamed.txt') == CONTENT
    done('archive')


def share(client: AuthenticatedClient, anonymous: Client, file) -> None:
    body = LinkCreateRequest(max_downloads=1, password='Menabrea')
    link = create_link.sync(file.id, client=client, body=body).data
    content = download_shared_file.sync(link.token, client=anonymous, x_link_password='Menabrea')
    assert content.payload.read() == CONTENT
    done('share')


main(*sys.argv[1:])
