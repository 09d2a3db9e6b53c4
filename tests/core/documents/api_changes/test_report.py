"""The report of changes since a release: what is accepted, and why."""

import json
from datetime import date

import pytest

from project.core.documents.api_changes.releases import ReleaseInvalid
from project.core.documents.api_changes.report import entry_for, report_changes

from .sample_documents import DOCUMENT, changed

SHOW = 'GET /api/v1/boats/{boat_id}'
TODAY = date(2027, 6, 1)
REMOVED = f'boats: {SHOW} was removed'


def remove_show(sample):
    """Remove the route that shows a boat."""
    sample.paths.pop('/api/v1/boats/{boat_id}')


@pytest.fixture
def report(tmp_path):
    """Return a function that compares a changed document with the release 0.1.0."""
    folder = tmp_path / 'docs' / 'releases' / '0.1.0'
    folder.mkdir(parents=True)
    (tmp_path / 'docs' / 'features').mkdir()

    def compare(change, base=DOCUMENT, entries='', feature='boats', features=('boats',)):
        (folder / 'openapi.json').write_text(json.dumps(base))
        (tmp_path / 'docs' / 'features' / f'{feature}.breaking.toml').write_text(entries)
        return report_changes(
            tmp_path, changed(change), features=frozenset(features), owners={}, today=TODAY
        )

    return compare


def lines(report):
    return [str(judged) for judged in report.changes]


class TestReportChanges:
    def test_rejects_a_breaking_change(self, report):
        found = report(remove_show)

        assert lines(found) == [f'{REMOVED}: breaking']
        assert found.faults() == [
            f'{REMOVED}: breaking since 0.1.0: see `flask api diff` and docs/releases.md'
        ]

    def test_accepts_a_compatible_change(self, report):
        found = report(lambda s: s.show.update(summary='Print'))

        assert lines(found) == [f'boats: {SHOW}: summary was changed: compatible']
        assert found.faults() == []

    def test_accepts_a_breaking_change_with_a_reason(self, report):
        found = report(remove_show, entries=f'"{SHOW} was removed" = "No client used it."')

        assert lines(found) == [f'{REMOVED}: breaking, accepted: No client used it.']
        assert found.faults() == []

    def test_rejects_the_reason_of_another_feature(self, report):
        found = report(remove_show, entries=f'"{SHOW} was removed" = "x"', feature='users')

        assert len(found.faults()) == 2

    def test_rejects_an_entry_without_a_change(self, report):
        found = report(lambda s: None, entries='"GET /x was removed" = "x"')

        assert found.faults() == [
            "docs/features/boats.breaking.toml: there is no breaking change 'GET /x was removed' "
            'since 0.1.0: delete the line'
        ]

    @pytest.mark.parametrize(
        ('sunset', 'is_accepted'), [('2027-06-01', True), ('2027-06-02', False)]
    )
    def test_accepts_the_removal_of_a_deprecated_route_after_its_sunset(
        self, report, sunset, is_accepted
    ):
        base = changed(lambda s: s.show.update({'deprecated': True, 'x-sunset': sunset}))

        found = report(remove_show, base)

        assert (found.faults() == []) is is_accepted
        assert lines(found) == [
            f'{REMOVED}: breaking, accepted: deprecated in the earlier release, sunset {sunset}'
            if is_accepted
            else f'{REMOVED}: breaking, before the sunset {sunset}'
        ]

    def test_rejects_a_route_that_was_deprecated_after_the_release(self, report):
        found = report(
            lambda s: s.show.update(
                {'deprecated': True, 'x-sunset': '2027-01-01', 'operationId': 'x'}
            )
        )

        assert len(found.rejected) == 1

    def test_rejects_a_schema_that_other_routes_use_too(self, report):
        """The sunset of one route does not accept a change of all routes with the schema."""
        base = changed(lambda s: s.show.update({'deprecated': True, 'x-sunset': '2027-01-01'}))

        found = report(lambda s: s.boat['properties'].pop('kind'), base)

        assert 'schema Boat in responses, property kind was removed' in found.faults()[0]

    def test_accepts_a_removed_feature_with_a_reason(self, report):
        found = report(
            lambda s: s.paths.clear(), entries='"the feature was removed" = "x"', features=()
        )

        assert found.faults() == []

    @pytest.mark.parametrize(
        ('entries', 'fault'),
        [('x', 'is not TOML'), ('"x" = ""', "'x' needs a reason"), ('"x" = 5', 'needs a reason')],
    )
    def test_names_an_invalid_file(self, report, entries, fault):
        with pytest.raises(ReleaseInvalid, match=fault) as caught:
            report(lambda s: None, entries=entries)

        assert 'docs/features/boats.breaking.toml' in str(caught.value)

    def test_returns_no_changes_without_a_release(self, tmp_path):
        found = report_changes(tmp_path, DOCUMENT, features=frozenset(), owners={}, today=TODAY)

        assert (found.base, found.changes, found.faults()) == (None, (), [])

    def test_shows_some_of_the_routes_of_a_schema(self, report):
        [line] = lines(report(lambda s: s.boat['properties']['name'].update(maxLength=5)))

        assert line == (
            'boats: schema Boat in responses, property name: maxLength (none) became 5 '
            f'(GET /api/v1/boats, {SHOW}, POST /api/v1/boats): compatible'
        )


class TestEntryFor:
    def test_returns_a_line_that_accepts_the_change(self, report):
        def change(sample):
            sample.request['properties']['name']['pattern'] = '^"\\d"$'

        [judged] = report(change).rejected

        entry = entry_for(judged.change)

        assert report(change, entries=entry).faults() == []
