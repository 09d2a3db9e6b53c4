"""Query parameters that select a page of a list."""

import pytest
from marshmallow import ValidationError, fields

from project.core.database.keyset_pagination import PageRequest
from project.core.web.requests.pagination import ListQuery, next_link_header, page_request, sort_by


class BoatListQuery(ListQuery):
    colour = fields.Str()
    sort = sort_by('name', 'size')


class TestListQuery:
    def test_defaults_to_the_first_50_items(self):
        assert BoatListQuery().load({}) == {'limit': 50}

    @pytest.mark.parametrize('limit', ['1', '200', '007'])
    def test_accepts_a_limit_from_1_to_200(self, limit):
        assert BoatListQuery().load({'limit': limit}) == {'limit': int(limit)}

    @pytest.mark.parametrize(
        'limit',
        ['0', '201', '-1', '+5', ' 5', '5 ', '5.0', '1e1', '1_0', '٥', '²', '', 'x', '9' * 5000],
    )  # fmt: skip
    def test_rejects_any_other_limit(self, limit):
        with pytest.raises(ValidationError):
            BoatListQuery().load({'limit': limit})

    def test_rejects_an_undeclared_filter(self):
        with pytest.raises(ValidationError):
            BoatListQuery().load({'color': 'red'})

    @pytest.mark.parametrize('cursor', ['', 'x' * 4201])
    def test_rejects_an_empty_or_very_long_cursor(self, cursor):
        with pytest.raises(ValidationError):
            BoatListQuery().load({'cursor': cursor})


class TestSortBy:
    @pytest.mark.parametrize('order', ['name', '-name', 'size', '-size'])
    def test_accepts_each_name_in_both_directions(self, order):
        assert BoatListQuery().load({'sort': order})['sort'] == order

    @pytest.mark.parametrize('order', ['id', '--name', '+name', 'name,size', 'Name', ''])
    def test_rejects_any_other_order(self, order):
        with pytest.raises(ValidationError):
            BoatListQuery().load({'sort': order})


class TestPageRequest:
    def test_treats_the_remaining_parameters_as_filters(self):
        query = {'limit': 5, 'cursor': 'abc', 'sort': '-name', 'colour': 'red'}

        assert page_request(query) == PageRequest(5, 'abc', '-name', {'colour': 'red'})

    def test_uses_defaults_for_missing_parameters(self):
        assert page_request({'limit': 50}) == PageRequest(50, None, None, {})


class TestNextLinkHeader:
    def test_repeats_the_query_with_the_new_cursor(self, app):
        with app.test_request_context('/boats?colour=a%26b&cursor=old&limit=5'):
            link = next_link_header('new')

        assert link == '</boats?colour=a%26b&cursor=new&limit=5>; rel="next"'

    def test_escapes_line_breaks_and_brackets(self, app):
        with app.test_request_context('/boats?colour=%0d%0aX:%20%3Cevil%3E'):
            link = next_link_header('new')

        assert link == '</boats?colour=%0D%0AX%3A+%3Cevil%3E&cursor=new>; rel="next"'
