"""HTTP: each file name of the corpus has the same result in all ways in which it can be sent."""

import io
import zipfile
from base64 import b64encode
from contextlib import suppress
from urllib.parse import quote

import pytest

from project.core.web.responses.file_responses import disposition_of
from project.files.filenames import clean_name
from tests.corpus.names import NAMES
from tests.files.routes.file_requests import URL, fetch
from tests.files.tus_requests import create
from tests.kit.responses import data

FORM_TYPE = 'multipart/form-data; boundary=cut'
ESCAPES = {b'"': b'%22', b'\r': b'%0D', b'\n': b'%0A'}


def form(client, filename, *fields):
    """Upload a file in a form, as a browser does (HTML, section 4.10.21.8)."""
    for char, escape in ESCAPES.items():
        filename = filename.replace(char, escape)
    parts = [b'name="%b"\r\n\r\n%b' % field for field in fields]
    parts.append(b'name="file"; filename="%b"\r\n\r\nx' % filename)
    body = b''.join(b'--cut\r\nContent-Disposition: form-data; %b\r\n' % part for part in parts)
    return client.post(URL, data=body + b'--cut--\r\n', content_type=FORM_TYPE)


def by_field(client, name):
    """Upload a file in a form whose field `name` names it."""
    return form(client, b'other.txt', (b'name', name))


def by_query(client, name):
    """Upload bytes; the query names the file."""
    return client.post(f'{URL}?name={quote(name)}', data=b'x')


def by_tus(client, name):
    """Upload bytes with the tus protocol, and return the metadata of the file."""
    header = f'filename {b64encode(name).decode()}'
    response = create(client, 1, b'x', Upload_Metadata=header)
    file_id = response.headers.get('X-File-Id')
    return client.get(f'{URL}/{file_id}') if file_id else response


def ways_of(name, other):
    """Return the ways in which a name can be sent.

    :param other: the URL of a file that can be renamed.
    """
    ways = [form, by_field, by_query, by_tus]
    # Bytes that are not UTF-8 cannot be in a JSON document.
    with suppress(UnicodeDecodeError):
        text = name.decode()
        ways.append(lambda client, _name: client.patch(other, json={'name': text}))
    return ways


def filtered(client, name):
    """Return the status of the list of the files with a name, and their ids and names."""
    response = client.get(f'{URL}?name={quote(name)}&limit=200')
    items = data(response)['items'] if response.status_code == 200 else []
    return response.status_code, {item['id']: item['name'] for item in items}


class TestNamesOfTheCorpus:
    @pytest.mark.slow('300 requests, 250 of which store a file')
    def test_have_the_same_result_in_all_ways(self, client):
        different = []
        other = f'{URL}/{data(by_query(client, b"other.txt"))["id"]}'
        for case in NAMES:
            sent = case.sent if isinstance(case.sent, bytes) else case.sent.encode()
            responses = [way(client, sent) for way in ways_of(sent, other)]
            status, found = filtered(client, sent)
            if isinstance(case.stored, int):
                results = {response.status_code for response in responses} | {status}
                expected = {case.stored}
            else:
                results = {data(response)['name'] for response in responses} | set(found.values())
                expected = {case.stored}
                assert {data(response)['id'] for response in responses} <= found.keys()
            if results != expected:
                different.append((case.sent, case.stored, results))

        assert different == []

    def test_are_sent_unchanged(self, client):
        ids = {}
        for case in NAMES:
            if isinstance(case.stored, str) and case.stored not in ids:
                ids[case.stored] = data(by_query(client, case.stored.encode()))['id']
        expected = {case.stored: case.ascii or case.stored for case in NAMES}

        archive = client.post(f'{URL}/archives', json={'ids': list(ids.values())}, buffered=True)
        headers = {
            name: fetch(client, f'{URL}/{file_id}/content').headers['Content-Disposition']
            for name, file_id in ids.items()
        }

        with zipfile.ZipFile(io.BytesIO(archive.data)) as opened:
            assert [entry.orig_filename for entry in opened.infolist()] == list(ids)
        for name, header in headers.items():
            assert header == disposition_of(name)
            parameters = [f'attachment; filename="{expected[name]}"']
            if expected[name] != name:
                parameters.append(f"filename*=UTF-8''{quote(name, safe='')}")
            assert header == '; '.join(parameters)

    def test_are_stored_in_a_form_that_does_not_change(self):
        stored = [case.stored for case in NAMES if isinstance(case.stored, str)]

        assert [clean_name(name) for name in stored] == stored

    @pytest.mark.parametrize(
        'filename',
        [
            b'filename="C:\\\\Users\\\\me\\\\a.txt"',
            b'filename=a.txt',
            b"filename*=UTF-8''folder%2Fa.txt",
            b'filename="a\\.txt"; filename="a.txt"',
        ],
    )
    def test_are_read_in_other_forms_of_the_header(self, client, filename):
        head = b'--cut\r\nContent-Disposition: form-data; name="file"; %b\r\n\r\nx' % filename

        response = client.post(URL, data=head + b'\r\n--cut--\r\n', content_type=FORM_TYPE)

        assert data(response)['name'] == 'a.txt'

    def test_keep_an_escaped_quote(self, client):
        head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a\\"b"\r\n\r\nx'

        response = client.post(URL, data=head + b'\r\n--cut--\r\n', content_type=FORM_TYPE)

        assert data(response)['name'] == 'a"b'
