"""Every list route executes the same number of statements for one row and for fifty."""

import pytest

from project.core.database.keyset_pagination import Keyset
from project.core.features import find_features
from tests.kit.responses import data
from tests.list_routes import (
    ROWS,
    ensure_same_statements,
    factories_of,
    list_routes,
    make_related,
    make_rows,
    models_in,
    url_of,
)
from tests.users.factories import AdminFactory


@pytest.fixture
def keysets(monkeypatch):
    """Return a list to which each `Keyset` is added when a page of it is read."""
    found, page = [], Keyset.page

    def record(self, *args, **kwargs):
        found.append(self)
        return page(self, *args, **kwargs)

    monkeypatch.setattr(Keyset, 'page', record)
    return found


@pytest.fixture
def compare(app, as_user, queries, keysets):
    """Return a function that checks a list route: one row and fifty need as many statements."""

    def compare(route):
        caller = AdminFactory()
        client, related = as_user(caller), make_related(route, caller)
        url = url_of(app, route, related)

        def count():
            keysets.clear()
            with queries(max=10_000) as statements:
                response = client.get(url)
            assert response.status_code == 200, f'{route}: {response.text}'
            listed = data(response)
            return len(listed['items'] if route.is_paged else listed), statements

        _, statements = count()
        models = models_in(keysets, statements, route.feature)

        def make(number):
            for model in models:
                make_rows(route, model, related, number, caller)

        ensure_same_statements(str(route), count, make)

    return compare


class TestListRoutes:
    @pytest.mark.slow('makes fifty rows for each list')
    @pytest.mark.parametrize('feature', [feature.name for feature in find_features()])
    def test_execute_as_many_statements_for_fifty_rows_as_for_one(self, app, compare, feature):
        for route in list_routes(app):
            if route.feature == feature:
                compare(route)


class TestEnsureSameStatements:
    @pytest.mark.parametrize('statements_per_row', [0, 1])
    def test_raises_for_a_statement_per_row(self, statements_per_row):
        rows = []

        def count():
            return len(rows), ['SELECT a', *['SELECT b'] * len(rows) * statements_per_row]

        def make(number):
            rows.extend(range(number))

        if statements_per_row:
            with pytest.raises(AssertionError, match=r'2 statements for 1 rows and 51 for 50.*\n'):
                ensure_same_statements('GET /zz', count, make)
        else:
            ensure_same_statements('GET /zz', count, make)

    def test_raises_if_the_list_does_not_show_the_rows(self):
        with pytest.raises(AssertionError, match=r'shows 0 of 50 rows.*accept their owner'):
            ensure_same_statements('GET /zz', lambda: (0, []), lambda number: None)


class TestMakeRows:
    def test_raises_for_a_model_without_a_factory(self, app):
        class Planted:
            pass

        Planted.__module__ = 'project.zz_planted.models'
        route = next(list_routes(app))

        with pytest.raises(
            AssertionError,
            match=r'lists Planted.*add PlantedFactory to tests/zz_planted/factories\.py',
        ):
            make_rows(route, Planted, {}, ROWS, None)
        assert factories_of('zz_planted') == {}
