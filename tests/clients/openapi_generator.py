"""The scenario for the client that openapi-generator writes: the package `openapi_client`."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zipfile import ZipFile

from dialog import CONTENT, PASSWORD, done, mailed_pin
from openapi_client import (
    AccountCreateRequest,
    ApiClient,
    ApiException,
    ArchiveRequest,
    AuthApi,
    Configuration,
    Fail,
    FilePatchRequest,
    FilesApi,
    LinkCreateRequest,
    SessionCreateRequest,
    VerificationReplaceRequest,
)
from openapi_client.exceptions import UnauthorizedException

# URLs of these features.
requires = ('auth', 'files')


def main(url: str, name: str) -> None:
    """Run all steps; print each."""
    with ApiClient(Configuration(host=url)) as anonymous:
        token = register(AuthApi(anonymous), name)
        with ApiClient(Configuration(host=url, access_token=token)) as client:
            api = FilesApi(client)
            files = [upload(api, f'{name}-{number}.txt') for number in range(3)]
            done('upload')
            read(api, files)
            change(api, files[0])
            archive(api, files)
            share(api, FilesApi(anonymous), files[0])
            log_in_wrongly(AuthApi(anonymous), name)


def register(api: AuthApi, name: str) -> str:
    email = f'{name}@example.com'
    account = AccountCreateRequest(username=name, email=email, password=PASSWORD)
    assert api.create_account_with_http_info(account).status_code == 202
    done('register')
    body = VerificationReplaceRequest(email=email, pin=mailed_pin(email), password=PASSWORD)
    assert api.verify_account(body).data.username == name
    done('verify')
    session = api.create_session(SessionCreateRequest(user_or_email=email, password=PASSWORD)).data
    assert session.expires_at > datetime.now(UTC) + timedelta(minutes=1)
    done('log in')
    return session.token


def upload(api: FilesApi, name: str):
    found = api.create_file(file=(name, CONTENT), tags='notes').data
    assert (found.name, found.size, found.tags) == (name, len(CONTENT), ['notes'])
    return found


def read(api: FilesApi, files) -> None:
    first = api.list_files(limit=2, sort='name').data
    second = api.list_files(limit=2, sort='name', cursor=first.next).data
    assert second.next is None
    assert [file.id for file in (*first.items, *second.items)] == [file.id for file in files]
    done('pages')
    part = api.download_file_with_http_info(files[0].id, range='bytes=0-3')
    assert part.status_code == 206
    assert part.data == CONTENT[:4]
    done('range')


def change(api: FilesApi, file) -> None:
    tagged = api.update_file_with_http_info(file.id, FilePatchRequest(tags=['notes', 'a']))
    etag = tagged.headers['ETag']
    changed = api.update_file(file.id, FilePatchRequest(name='renamed.txt'), if_match=etag)
    assert changed.data.name == 'renamed.txt'
    done('change')
    failure = failure_of(
        api.update_file, file.id, FilePatchRequest(name='again.txt'), if_match=etag
    )
    assert failure.status == 412
    assert isinstance(failure.data, Fail)
    done('conflict')


def archive(api: FilesApi, files) -> None:
    found = api.create_archive(ArchiveRequest(ids=[file.id for file in files]))
    with ZipFile(BytesIO(found)) as entries:
        assert len(entries.namelist()) == len(files)
        assert entries.read('renamed.txt') == CONTENT
    done('archive')


def share(api: FilesApi, anonymous: FilesApi, file) -> None:
    body = LinkCreateRequest(max_downloads=1, password='Menabrea')
    link = api.create_link(file.id, body).data
    assert anonymous.download_shared_file(link.token, x_link_password='Menabrea') == CONTENT
    done('share')


def log_in_wrongly(api: AuthApi, name: str) -> None:
    body = SessionCreateRequest(user_or_email=name, password='wrong password')
    failure = failure_of(api.create_session, body)
    assert isinstance(failure, UnauthorizedException)
    assert isinstance(failure.data, Fail)
    assert failure.data.data['credentials']
    done('failure')


def failure_of(call: Callable[..., object], *arguments: object, **more: str) -> ApiException:
    """Call a method that must fail; return its exception."""
    try:
        call(*arguments, **more)
    except ApiException as failure:
        return failure
    raise AssertionError('the request succeeded')


main(*sys.argv[1:])
