"""Responses that send stored objects, whole and in ranges (RFC 9110)."""

from email import message_from_bytes

import pytest
from flask import request

from project.core.errors import RangeNotSatisfiable
from project.core.storage.local import LocalFile
from project.core.web.responses.file_responses import (
    REDIRECT,
    X_ACCEL,
    disposition_of,
    send_stored_object,
)
from project.core.web.responses.ranges import READ_CHUNK_BYTES
from tests.kit.responses import fails_with

TEN = b'0123456789'
ETAG = 'abc'


@pytest.fixture
def opened():
    """Return the list of files that downloads open, to check that they are closed."""
    return []


@pytest.fixture
def download(serve, tmp_path, opened):
    """Return a function that requests `content` with the given headers."""

    def get(headers=None, content=TEN, method='GET', **options):
        path = tmp_path / 'content'
        path.write_bytes(content)

        def show():
            file = LocalFile(path, 'content')
            opened.append(file)
            return send_stored_object(file, etag=ETAG, mimetype='text/plain', **options)

        client = serve(show, errors=[RangeNotSatisfiable], methods=('GET', 'POST'))
        response = client.open('/probe', method=method, headers=headers)
        response.data  # noqa: B018
        response.close()
        return response

    return get


class TestSendStoredObject:
    def test_sends_the_whole_content(self, download):
        response = download()

        assert response.status_code == 200
        assert response.data == TEN
        assert response.headers['Content-Length'] == '10'
        assert response.headers['ETag'] == '"abc"'
        assert response.headers['Accept-Ranges'] == 'bytes'
        assert response.mimetype == 'text/plain'
        assert 'Content-Range' not in response.headers

    @pytest.mark.parametrize(
        ('requested', 'data', 'sent'),
        [
            ('bytes=0-0', b'0', '0-0'),
            ('bytes=0-4', b'01234', '0-4'),
            ('bytes=4-4', b'4', '4-4'),
            ('bytes=9-9', b'9', '9-9'),
            ('bytes=5-', b'56789', '5-9'),
            ('bytes=0-', TEN, '0-9'),
            ('bytes=9-', b'9', '9-9'),
            ('bytes=-1', b'9', '9-9'),
            ('bytes=-4', b'6789', '6-9'),
            ('bytes=-10', TEN, '0-9'),
            ('bytes=-11', TEN, '0-9'),
            ('bytes=-99999999999999999999', TEN, '0-9'),
            ('bytes=5-99999999999999999999', b'56789', '5-9'),
            ('Bytes=1-2', b'12', '1-2'),
        ],
    )
    def test_sends_a_range(self, download, requested, data, sent):
        response = download({'Range': requested})

        assert response.status_code == 206
        assert response.data == data
        assert response.headers['Content-Range'] == f'bytes {sent}/10'
        assert response.headers['Content-Length'] == str(len(data))

    @pytest.mark.parametrize(
        'requested',
        [
            'bytes=10-', 'bytes=10-20', 'bytes=99999999999999999999-',
            'bytes=-0', 'bytes=-00', 'Bytes = -0 ',
        ],
    )  # fmt: skip
    def test_returns_416_for_a_range_after_the_end(self, download, opened, requested):
        response = download({'Range': requested})

        fails_with(response, 'range', status=416, reason='The range is outside the content')
        assert response.headers['Content-Range'] == 'bytes */10'
        assert opened[0].closed

    @pytest.mark.parametrize(
        'requested',
        [
            'bytes=0-1,3-4', 'bytes=0-0,-1', 'lines=1-2', 'bytes=2-1', 'bytes=', 'bytes=-', 'bytes',
            'garbage', 'bytes=a-b', 'bytes=0-1-2', '', 'bytes=--1', 'bytes=²-5',
        ],
    )  # fmt: skip
    def test_ignores_small_and_malformed_ranges(self, download, requested):
        response = download({'Range': requested})

        assert response.status_code == 200
        assert response.data == TEN

    def test_sends_several_ranges_as_parts_with_headers(self, download, opened):
        content = bytes(range(256)) * 10

        response = download({'Range': 'bytes=0-4,100-299,-2'}, content=content)

        assert response.status_code == 206
        assert 'Content-Range' not in response.headers
        assert int(response.headers['Content-Length']) == len(response.data)
        head = f'Content-Type: {response.headers["Content-Type"]}\r\n\r\n'.encode()
        message = message_from_bytes(head + response.data)
        parts = [
            (part['Content-Range'], part.get_content_type(), part.get_payload(decode=True))
            for part in message.get_payload()
        ]
        assert message.get_content_type() == 'multipart/byteranges'
        # The email parser changes line ends in text parts, so the test compares the raw bytes
        # below.
        assert [part[:2] for part in parts] == [
            ('bytes 0-4/2560', 'text/plain'), ('bytes 100-299/2560', 'text/plain'),
            ('bytes 2558-2559/2560', 'text/plain'),
        ]  # fmt: skip
        for piece in (content[:5], content[100:300], content[-2:]):
            assert b'\r\n\r\n' + piece + b'\r\n--' in response.data
        assert opened[0].closed

    def test_omits_ranges_after_the_end(self, download):
        content = b'x' * 1000

        one = download({'Range': 'bytes=0-1,2000-3000'}, content=content)
        none = download({'Range': 'bytes=1000-1001,2000-3000'}, content=content)

        assert (one.status_code, one.headers['Content-Range']) == (206, 'bytes 0-1/1000')
        assert one.data == b'xx'
        assert none.status_code == 416

    @pytest.mark.parametrize('count', [17, 500, 1500])
    def test_sends_the_whole_content_instead_of_many_ranges(self, download, count):
        """In other servers, merging many tiny ranges used up the CPU (CVE-2025-62727)."""
        content = b'x' * 100_000
        requested = ','.join(f'{2 * n}-{2 * n}' for n in range(count))

        response = download({'Range': f'bytes={requested}'}, content=content)

        assert (response.status_code, response.data) == (200, content)

    def test_sends_the_whole_content_when_the_ranges_with_headers_are_larger(self, download):
        content = b'x' * 1000

        response = download({'Range': 'bytes=0-400,401-900,901-'}, content=content)

        assert (response.status_code, response.data) == (200, content)

    @pytest.mark.parametrize(
        ('condition', 'code'),
        [
            ('"abc"', 206),
            ('"other"', 200),
            ('W/"abc"', 200),
            ('Mon, 23 Nov 2026 12:00:00 GMT', 200),
            ('abc', 200),
        ],
    )
    def test_resumes_a_download_only_if_the_content_is_the_same(self, download, condition, code):
        response = download({'Range': 'bytes=5-', 'If-Range': condition})

        assert response.status_code == code
        assert response.data == (TEN[5:] if code == 206 else TEN)

    @pytest.mark.parametrize('condition', ['"other"', 'W/"abc"', 'abc'])
    def test_returns_412_when_the_client_requires_another_content(
        self, download, opened, condition
    ):
        response = download({'If-Match': condition, 'Range': 'bytes=5-'})

        fails_with(response, 'etag', status=412)
        assert opened[0].closed

    def test_sends_no_date_of_stored_objects(self, download):
        response = download({'If-Modified-Since': 'Mon, 23 Nov 2099 08:00:00 GMT'})

        assert response.status_code == 200
        assert 'Last-Modified' not in response.headers

    def test_returns_the_headers_of_the_whole_content_for_head(self, download):
        response = download({'Range': 'bytes=5-'}, method='HEAD')

        assert response.status_code == 200
        assert response.data == b''
        assert response.headers['Content-Length'] == '10'
        assert 'Content-Range' not in response.headers

    def test_ignores_ranges_for_methods_other_than_get(self, download):
        assert download({'Range': 'bytes=5-'}, method='POST').status_code == 200

    @pytest.mark.parametrize('tags', ['"abc"', 'W/"abc"', '*', '"x", "abc"'])
    def test_returns_304_when_the_client_has_the_content(self, download, opened, tags):
        response = download({'If-None-Match': tags, 'Range': 'bytes=0-1'})

        assert response.status_code == 304
        assert response.data == b''
        assert response.headers['ETag'] == '"abc"'
        assert opened[0].closed

    def test_sends_an_empty_file(self, download):
        response = download(content=b'')

        assert (response.status_code, response.data) == (200, b'')
        assert response.headers['Content-Length'] == '0'

    @pytest.mark.parametrize('requested', ['bytes=0-', 'bytes=0-0', 'bytes=-1', 'bytes=-0'])
    def test_returns_416_for_a_range_of_an_empty_file(self, download, requested):
        response = download({'Range': requested}, content=b'')

        assert response.status_code == 416
        assert response.headers['Content-Range'] == 'bytes */0'

    @pytest.mark.parametrize('headers', [{}, {'Range': 'bytes=5-'}])
    def test_closes_the_file_with_the_response(self, download, opened, headers):
        download(headers)

        assert opened[0].closed

    def test_sends_a_range_larger_than_a_chunk(self, download):
        content = bytes(range(256)) * (READ_CHUNK_BYTES // 256 + 1)

        response = download({'Range': f'bytes=1-{READ_CHUNK_BYTES + 1}'}, content=content)

        assert response.data == content[1 : READ_CHUNK_BYTES + 2]

    def test_passes_the_file_to_the_file_wrapper_of_the_server(self, app, tmp_path):
        (tmp_path / 'content').write_bytes(TEN)
        given = []

        def wrap(file, size):
            given.append((file, size))
            return iter([file.read()])

        headers = {'Range': 'bytes=3-5'}
        with (
            LocalFile(tmp_path / 'content', 'content') as file,
            app.test_request_context(headers=headers),
        ):
            request.environ['wsgi.file_wrapper'] = wrap
            send_stored_object(file, etag=ETAG, mimetype='text/plain')

            [(window, size)] = given
            assert (window.fileno(), file.tell(), window.left, size) == (
                file.fileno(),
                6,
                0,
                READ_CHUNK_BYTES,
            )

    def test_sends_the_sha256_as_repr_digest(self, download):
        response = download(sha256='00' * 31 + 'ff')

        assert response.headers['Repr-Digest'] == (
            'sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8=:'
        )


class TestOffload:
    """Downloads that nginx or the S3 server sends.

    The application only authorizes the request, and responds with a redirect.
    """

    @pytest.mark.parametrize(
        ('requested', 'area'),
        [
            ({}, 'whole'),
            ({'Range': 'bytes=0-4'}, 'ranges'),
            ({'Range': 'bytes=0-4', 'If-Range': '"abc"'}, 'ranges'),
            ({'Range': 'bytes=0-4', 'If-Range': '"other"'}, 'whole'),
            ({'Range': 'bytes=' + ','.join(['0-0'] * 17)}, 'whole'),
            # `deploy/nginx.conf` makes nginx ignore this date.
            ({'If-Modified-Since': 'Mon, 23 Nov 2009 08:00:00 GMT'}, 'whole'),
            ({'If-None-Match': '"other"', 'Range': 'bytes=0-4'}, 'ranges'),
            # For two tiny ranges, the headers of the multipart response are larger than the file.
            ({'Range': 'bytes=0-0,2-2'}, 'whole'),
        ],
    )
    def test_offloads_requests_that_the_proxy_handles_alike(
        self, download, opened, requested, area
    ):
        response = download(requested, offload=X_ACCEL)

        assert response.headers['X-Accel-Redirect'] == f'/_storage/{area}/content'
        assert (response.data, response.headers['ETag']) == (b'', '"abc"')
        assert opened[0].closed

    @pytest.mark.parametrize(
        ('method', 'headers', 'offloads'),
        [
            ('HEAD', {}, [X_ACCEL, REDIRECT]),
            ('GET', {'If-Match': '"abc"'}, [X_ACCEL, REDIRECT]),
            ('GET', {'If-Modified-Since': 'Mon, 23 Nov 2099 08:00:00 GMT'}, [REDIRECT]),
            ('GET', {'If-Unmodified-Since': 'Mon, 23 Nov 2026 08:00:00 GMT'}, [X_ACCEL, REDIRECT]),
        ],
    )
    def test_does_not_offload_requests_that_the_other_server_handles_differently(
        self, download, method, headers, offloads
    ):
        for offload in offloads:
            response = download(headers, method=method, offload=offload)

            assert response.status_code == 200
            assert response.headers['Content-Length'] == '10'
            assert 'X-Accel-Redirect' not in response.headers

    @pytest.mark.parametrize(
        'requested', [f'bytes=5-{"9" * 30}', f'bytes=-{"9" * 19}', 'bytes = 5-9']
    )
    def test_does_not_offload_ranges_that_other_servers_cannot_read(self, download, requested):
        response = download({'Range': requested}, offload=X_ACCEL)

        assert (response.status_code, response.data) == (206, TEN[5:] if '5' in requested else TEN)

    @pytest.mark.parametrize('offload', [X_ACCEL, REDIRECT])
    def test_does_not_offload_a_range_with_a_number_that_nginx_cannot_read(self, download, offload):
        response = download({'Range': f'bytes=2-{"9" * 30}'}, offload=offload)

        assert (response.status_code, response.headers['Content-Range']) == (206, 'bytes 2-9/10')
        assert 'X-Accel-Redirect' not in response.headers

    @pytest.mark.parametrize('offload', [X_ACCEL, REDIRECT])
    def test_still_returns_304(self, download, offload):
        response = download({'If-None-Match': '"abc"'}, offload=offload)

        assert response.status_code == 304
        assert 'X-Accel-Redirect' not in response.headers

    @pytest.mark.parametrize('offload', [X_ACCEL, REDIRECT])
    def test_still_returns_416_for_a_range_after_the_end(self, download, offload):
        assert download({'Range': 'bytes=10-'}, offload=offload).status_code == 416

    def test_sends_the_content_itself_if_the_storage_has_no_url(self, download):
        response = download({'Range': 'bytes=0-4'}, offload=REDIRECT)

        assert (response.status_code, response.data) == (206, b'01234')


class TestDispositionOf:
    @pytest.mark.parametrize(
        ('name', 'parameters'),
        [
            ('report.txt', 'filename="report.txt"'),
            ('a b-(1)_c.txt', 'filename="a b-(1)_c.txt"'),
            ('Größe.txt', 'filename="Gro_e.txt"; filename*=UTF-8\'\'Gr%C3%B6%C3%9Fe.txt'),
            ('文書', 'filename="file"; filename*=UTF-8\'\'%E6%96%87%E6%9B%B8'),
            ('a"b;c\\d', 'filename="a_b_c_d"; filename*=UTF-8\'\'a%22b%3Bc%5Cd'),
            ('a\r\nX: b', 'filename="a__X_ b"; filename*=UTF-8\'\'a%0D%0AX%3A%20b'),
            ('../a', 'filename=".._a"; filename*=UTF-8\'\'..%2Fa'),
        ],
    )
    def test_contains_the_escaped_filename(self, name, parameters):
        assert disposition_of(name) == f'attachment; {parameters}'

    def test_is_inline_when_allowed(self):
        assert disposition_of('a.png', inline=True) == 'inline; filename="a.png"'
