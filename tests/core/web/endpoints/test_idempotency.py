"""`Idempotency-Key`: replayed responses, rejected keys, and routes that cannot declare it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.database.shared_values import SharedValue
from project.core.errors import (
    Conflict,
    ReauthenticationRequired,
    RequestTimeout,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from project.core.idempotency import (
    IdempotentRequestRunning,
    KeyScope,
    StoredResponse,
    rows,
    store_response,
)
from project.core.idempotency.rows import IdempotencyKey, delete_expired_keys
from project.core.web.endpoints.access import authenticated, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.endpoint_spec import UndeclaredRoute
from tests.concurrency import run_concurrently
from tests.core.apps import bearer, kernel_app, principal
from tests.databases import create_tables, fresh_database
from tests.kit.responses import data, fails_with

CONCURRENT_REQUESTS = 20
SECRET = 'Charles Babbage'


class BoatSunk(Conflict):
    """The service calls `meanwhile` after the rollback, when it creates the response."""

    field = 'boat'

    def __init__(self, meanwhile=bool, **given):
        super().__init__(**given)
        self.meanwhile = meanwhile

    @property
    def data(self):
        self.meanwhile()
        return super().data


class BoatRequest(Schema):
    name = fields.Str(required=True)


class BoatSchema(Schema):
    id = fields.UUID()
    name = fields.Str()


class DeadlockDetected(Exception):
    sqlstate = '40P01'


class Fleet:
    """A blueprint with the route `POST /boats/<harbor>`, whose effect is one row."""

    def __init__(self):
        self.blueprint = Blueprint('boats', __name__, url_prefix='/boats')
        self.error = None
        self.calls = 0
        self.blueprint.post('/<int:harbor>')(
            endpoint(
                allow=authenticated(), body=BoatRequest, returns=BoatSchema, code=201,
                errors=[BoatSunk, ReauthenticationRequired, RequestTimeout], idempotent=True,
                without_location='boats have no URL',
            )(self.boat_create)
        )  # fmt: skip

    def boat_create(self, harbor, body):
        """Create a boat."""
        self.calls += 1
        boat = {'id': uuid4(), **body}
        with atomic():
            db.session.add(SharedValue(name=f'{boat["id"]}', value=b'', changed_at=now()))
            db.session.flush()
            error, self.error = self.error, None
            if error:
                raise error
        return boat

    def sail(self, client, key='one', name=SECRET, user='ada', harbor=1):
        """Send a request; return its response."""
        headers = bearer(user) | ({'Idempotency-Key': key} if key is not None else {})
        return client.post(f'/boats/{harbor}', json={'name': name}, headers=headers)


@pytest.fixture
def fleet():
    """Return the blueprint of the test."""
    return Fleet()


@pytest.fixture
def people():
    """Return the principals by their token. A test can remove some of them."""
    return {'ada': principal(), 'eve': principal(user_id=2)}


@pytest.fixture
def boats(kernel, fleet, people):
    """Return a client of an application with the route, in the context of the application."""
    app = kernel(
        fleet.blueprint,
        identify=dict(people).get,
        reload_principal=lambda was: was if was in people.values() else None,
    )
    with app.app_context():
        create_tables()
        yield app.test_client()
        db.session.remove()


def effects():
    """Return the number of effects."""
    return db.session.scalar(select(func.count()).select_from(SharedValue))


class TestRespondOnce:
    def test_replays_the_first_response_without_a_second_effect(self, fleet, boats):
        first, second = fleet.sail(boats), fleet.sail(boats)

        assert (first.status_code, second.status_code) == (201, 201)
        assert second.data == first.data
        assert second.content_type == first.content_type
        assert 'Idempotency-Replayed' not in first.headers
        assert second.headers['Idempotency-Replayed'] == 'true'
        assert effects() == 1

    def test_has_an_effect_for_each_request_without_a_key(self, fleet, boats):
        assert data(fleet.sail(boats, key=None)) != data(fleet.sail(boats, key=None))

    @pytest.mark.parametrize('change', [{'name': 'Ada'}, {'harbor': 2}])
    def test_rejects_a_key_of_another_request(self, fleet, boats, change):
        fleet.sail(boats)

        fails_with(fleet.sail(boats, **change), 'idempotency_key', status=422)
        assert effects() == 1

    @pytest.mark.parametrize('change', [{'user': 'eve'}, {'key': 'two'}, {'key': 'One'}])
    def test_keeps_keys_of_users_apart(self, fleet, boats, change):
        assert data(fleet.sail(boats)) != data(fleet.sail(boats, **change))
        assert effects() == 2

    @pytest.mark.parametrize('key', ['', 'a b', 'é', 'x' * 256, 'a\t'])
    def test_rejects_keys_of_a_wrong_form(self, fleet, boats, key):
        fails_with(fleet.sail(boats, key=key), 'idempotency_key', status=422)
        assert fleet.calls == 0

    @pytest.mark.parametrize('key', ['!', 'x' * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
    def test_accepts_keys_of_visible_characters(self, fleet, boats, key):
        assert fleet.sail(boats, key=key).status_code == 201

    def test_replays_a_rejection_whose_cause_is_gone(self, fleet, boats):
        fleet.error = BoatSunk(headers={'Retry-After': '7'})

        first, second = fleet.sail(boats), fleet.sail(boats)

        for response in (first, second):
            fails_with(response, 'boat', status=409)
            assert response.headers['Retry-After'] == '7'
        assert second.data == first.data
        assert 'Idempotency-Replayed' not in first.headers
        assert second.headers['Idempotency-Replayed'] == 'true'
        assert (fleet.calls, effects()) == (1, 0)

    def test_rejects_the_key_of_another_rejected_request(self, fleet, boats):
        fleet.error = BoatSunk()
        fleet.sail(boats)

        fails_with(fleet.sail(boats, name='Ada'), 'idempotency_key', status=422)
        assert fleet.sail(boats, key='two').status_code == 201

    @pytest.mark.parametrize(
        ('error', 'code'),
        [
            (Unauthorized(), 401),
            (ReauthenticationRequired(), 403),
            (RequestTimeout(), 408),
            (TooManyRequests(), 429),
            (RuntimeError(), 500),
            (ServiceUnavailable(), 503),
        ],
    )
    def test_keeps_no_response_that_says_nothing_about_the_request(self, fleet, boats, error, code):
        boats.application.config['PROPAGATE_EXCEPTIONS'] = False
        fleet.error = error

        assert fleet.sail(boats).status_code == code
        assert effects() == 0
        assert fleet.sail(boats).status_code == 201
        assert effects() == 1

    def test_keeps_no_response_to_a_body_that_does_not_fit_the_schema(self, fleet, boats):
        assert fleet.sail(boats, name=7).status_code == 422

        assert fleet.sail(boats).status_code == 201

    def test_returns_the_response_that_another_request_has_stored_meanwhile(self, fleet, boats):
        """The other request runs between the rollback of the first and its second transaction."""
        other = boats.application.test_client()
        fleet.error = BoatSunk(meanwhile=lambda: fleet.sail(other))

        response = fleet.sail(boats)

        assert (response.status_code, effects()) == (201, 1)
        assert response.headers['Idempotency-Replayed'] == 'true'

    def test_authorizes_the_caller_before_it_stores_a_rejection(self, fleet, boats, people):
        """The rows of a deleted user were deleted before: there must be no new one."""
        fleet.error = BoatSunk(meanwhile=people.clear)

        assert fleet.sail(boats).status_code == 401
        assert db.session.scalar(select(func.count()).select_from(IdempotencyKey)) == 0

    def test_repeats_the_transaction_after_a_deadlock(self, fleet, boats):
        fleet.error = OperationalError('', {}, DeadlockDetected())

        assert fleet.sail(boats).status_code == 201
        assert (fleet.calls, effects()) == (2, 1)

    def test_authorizes_the_caller_before_a_replay(self, fleet, boats, people):
        fleet.sail(boats)
        del people['ada']

        assert fleet.sail(boats).status_code == 401

    def test_has_an_effect_again_after_24_hours(self, fleet, boats, travel):
        fleet.sail(boats)
        travel(timedelta(hours=24))

        assert 'Idempotency-Replayed' not in fleet.sail(boats).headers
        assert 'Idempotency-Replayed' in fleet.sail(boats).headers
        assert effects() == 2

    def test_limits_the_number_of_keys_of_a_user(self, fleet, boats, monkeypatch):
        monkeypatch.setattr(rows, 'MAX_KEYS_PER_USER', 2)
        for key in 'ab':
            fleet.sail(boats, key=key)

        response = fleet.sail(boats, key='c')

        fails_with(response, 'idempotency_key', status=429)
        assert 86_000 < int(response.headers['Retry-After']) <= 86_401
        assert fleet.sail(boats, key='a').status_code == 201
        assert fleet.sail(boats, key='c', user='eve').status_code == 201

    @pytest.mark.parametrize('key', [b'nonsense', None])
    def test_rejects_a_response_that_cannot_be_decrypted(self, fleet, boats, key):
        """None: the response of another user was moved to this row."""
        fleet.sail(boats)
        fleet.sail(boats, user='eve')
        is_ada, column = IdempotencyKey.user_id == 1, IdempotencyKey.encrypted_response
        with atomic():
            theirs = db.session.scalar(select(column).where(~is_ada))
            moved = update(IdempotencyKey).where(is_ada).values({column: key or theirs})
            db.session.execute(moved)

        fails_with(fleet.sail(boats), 'idempotency_key', status=409)

    def test_returns_one_response_to_concurrent_requests_of_which_the_first_fails(
        self, fleet, people, tmp_path
    ):
        """A request may run between the rollback of the first and the storage of its rejection."""
        fleet.error = BoatSunk()
        with fresh_database('keys') as url:
            url = f'sqlite:///{tmp_path}/keys.db' if url == 'sqlite://' else url
            settings = {'identify': people.get, 'SQLALCHEMY_DATABASE_URI': url}
            with kernel_app(tmp_path, fleet.blueprint, **settings) as app, app.app_context():
                create_tables()

                found = run_concurrently(
                    app, *[lambda: fleet.sail(app.test_client())] * CONCURRENT_REQUESTS
                )

                kept = {each.data for each in found if b'idempotency_key' not in each.data}
                kept.add(fleet.sail(app.test_client()).data)
                assert len(kept) == 1
                assert effects() == (b'success' in kept.pop())


class TestIdempotencyKey:
    def test_stores_neither_key_nor_response_in_plain_text(self, fleet, boats):
        fleet.sail(boats, key='my-own-key')

        [stored] = db.session.execute(select(IdempotencyKey.__table__)).all()
        assert SECRET not in str(stored)
        assert 'my-own-key' not in str(stored)


class TestStoreResponse:
    def test_raises_if_the_key_was_stored_in_the_meantime(self, boats):
        scope, response = KeyScope.of(1, 'POST /', 'one'), StoredResponse(200, [], b'')

        with atomic():
            store_response(scope, '', response)
        with pytest.raises(IdempotentRequestRunning), atomic():
            store_response(scope, '', response)


class TestDeleteExpiredKeys:
    def test_deletes_only_keys_older_than_24_hours(self, fleet, boats, travel):
        fleet.sail(boats, key='old')
        travel(timedelta(hours=23))
        fleet.sail(boats, key='new')
        travel(timedelta(hours=1))

        delete_expired_keys()

        assert db.session.scalar(select(func.count()).select_from(IdempotencyKey)) == 1
        assert 'Idempotency-Replayed' in fleet.sail(boats, key='new').headers


class TestDeclaration:
    @pytest.mark.parametrize(
        ('method', 'declared'),
        [
            ('PUT', {'allow': authenticated()}),
            ('POST', {'allow': public}),
            ('POST', {'allow': authenticated(), 'produces': 'application/zip'}),
            ('POST', {'allow': authenticated(), 'hashes_password': True}),
        ],
    )
    def test_is_rejected_at_the_start_for_other_routes(self, serve, method, declared):
        with pytest.raises(UndeclaredRoute, match='cannot be idempotent'):
            serve(lambda: None, methods=(method,), idempotent=True, **declared)
