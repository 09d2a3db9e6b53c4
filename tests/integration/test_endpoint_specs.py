"""Rules that the endpoint specs of all routes obey."""

from uuid import UUID

import pytest
from limits import parse
from marshmallow import fields

from project.core.web.requests.fields import Timestamp

OTHER_TIME_FIELDS = (fields.DateTime, fields.Time, fields.TimeDelta)


def fields_of(schema):
    """Yield all fields of a schema, including the fields of nested schemas and lists."""
    for name, field in schema().fields.items():
        while isinstance(field, fields.List):
            field = field.inner
        yield f'{schema.__name__}.{name}', field
        if isinstance(field, fields.Nested):
            yield from fields_of(type(field.schema))


class TestSchemas:
    def test_declare_all_times_as_timestamp(self, app):
        schemas = {
            schema
            for spec in app.extensions['endpoint_specs'].values()
            for schema in (spec.body, spec.form, spec.query, spec.returns)
            if schema
        }
        found = dict(pair for schema in schemas for pair in fields_of(schema))

        # A day is not a moment.
        moments = {n: field for n, field in found.items() if not isinstance(field, fields.Date)}
        wrong = [name for name, field in moments.items() if isinstance(field, OTHER_TIME_FIELDS)]
        assert wrong == []
        others = [
            name
            for name, field in found.items()
            if name.endswith('_at') and not isinstance(field, Timestamp)
        ]
        assert others == []
        assert any(isinstance(field, Timestamp) for field in found.values())


class TestCachePolicy:
    @pytest.mark.parametrize(
        'path',
        [
            'users/nobody/avatar', 'users/nobody/profile', 'users/nobody', 'files/public/nothing',
            'files/shared/nothing', 'files/shared/nothing/content', 'docs/nothing', 'openapi.json',
            f'files/{UUID(int=0)}/thumbnail', f'files/{UUID(int=0)}/content', 'users/me/avatar',
            f'users/me/exports/{UUID(int=0)}/content', 'files/report', 'nowhere',
        ],
    )  # fmt: skip
    def test_prevents_caches_from_storing_errors(self, client, monkeypatch, path):
        monkeypatch.setitem(client.application.config, 'API_DOCS', 'authenticated')

        response = client.get(f'/api/v1/{path}')

        assert response.status_code in (401, 404)
        assert response.headers.getlist('Cache-Control') == ['no-store']
        assert 'Accept' in response.vary


class TestLimits:
    def test_are_declared_by_all_public_and_all_writing_routes(self, app):
        """Only writing requests send mails or do costly work.

        Most deletions do neither; the test lists those that do.
        """
        # Health checks must not be rejected, however frequent they are.
        unlimited = {'health.healthz', 'health.readyz'}
        deletions_with_mail = {('api_v1.auth.totp_delete', 'DELETE')}
        without = {
            f'{method} {endpoint}'
            for (endpoint, method), spec in app.extensions['endpoint_specs'].items()
            if spec.limit is None
            and endpoint not in unlimited
            and (
                spec.allow.kind == 'public'
                or method in ('POST', 'PUT', 'PATCH')
                or (endpoint, method) in deletions_with_mail
            )
        }

        assert without == set()

    def test_can_be_parsed(self, app):
        limits = {spec.limit for spec in app.extensions['endpoint_specs'].values() if spec.limit}

        assert all(parse(limit).amount > 0 for limit in limits)


class TestIdempotency:
    def test_is_declared_by_all_routes_whose_repetition_has_a_second_effect(self, app):
        """Responses of `auth` and of share links contain secrets, which are not stored."""
        without = {
            endpoint
            for (endpoint, method), spec in app.extensions['endpoint_specs'].items()
            if method == 'POST'
            and spec.allow.kind != 'public'
            and not (spec.form or spec.consumes or spec.produces)
            and not (endpoint.startswith('api_v1.auth.') or spec.hashes_password)
            and not spec.idempotent
        }

        assert without == set()
