"""The time that clients have between a release and the sunset of a deprecated operation."""

from datetime import date

import pytest

from project.core.documents.api_changes.notice import short_notices

from .sample_documents import DOCUMENT, changed

TODAY = date(2026, 12, 1)


def deprecated(sunset):
    """Return a document with a deprecated operation."""
    return changed(lambda s: s.show.update({'deprecated': True, 'x-sunset': sunset}))


class TestShortNotices:
    @pytest.mark.parametrize('base', [None, DOCUMENT])
    def test_names_a_new_deprecation_with_a_near_sunset(self, base):
        assert [*short_notices(base, deprecated('2027-02-28'), TODAY)] == [
            'GET /api/v1/boats/{boat_id} is deprecated since this release, but its sunset '
            '2027-02-28 is less than 90 days away: at the earliest 2027-03-01'
        ]

    def test_accepts_a_later_sunset(self):
        assert [*short_notices(DOCUMENT, deprecated('2027-03-01'), TODAY)] == []

    def test_accepts_a_deprecation_of_an_earlier_release(self):
        earlier = deprecated('2026-12-02')

        assert [*short_notices(earlier, earlier, TODAY)] == []
