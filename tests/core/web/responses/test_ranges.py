"""Byte ranges (RFC 9110), and file objects that read only one range of a file."""

from io import BytesIO
from socket import socketpair

import pytest

from project.core.web.responses.ranges import RangeReader

TEN = b'0123456789'


class TestRangeReader:
    def test_ends_after_the_length_of_the_range(self):
        reader = RangeReader(BytesIO(TEN), 3, 4)

        assert [reader.read(3), reader.read(3), reader.read(3)] == [b'345', b'6', b'']

    def test_returns_the_rest_of_the_range_without_a_size(self):
        reader = RangeReader(BytesIO(TEN), 3, 4)

        assert reader.read(1) + reader.read() == b'3456'
        assert reader.read() == b''

    def test_seeks_to_a_position_in_the_file(self):
        reader = RangeReader(BytesIO(TEN), 3, 4)

        assert reader.seek(5) == 5
        assert reader.read() == b'56'
        reader.seek(9)
        assert reader.read() == b''

    def test_raises_broken_pipe_after_the_fallback_from_sendfile_to_send(self, tmp_path):
        """The client has disconnected, so `sendfile` fails before the first byte."""
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
