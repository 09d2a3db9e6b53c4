"""HTTP: download and replace the content of a file, list and restore versions."""

import io
from base64 import b64decode
from hashlib import sha256

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.http import parse_options_header
from werkzeug.test import encode_multipart

from tests.files.factories import FileFactory
from tests.files.routes.file_requests import PNG, URL, assert_inert, fetch, multipart, raw
from tests.kit.responses import data, fails_with


@pytest.fixture
def file(ada):
    """A file of Ada."""
    return FileFactory(owner=ada, name='a.txt', content=b'first')


def replace(client, file, content=b'second', **headers):
    """Replace the content of a file; the request body is the new content."""
    return client.put(f'{URL}/{file.id}/content', data=content, headers=headers)


class TestFileContent:
    CONTENT = b'0123456789'
    ETAG = f'"{sha256(CONTENT).hexdigest()}"'

    @pytest.fixture
    def url(self, ada):
        return f'{URL}/{FileFactory(owner=ada, content=self.CONTENT, name="ten.txt").id}/content'

    def test_returns_the_bytes_and_their_headers(self, client, url, queries):
        with queries(max=1):
            response = fetch(client, url)

        assert response.status_code == 200
        assert response.data == self.CONTENT
        assert response.headers['Content-Length'] == '10'
        assert response.headers['Content-Type'].startswith('text/plain')
        assert response.headers['Content-Disposition'] == 'attachment; filename="ten.txt"'
        assert response.headers['ETag'] == self.ETAG
        assert response.headers['Accept-Ranges'] == 'bytes'
        digest = response.headers['Repr-Digest'].removeprefix('sha-256=:').removesuffix(':')
        assert b64decode(digest) == sha256(self.CONTENT).digest()

    def test_returns_the_same_headers_for_head(self, client, url):
        whole, head = fetch(client, url), fetch(client, url, 'HEAD', Range='bytes=2-4')

        assert (head.status_code, head.data) == (200, b'')
        same = ('Content-Length', 'ETag', 'Repr-Digest', 'Content-Disposition', 'Content-Type')
        assert [head.headers[n] for n in same] == [whole.headers[n] for n in same]

    @pytest.mark.parametrize(
        ('wanted', 'part', 'where'),
        [
            ('bytes=0-3', b'0123', '0-3'),
            ('bytes=0-0', b'0', '0-0'),
            ('bytes=4-', b'456789', '4-9'),
            ('bytes=-3', b'789', '7-9'),
            ('bytes=-100', b'0123456789', '0-9'),
            ('bytes=9-100', b'9', '9-9'),
        ],
    )
    def test_returns_a_range(self, client, url, wanted, part, where):
        response = fetch(client, url, Range=wanted)

        assert response.status_code == 206
        assert response.data == part
        assert response.headers['Content-Range'] == f'bytes {where}/10'
        assert response.headers['Content-Length'] == str(len(part))
        assert response.headers['ETag'] == self.ETAG

    @pytest.mark.parametrize(
        'wanted', ['bytes=0-1,4-5', 'lines=0-3', 'bytes=', 'bytes=5-2', 'bytes', 'bytes=a-b']
    )
    def test_ignores_unsupported_ranges(self, client, url, wanted):
        response = fetch(client, url, Range=wanted)

        assert (response.status_code, response.data) == (200, self.CONTENT)

    @pytest.mark.parametrize('wanted', ['bytes=10-', 'bytes=100-200'])
    def test_returns_416_for_a_range_after_the_end(self, client, url, wanted):
        response = fetch(client, url, Range=wanted)

        fails_with(response, 'range', status=416)
        assert response.headers['Content-Range'] == 'bytes */10'

    @pytest.mark.parametrize(
        ('condition', 'status'),
        [(ETAG, 206), ('"other"', 200), (f'W/{ETAG}', 200), ('Mon, 23 Nov 2026 08:00:00 GMT', 200)],
    )
    def test_returns_a_range_only_with_a_matching_if_range(self, client, url, condition, status):
        headers = {'Range': 'bytes=0-3', 'If-Range': condition}

        assert fetch(client, url, **headers).status_code == status

    @pytest.mark.parametrize('method', ['GET', 'HEAD'])
    @pytest.mark.parametrize('condition', [ETAG, f'W/{ETAG}', f'"a", {ETAG}', '*'])
    def test_returns_304_for_a_matching_etag(self, client, url, method, condition):
        response = fetch(client, url, method=method, **{'If-None-Match': condition})

        assert (response.status_code, response.data) == (304, b'')
        assert response.headers['ETag'] == self.ETAG

    def test_returns_the_bytes_for_another_etag(self, client, url):
        response = fetch(client, url, **{'If-None-Match': '"other"'})

        assert response.data == self.CONTENT

    def test_returns_404_for_a_file_in_the_trash(self, client, ada):
        file = FileFactory(owner=ada, trashed=True)

        assert fetch(client, f'{URL}/{file.id}/content').status_code == 404

    def test_returns_503_as_json_when_the_bytes_are_missing(self, client, url, kept, var):
        [lost] = kept()
        (var / 'storage' / 'blobs' / lost[:2] / lost[2:4] / lost).unlink()

        response = fetch(client, url)

        assert response.status_code == 503
        assert response.json['status'] == 'error'
        assert str(var) not in response.text

    @pytest.mark.parametrize(
        'headers',
        [
            {},
            {'Range': 'bytes=0-3'},
            {'Range': 'bytes=99-'},
            {'If-None-Match': ETAG},
        ],
    )
    @pytest.mark.parametrize('query', ['', '?inline=true'])
    def test_prevents_browsers_from_executing_the_bytes(self, client, url, headers, query):
        assert_inert(fetch(client, url + query, **headers))

    @pytest.mark.parametrize(
        ('content', 'shown'),
        [
            (PNG, 'inline'),
            (b'plain', 'inline'),
            (b'%PDF-1.7\n', 'attachment'),
            (b'PK\x03\x04' + b'\0' * 32, 'attachment'),
            (b'\0\1\2', 'attachment'),
        ],
    )
    def test_displays_only_safe_types_inline(self, client, ada, content, shown):
        url = f'{URL}/{FileFactory(owner=ada, content=content).id}/content'

        inline, plain = fetch(client, f'{url}?inline=true'), fetch(client, url)

        assert inline.headers['Content-Disposition'].split(';')[0] == shown
        assert plain.headers['Content-Disposition'].split(';')[0] == 'attachment'

    @pytest.mark.parametrize(
        ('content', 'name'),
        [
            (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 'a.svg'),
            (b'<!doctype html><script>alert(1)</script>', 'a.html'),
            (b'<html>' + b' ' * 9000, 'a.htm'),
        ],
    )
    def test_sends_markup_as_plain_text(self, client, content, name):
        uploaded = multipart(client, content, name)

        response = fetch(client, f'{uploaded.headers["Location"]}/content?inline=true')

        assert response.mimetype == 'text/plain'
        assert_inert(response)

    @pytest.mark.parametrize('query', ['inline=perhaps', 'download=1', 'inline=1&inline=0'])
    def test_rejects_an_invalid_query(self, client, url, query):
        assert fetch(client, f'{url}?{query}').status_code == 422

    @pytest.mark.parametrize(
        ('name', 'shown'),
        [
            ('a.txt', 'a.txt'),
            ('a"b\\".txt', '".txt'),
            ('quo"te.txt', 'quo"te.txt'),
            ('semi;colon=1.txt', 'semi;colon=1.txt'),
            ('a\r\nX-Evil: 1.txt', 'aX-Evil: 1.txt'),
            ('gpj.\u202eexe', 'gpj.exe'),
            ('🦄 unicorn.txt', '🦄 unicorn.txt'),
            ('Grüße.txt', 'Grüße.txt'),
            ("%0d%0a'percent'.txt", "%0d%0a'percent'.txt"),
            ('世' * 255, '世' * 255),
            ('x' * 255, 'x' * 255),
            ('<script>.txt', '<script>.txt'),
        ],
    )
    def test_sends_any_name_in_one_valid_header(self, client, name, shown):
        uploaded = raw(client, name=name)
        assert data(uploaded)['name'] == shown

        response = fetch(client, f'{uploaded.headers["Location"]}/content')

        disposition = response.headers['Content-Disposition']
        assert disposition.isascii()
        assert disposition.isprintable()
        assert 'X-Evil' not in response.headers
        kind, options = parse_options_header(disposition)
        assert (kind, options['filename']) == ('attachment', shown)
        # Clients that do not support RFC 8187 read the parameter `filename`. Its value contains no
        # special characters.
        fallback = disposition.split('filename="')[1].split('"')[0]
        assert fallback
        assert not set(fallback) & set('"\\;%/<>:=')


