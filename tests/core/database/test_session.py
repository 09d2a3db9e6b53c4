"""Transactions with `atomic`: begin and commit, and errors for writes outside of it."""

import pytest
from flask import Blueprint
from flask.testing import FlaskClient
from sqlalchemy import bindparam, delete, insert, select, update

from project.core.clock import now
from project.core.database.session import (
    after_commit,
    atomic,
    db,
    execute_in_own_transaction,
    execute_select,
    in_atomic,
    non_atomic,
)
from project.core.throttling import ThrottleCounter
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from tests.databases import create_tables

from .conftest import in_transaction


def counter(target, spent=1):
    return ThrottleCounter(kind='test', target_hash=target, attempts=spent, resets_at=now())


def targets():
    return set(db.session.scalars(select(ThrottleCounter.target_hash)))


def committed():
    """Return the `target_hash` of all committed counters, read by another connection."""
    with db.engine.connect() as connection:
        return set(connection.scalars(select(ThrottleCounter.target_hash)))


class Failed(Exception):
    pass


class TestExecuteSelect:
    def rows(self):
        return [row.target_hash for row in execute_select(select(ThrottleCounter.target_hash))]

    @pytest.mark.parametrize('how', ['without the ORM', 'with the ORM'])
    def test_runs_one_statement_without_a_transaction(self, durable, queries, how):
        with queries() as statements:
            found = self.rows() if how == 'without the ORM' else list(targets())

        assert found == []
        assert [statement.split()[0] for statement in statements] == ['SELECT']
        assert not in_transaction()

    def test_returns_rows_of_columns(self, durable):
        spend()

        assert execute_select(
            select(ThrottleCounter.target_hash, ThrottleCounter.attempts)
        ).all() == [('spent', 1)]

    def test_accepts_parameters(self, durable):
        spend()
        statement = select(ThrottleCounter.target_hash).where(
            ThrottleCounter.target_hash == bindparam('target')
        )

        assert execute_select(statement, {'target': 'spent'}).all() == [('spent',)]
        assert execute_select(statement, {'target': 'other'}).all() == []

    def test_sees_pending_rows_of_the_transaction(self, durable):
        with atomic():
            db.session.add(counter('a'))

            assert self.rows() == ['a']
            assert committed() == set()


class TestExecuteInOwnTransaction:
    def test_runs_one_statement_and_commits(self, durable, queries):
        with queries() as statements:
            execute_in_own_transaction(
                insert(ThrottleCounter).values(
                    kind='test', target_hash='a', attempts=1, resets_at=now()
                )
            )

        assert [statement.split()[0] for statement in statements] == ['INSERT']
        assert committed() == {'a'}
        assert not in_transaction()

    def test_returns_the_rows_of_the_statement(self, durable):
        spend()
        again = update(ThrottleCounter).values(attempts=ThrottleCounter.attempts + 1)

        assert execute_in_own_transaction(again) == []
        assert execute_in_own_transaction(
            again.returning(ThrottleCounter.target_hash, ThrottleCounter.attempts)
        ) == [('spent', 3)]
        assert (
            execute_in_own_transaction(
                again.where(ThrottleCounter.attempts > 9).returning(ThrottleCounter.target_hash)
            )
            == []
        )

    def test_releases_the_connection(self, durable):
        execute_in_own_transaction(delete(ThrottleCounter))

        assert db.engine.pool.checkedout() == 0

    def test_raises_inside_a_transaction(self, durable):
        with pytest.raises(RuntimeError, match='inside atomic'), atomic():
            execute_in_own_transaction(delete(ThrottleCounter))

    def test_joins_a_transaction_with_joins(self, durable):
        values = {'kind': 'test', 'attempts': 1, 'resets_at': now()}
        execute_in_own_transaction(
            insert(ThrottleCounter).values(**values, target_hash='alone'), joins=True
        )

        @atomic()
        def fail():
            execute_in_own_transaction(
                insert(ThrottleCounter).values(**values, target_hash='joined'), joins=True
            )
            raise LookupError

        with pytest.raises(LookupError):
            fail()
        assert committed() == {'alone'}

    def test_sees_pending_rows_of_the_transaction(self, durable):
        with atomic():
            db.session.add(
                ThrottleCounter(kind='test', target_hash='a', attempts=1, resets_at=now())
            )
            assert execute_in_own_transaction(
                delete(ThrottleCounter).returning(ThrottleCounter.target_hash), joins=True
            ) == [('a',)]


