"""The scenario for the client that `flask api client python` writes: the package `client`."""

import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zipfile import ZipFile

from client import AuthenticatedClient, Client
from client.api.auth import (
    account_create,
    session_create,
    verification_replace,
)
from client.api.files import (
    archive_create,
    file_content,
    file_patch,
    files_get,
    files_post,
    link_create,
    shared_content,
)
from client.models import (
    AccountCreateRequest,
    ArchiveRequest,
    Fail,
    FileCreateForm,
    FilePatchRequest,
    FilesGetSort,
    LinkCreateRequest,
    SessionCreateRequest,
    VerificationReplaceRequest,
)
from client.types import File, Response

# URLs of these features.
requires = ('auth', 'files')

CONTENT = b'Note A to the analytical engine'
PASSWORD = 'Analytical engine, 1843'


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
            refusal = session_create.sync(
                client=anonymous,
                body=SessionCreateRequest(user_or_email=name, password='wrong password'),
            )
            assert isinstance(refusal, Fail)
            assert refusal.data['credentials']
            done('refusal')


def register(client: Client, name: str) -> str:
    email = f'{name}@example.com'
    account = AccountCreateRequest(username=name, email=email, password=PASSWORD)
    assert account_create.sync_detailed(client=client, body=account).status_code == 202
    done('register')
    print('pin', email, flush=True)
    verification = VerificationReplaceRequest(email=email, pin=input(), password=PASSWORD)
    user = verification_replace.sync(client=client, body=verification)
    assert user.data.username == name
    done('verify')
    login = SessionCreateRequest(user_or_email=email, password=PASSWORD)
    session = session_create.sync(client=client, body=login).data
    assert session.expires_at > datetime.now(UTC) + timedelta(minutes=1)
    done('log in')
    return session.token


def upload(client: AuthenticatedClient, name: str):
    form = FileCreateForm(file=File(payload=BytesIO(CONTENT), file_name=name), tags='notes')
    found = files_post.sync(client=client, body=form).data
    assert (found.name, found.size, found.tags) == (name, len(CONTENT), ['notes'])
    return found


def read(client: AuthenticatedClient, files) -> None:
    first = files_get.sync(client=client, limit=2, sort=FilesGetSort.NAME).data
    second = files_get.sync(client=client, limit=2, sort=FilesGetSort.NAME, cursor=first.next_).data
    assert second.next_ is None
    assert [file.id for file in (*first.items, *second.items)] == [file.id for file in files]
    done('pages')
    part = file_content.sync_detailed(files[0].id, client=client, range_='bytes=0-3')
    assert part.status_code == 206
    assert part.parsed.payload.read() == CONTENT[:4]
    done('range')


def change(client: AuthenticatedClient, file) -> None:
    etag = file_patch.sync_detailed(
        file.id, client=client, body=FilePatchRequest(tags=['notes', 'a'])
    ).headers['ETag']
    changed: Response = file_patch.sync_detailed(
        file.id, client=client, body=FilePatchRequest(name='renamed.txt'), if_match=etag
    )
    assert changed.status_code == 200
    assert changed.parsed.data.name == 'renamed.txt'
    done('change')
    failed = file_patch.sync_detailed(
        file.id, client=client, body=FilePatchRequest(name='again.txt'), if_match=etag
    )
    assert failed.status_code == 412
    assert isinstance(failed.parsed, Fail)
    done('conflict')


def archive(client: AuthenticatedClient, files) -> None:
    found = archive_create.sync(client=client, body=ArchiveRequest(ids=[file.id for file in files]))
    with ZipFile(found.payload) as entries:
        assert len(entries.namelist()) == len(files)
        assert entries.read('renamed.txt') == CONTENT
    done('archive')


def share(client: AuthenticatedClient, anonymous: Client, file) -> None:
    body = LinkCreateRequest(max_downloads=1, password='Menabrea')
    link = link_create.sync(file.id, client=client, body=body).data
    content = shared_content.sync(link.token, client=anonymous, x_link_password='Menabrea')
    assert content.payload.read() == CONTENT
    done('share')


def done(step: str) -> None:
    print(step, flush=True)


main(*sys.argv[1:])