class TestFileContentReplace:
    def test_accepts_a_plain_body(self, client, file):
        response = replace(client, file)

        assert response.status_code == 200
        shown = data(response)
        assert (shown['name'], shown['size'], shown['version']) == ('a.txt', 6, 2)
        got = client.get(f'{URL}/{file.id}/content', buffered=True)
        assert (got.data, got.headers['ETag']) == (b'second', response.headers['ETag'])

    def test_accepts_a_form_and_keeps_the_name(self, client, file):
        boundary, body = encode_multipart({'file': FileStorage(io.BytesIO(b'second'), 'x.txt')})
        response = client.put(
            f'{URL}/{file.id}/content', data=body,
            content_type=f'multipart/form-data; boundary="{boundary}"',
        )  # fmt: skip

        # The file keeps its name; the file name in the form is ignored.
        assert (data(response)['name'], data(response)['size']) == ('a.txt', 6)

    def test_compares_if_match_with_the_etag_of_the_content(self, client, file):
        etag = client.get(f'{URL}/{file.id}/content', buffered=True).headers['ETag']
        # A change of the name is not a change of the content.
        client.patch(f'{URL}/{file.id}', json={'name': 'b.txt'})
        assert replace(client, file, **{'If-Match': etag}).status_code == 200

        rejected = replace(client, file, b'third', **{'If-Match': etag})

        fails_with(rejected, 'etag', status=412)
        assert client.get(f'{URL}/{file.id}/content', buffered=True).data == b'second'

    @pytest.mark.parametrize('is_form', [True, False])
    def test_compares_if_match_before_it_reads_the_content(self, client, file, is_form):
        """The body is incomplete: reading it to its end would return 400."""
        boundary, form = encode_multipart({'file': FileStorage(io.BytesIO(b'second'), 'x.txt')})
        body = form[: form.index(b'second') + 3] if is_form else b'sec'
        kind = f'multipart/form-data; boundary="{boundary}"' if is_form else 'text/plain'

        rejected = client.put(
            f'{URL}/{file.id}/content', input_stream=io.BytesIO(body), content_type=kind,
            headers={'If-Match': '"other"', 'Content-Length': f'{len(form)}'},
        )  # fmt: skip

        fails_with(rejected, 'etag', status=412)

    def test_rejects_a_part_of_the_content(self, client, file):
        response = replace(client, file, **{'Content-Range': 'bytes 0-5/10'})

        fails_with(response, 'request', status=400)
        assert data(client.get(f'{URL}/{file.id}'))['version'] == 1

    def test_returns_404_for_other_users_and_for_trash(self, as_user, file, client):
        other = replace(as_user(), file)
        client.delete(f'{URL}/{file.id}')
        trashed = replace(client, file)

        for response in (other, trashed):
            fails_with(response, 'file', status=404)

    @pytest.mark.parametrize(
        ('setting', 'key'), [('FILES_MAX_SIZE', 'size'), ('FILES_QUOTA', 'quota')]
    )
    def test_rejects_content_that_exceeds_a_limit(
        self, app, client, file, monkeypatch, setting, key
    ):
        monkeypatch.setitem(app.config, setting, 8)

        response = replace(client, file, b'123456789')

        fails_with(response, key, status=413)
        assert data(client.get(f'{URL}/usage'))['reserved'] == 0