class TestInAtomic:
    def test_returns_whether_a_transaction_is_open(self, durable):
        assert not in_atomic()
        with atomic():
            with atomic():
                assert in_atomic()
            assert in_atomic()
        assert not in_atomic()

    def test_does_not_create_a_session(self, durable):
        db.session.remove()

        assert not in_atomic()
        assert not db.session.registry.has()


class TestAtomic:
    def test_begins_and_commits_a_transaction(self, durable):
        with atomic():
            db.session.add(counter('a'))
            db.session.flush()
            assert in_transaction()
            assert committed() == set()

        assert committed() == {'a'}
        assert not in_transaction()

    def test_works_as_a_decorator(self, durable):
        @atomic()
        def write(target):
            db.session.add(counter(target))
            return target

        assert [write('a'), write('b')] == ['a', 'b']
        assert committed() == {'a', 'b'}

    def test_rolls_back_after_an_error(self, durable):
        @atomic()
        def write():
            db.session.add(counter('a'))
            db.session.flush()
            db.session.execute(
                insert(ThrottleCounter).values(
                    kind='test', target_hash='b', attempts=1, resets_at=now()
                )
            )
            raise Failed

        with pytest.raises(Failed):
            write()

        assert committed() == targets() == set()

    def test_commits_only_the_outermost_block(self, durable):
        with atomic():
            with atomic():
                db.session.add(counter('inner'))
            assert committed() == set()
            db.session.add(counter('outer'))

        assert committed() == {'inner', 'outer'}

    def test_rolls_back_the_inner_block_with_the_outer(self, durable):
        @atomic()
        def outer():
            with atomic():
                db.session.add(counter('inner'))
            raise Failed

        with pytest.raises(Failed):
            outer()

        assert committed() == set()

    def test_rolls_back_the_outer_block_with_the_inner(self, durable):
        @atomic()
        def outer():
            db.session.add(counter('outer'))
            with atomic():
                raise Failed

        with pytest.raises(Failed):
            outer()

        assert committed() == set()

    def test_works_again_after_an_error(self, durable):
        with pytest.raises(Failed), atomic():
            raise Failed
        with atomic():
            db.session.add(counter('a'))

        assert committed() == {'a'}

    def test_can_follow_a_read(self, durable):
        targets()

        with atomic():
            db.session.add(counter('a'))
            db.session.flush()
            assert in_transaction()

        assert committed() == {'a'}

    def test_acquires_the_write_lock_of_sqlite_at_once(self, kernel, tmp_path):
        app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/db')
        statements = []

        with app.app_context():
            raw = db.session.connection().connection.driver_connection
            raw.set_trace_callback(statements.append)
            with atomic():
                db.session.execute(select(1))

        statements = [s for s in statements if not s.startswith('PRAGMA')]
        assert statements == ['BEGIN IMMEDIATE', 'SELECT 1', 'COMMIT']


class TestAfterCommit:
    def test_calls_functions_in_order_after_the_commit(self, durable):
        seen = []

        with atomic():
            after_commit(lambda: seen.append(('first', committed())))
            with atomic():
                db.session.add(counter('a'))
                after_commit(lambda: seen.append(('second', committed())))
            assert seen == []

        assert seen == [('first', {'a'}), ('second', {'a'})]

    def test_does_not_call_functions_after_a_rollback(self, durable):
        seen = []

        @atomic()
        def write():
            after_commit(lambda: seen.append('too soon'))
            raise Failed

        with pytest.raises(Failed):
            write()

        with atomic():
            pass

        assert seen == []

    def test_calls_each_function_once(self, durable):
        seen = []
        with atomic():
            after_commit(lambda: seen.append('once'))
        with atomic():
            pass

        assert seen == ['once']

    def test_allows_another_transaction(self, durable):
        @atomic()
        def write():
            db.session.add(counter('later'))

        with atomic():
            after_commit(write)

        assert committed() == {'later'}

    def test_raises_outside_a_transaction(self, durable):
        with pytest.raises(RuntimeError, match='outside atomic'):
            after_commit(print)


