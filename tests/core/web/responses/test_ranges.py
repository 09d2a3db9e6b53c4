"""Ranges of bytes (RFC 9110), and how a file is cut."""

from io import BytesIO
from socket import socketpair

import pytest
from flask import send_file

from project.core.web.responses.ranges import RangeReader, drop_unsupported_ranges
from tests.client import reasons

TEN = b'0123456789'


class TestRangeReader:
    def test_ends_after_so_many_bytes(self):
        window = RangeReader(BytesIO(TEN), 3, 4)

        assert [window.read(3), window.read(3), window.read(3)] == [b'345', b'6', b'']

    def test_gives_all_that_is_left_to_who_names_no_size(self):
        window = RangeReader(BytesIO(TEN), 3, 4)

        assert window.read(1) + window.read() == b'3456'
        assert window.read() == b''

    def test_goes_to_a_byte_of_its_file(self):
        window = RangeReader(BytesIO(TEN), 3, 4)

        assert window.seek(5) == 5
        assert window.read() == b'56'
        window.seek(9)
        assert window.read() == b''

    def test_is_sent_by_the_kernel_and_then_by_hand(self, tmp_path):
        """As to a client that has left: `sendfile` fails before the first byte."""
        (tmp_path / 'ten').write_bytes(TEN)
        near, far = socketpair()
        with near, far, (tmp_path / 'ten').open('rb') as file:
            far.close()

            with pytest.raises(BrokenPipeError):
                near.sendfile(RangeReader(file, 3, 4), offset=3, count=4)

    def test_closes_its_file(self):
        file = BytesIO(TEN)

        RangeReader(file, 0, 1).close()

        assert file.closed


class TestIgnoreOddRanges:
    @pytest.fixture
    def report(self, serve):
        def show():
            drop_unsupported_ranges()
            return send_file(BytesIO(TEN), mimetype='text/plain')

        return serve(show, methods=('GET',))

    @pytest.mark.parametrize('asked', ['bytes=0-1,3-4', 'lines=1-2', 'garbage', 'bytes=-11'])
    def test_sends_the_whole_where_werkzeug_would_reject(self, report, asked):
        response = report.get('/probe', headers={'Range': asked})

        assert (response.status_code, response.data) == (200, TEN)

    def test_sends_the_whole_to_head(self, report):
        response = report.head('/probe', headers={'Range': 'bytes=0-1'})

        assert response.status_code == 200
        assert response.headers['Content-Length'] == '10'

    def test_leaves_a_plain_range_alone(self, report):
        response = report.get('/probe', headers={'Range': 'bytes=2-4'})

        assert (response.status_code, response.data) == (206, b'234')

    @pytest.mark.parametrize('asked', ['bytes=10-', 'bytes=-0'])
    def test_leaves_an_error_to_werkzeug(self, report, asked):
        response = report.get('/probe', headers={'Range': asked})

        assert response.status_code == 416
        assert response.headers['Content-Range'] == 'bytes */10'
        assert list(reasons(response)) == ['range']