class TestVersionList:
    def test_lists_the_newest_version_first(self, client, file):
        replace(client, file)

        items = data(client.get(f'{URL}/{file.id}/versions'))['items']

        assert [(item['number'], item['size']) for item in items] == [(2, 6), (1, 5)]
        assert set(items[0]) == {
            'number', 'size', 'type', 'declared_type', 'sha256', 'scan', 'created_at',
        }  # fmt: skip

    def test_returns_pages(self, client, file):
        replace(client, file)
        first = data(client.get(f'{URL}/{file.id}/versions?limit=1'))

        second = client.get(f'{URL}/{file.id}/versions?limit=1&cursor={first["next"]}')

        assert [item['number'] for item in data(second)['items']] == [1]


class TestVersionContent:
    def test_returns_the_bytes_of_the_version(self, client, file):
        replace(client, file)

        response = client.get(f'{URL}/{file.id}/versions/1/content', buffered=True)

        assert response.data == b'first'
        assert response.headers['ETag'] == f'"{file.sha256}"'
        assert 'filename="a.txt"' in response.headers['Content-Disposition']
        assert 'sandbox' in response.headers['Content-Security-Policy']

    def test_returns_a_range(self, client, file):
        response = client.get(
            f'{URL}/{file.id}/versions/1/content', headers={'Range': 'bytes=1-2'}, buffered=True
        )

        assert (response.status_code, response.data) == (206, b'ir')

    @pytest.mark.parametrize('number', [0, 2, 2**31, 10**30])
    def test_returns_404_for_an_unknown_version(self, client, file, number):
        response = client.get(f'{URL}/{file.id}/versions/{number}/content')

        assert response.status_code == 404


class TestVersionRestore:
    def test_adds_one_version_for_a_repeated_request(self, client, file):
        path = f'{URL}/{file.id}/versions'
        before = len(data(client.get(path))['items'])

        first, second = (
            client.post(f'{path}/1/restore', headers={'Idempotency-Key': 'one'}) for _ in range(2)
        )

        assert data(second) == data(first)
        assert len(data(client.get(path))['items']) == before + 1

    def test_restores_the_bytes_of_the_version(self, client, file):
        replace(client, file)

        response = client.post(f'{URL}/{file.id}/versions/1/restore')

        assert data(response)['sha256'] == file.sha256
        got = client.get(f'{URL}/{file.id}/content', buffered=True)
        assert got.data == b'first'

    def test_returns_404_for_other_users(self, as_user, file):
        response = as_user().post(f'{URL}/{file.id}/versions/1/restore')

        fails_with(response, 'file', status=404)