@atomic()
def spend():
    db.session.add(counter('spent'))


@non_atomic
def transaction_events():
    """Write, then raise."""
    spend()
    raise Failed


class TestNonAtomic:
    def test_keeps_committed_rows_after_an_error(self, durable):
        with pytest.raises(Failed):
            transaction_events()

        assert committed() == {'spent'}

    def test_raises_inside_atomic(self, durable):
        with (
            pytest.raises(RuntimeError, match=r'transaction_events\(\) commits by itself'),
            atomic(),
        ):
            transaction_events()

        assert committed() == set()

    def test_keeps_the_name_and_docstring(self):
        assert (transaction_events.__name__, transaction_events.__doc__) == (
            'transaction_events',
            'Write, then raise.',
        )


class TestRequireTransactionForFlush:
    def test_raises_for_an_added_object(self, durable):
        db.session.add(counter('a'))

        with pytest.raises(RuntimeError, match='write outside atomic'):
            db.session.flush()
        db.session.expunge_all()
        assert committed() == set()

    def test_raises_for_a_changed_object(self, durable):
        spend()
        db.session.scalars(select(ThrottleCounter)).one().attempts = 5

        with pytest.raises(RuntimeError, match='write outside atomic'):
            db.session.commit()
        db.session.rollback()
        assert db.session.scalar(select(ThrottleCounter.attempts)) == 1


class TestRequireTransactionForWrite:
    @pytest.mark.parametrize(
        'statement',
        [
            insert(ThrottleCounter).values(
                kind='test', target_hash='b', attempts=1, resets_at=now()
            ),
            update(ThrottleCounter).values(attempts=5),
            delete(ThrottleCounter),
        ],
        ids=['insert', 'update', 'delete'],
    )
    def test_raises_for_a_statement_that_writes(self, durable, statement):
        spend()

        with pytest.raises(RuntimeError, match='write outside atomic'):
            db.session.execute(statement)
        assert committed() == {'spent'}


forgetful = Blueprint('forgetful', __name__)


@forgetful.post('/add')
@endpoint(allow=public)
def thing_add():
    """Write without `atomic`: add a row."""
    with db.session.no_autoflush:
        db.session.add(counter('lost'))


@forgetful.post('/change')
@endpoint(allow=public)
def thing_change():
    """Write without `atomic`: change a row."""
    with atomic():
        db.session.add(counter('spent'))
    db.session.scalars(select(ThrottleCounter)).one().attempts = 5


@forgetful.post('/keep')
@endpoint(allow=public)
def thing_keep():
    """Assign the value that a column already has, which writes nothing."""
    with atomic():
        db.session.add(counter('kept'))
    found = db.session.scalars(select(ThrottleCounter)).one()
    found.attempts = found.attempts


@pytest.fixture
def forgetful_app(kernel):
    """Return an application with faulty routes, which write outside of `atomic`."""
    app = kernel(forgetful)
    with app.app_context():
        create_tables()
    return app


class TestAssertNoUnsavedChanges:
    @pytest.mark.parametrize('url', ['/add', '/change'])
    def test_raises_for_unsaved_changes(self, forgetful_app, url):
        with pytest.raises(RuntimeError, match='this was not saved'):
            forgetful_app.test_client().post(url)

    def test_accepts_an_assignment_of_the_same_value(self, forgetful_app):
        assert forgetful_app.test_client().post('/keep').status_code == 200

    def test_raises_in_the_isolated_test_client_but_not_in_an_ordinary_one(self, forgetful_app):
        ordinary = FlaskClient(forgetful_app, forgetful_app.response_class)

        with pytest.raises(RuntimeError, match='this was not saved'), forgetful_app.app_context():
            assert ordinary.post('/add').status_code == 200
            # The error is raised at the end of the test's own context.

        with forgetful_app.app_context(), pytest.raises(RuntimeError, match='was not saved'):
            forgetful_app.test_client().post('/add')
