"""Database sessions and transactions. Only this module commits.

The engine's default is AUTOCOMMIT, so a read is a single round trip. Only `atomic` opens a
transaction. Two event listeners raise RuntimeError for writes outside a transaction.

Locks are taken in one order: users by id, then their credentials, then rows of features. `atomic`
locks the users; services do not (docs/architecture.md).
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar

from flask import Flask, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import CursorResult, Engine, Executable, MetaData, Row, Select, event
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session

from project.core.app_values import AppValue

from . import engines

# A row and a select with any columns.
AnyRow: TypeAlias = Row[*tuple[Any, ...]]
AnySelect: TypeAlias = Select[*tuple[Any, ...]]
AnyResult: TypeAlias = CursorResult[*tuple[Any, ...]]

P = ParamSpec('P')
R = TypeVar('R')

# Predictable names, so that migrations can drop constraints.
NAMING_CONVENTION = {
    'ix': 'ix_%(table_name)s_%(column_0_N_name)s',
    'uq': 'uq_%(table_name)s_%(column_0_N_name)s',
    'ck': 'ck_%(table_name)s_%(constraint_name)s',
    'fk': 'fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s',
    'pk': 'pk_%(table_name)s',
}


class Base(DeclarativeBase):
    """Base class of all models."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


db = SQLAlchemy(model_class=Base, session_options={'expire_on_commit': False})

# `gunicorn` calls VALIDATE_DATABASE before it starts. `atomic` calls LOCK_USERS to lock the users
# with the given ids, in this order.
VALIDATE_DATABASE: AppValue[Callable[[], None]] = AppValue('validate_database')
LOCK_USERS: AppValue[Callable[[Sequence[int]], None]] = AppValue('lock_users')


def init_app(app: Flask) -> None:
    """Bind the database to an application."""
    # gunicorn gets the function from the application, because its configuration must not import the
    # project.
    VALIDATE_DATABASE.set(app, partial(engines.validate_database, dict(app.config)))
    app.config['SQLALCHEMY_ENGINE_OPTIONS'] = engines.engine_options(app.config)
    db.init_app(app)
    # Flask runs teardown functions in reverse order: this one runs before Flask-SQLAlchemy removes
    # the session.
    app.teardown_appcontext(assert_no_unsaved_changes)
    with app.app_context():
        engines.configure_engine(db.engine)


def execute_select(statement: AnySelect, parameters: Mapping[str, Any] | None = None) -> AnyResult:
    """Run a SELECT of columns without the ORM's identity map, in half the time.

    It uses the session's connection. So a call inside `atomic` sees the changes of the transaction.
    """
    session = db.session()
    if session.info.get('atomic'):
        session.flush()
    return session.connection().execute(statement, parameters)


def execute_in_own_transaction(
    statement: Executable, parameters: Mapping[str, Any] | None = None, *, joins: bool = False
) -> list[AnyRow]:
    """Run one statement as a separate transaction: one round trip instead of three.

    Non-atomic services use it for steps that are single statements.

    :param joins: whether, inside an `atomic`, the statement becomes part of that transaction.
    :returns: the rows that the statement returns.
    :raises RuntimeError: inside `atomic` without `joins`, because the statement would not be
        committed immediately.
    """
    inside = in_atomic()
    if inside and not joins:
        raise RuntimeError('execute_in_own_transaction() inside atomic()')
    session = db.session()
    if inside:
        session.flush()
    try:
        result: Any = session.connection().execute(statement, parameters)
        rows: list[AnyRow] = result.all() if result.returns_rows else []
    except BaseException:
        if not inside:
            # Without a rollback, the session would keep a connection that was lost.
            session.rollback()
        raise
    if not inside:
        # AUTOCOMMIT has committed the statement; this returns the connection to the pool.
        session.commit()
    return rows


def in_atomic() -> bool:
    """Return whether a transaction is open."""
    return db.session.registry.has() and bool(db.session().info.get('atomic'))


@contextmanager
def atomic(*, locking: Iterable[int] = (), checks_caller: bool = True) -> Iterator[None]:
    """Run a block or a function in a transaction.

    Blocks nest, and only the outermost one commits. So services can call other services in the same
    transaction. On SQLite, a transaction takes the single write lock when it begins. So keep it
    short: no hashing, no request body and no network inside.

    In a request, the outermost block first locks the caller's row. It then checks again that the
    credential allows this route, because it may have been revoked since the request began.

    :param locking: ids of the users that the transaction changes. Their rows and the caller's row
        are locked first, in the order of their ids, to avoid deadlocks.
    :param checks_caller: False for clean-up, which must happen even if the credential is revoked.
    :raises ApiError: if the caller's credential no longer allows the request.
    """
    session = db.session()
    if session.info.get('atomic'):
        _lock_users(locking)
        yield
        return

    # End the transaction of earlier reads by a commit: a rollback would undo the data that tests
    # have inserted.
    session.commit()
    session.info['atomic'] = True
    try:
        bind = session.get_bind()
        if isinstance(bind, Engine):  # In tests, it is a connection in a transaction of the test.
            session.connection(execution_options=engines.write_execution_options(bind))
        (authorize_caller if checks_caller else _lock_users)(locking)
        yield
        _run_last_steps(session)
        session.commit()
    except BaseException:
        session.info.pop('before_commit', None)
        session.info.pop('after_commit', None)
        session.rollback()
        raise
    finally:
        session.info['atomic'] = False

    for effect in session.info.pop('after_commit', []):
        effect()


def authorize_transactions(user_id: int, check: Callable[[], None]) -> None:
    """Make each transaction of the current request first lock the caller, and then call `check`.

    :param user_id: the id of the caller.
    :param check: a function that raises ApiError if the credential no longer allows the request.
    """
    g.transaction_authorization = (user_id,), check


def authorize_caller(locking: Iterable[int] = ()) -> None:
    """Lock the caller of the request, and call the check of `authorize_transactions`.

    :param locking: the ids of other users to lock in the same statement.
    """
    callers, check = g.get('transaction_authorization') or ((), bool)
    _lock_users({*locking, *callers})
    check()


def _lock_users(user_ids: Iterable[int]) -> None:
    # On SQLite, the transaction already holds the only write lock.
    if (ids := sorted(user_ids)) and db.engine.dialect.name != 'sqlite':
        LOCK_USERS.get()(ids)


def locks_user(parameter: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator: run the function in a transaction that first locks a user.

    :param parameter: the name of the function's argument that is a user id or a principal.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @wraps(function)
        def locked(*args: P.args, **kwargs: P.kwargs) -> R:
            user: Any = signature.bind(*args, **kwargs).arguments[parameter]
            with atomic(locking=[getattr(user, 'user_id', user)]):
                return function(*args, **kwargs)

        return locked

    return decorate


def before_commit(step: Callable[[], Any]) -> None:
    """Call `step` at the end of the outermost transaction, before its commit.

    Use it for an effect outside the database that must follow all other steps. All changes are
    flushed before the call. If `step` raises, the transaction is rolled back.

    :raises RuntimeError: outside a transaction.
    """
    _add_to_transaction('before_commit', step)


def after_commit(effect: Callable[[], Any]) -> None:
    """Call `effect` after the commit of the outermost transaction.

    Use it for effects that cannot be rolled back, such as a notification of workers. `effect` must
    not raise: the transaction can no longer fail.

    :raises RuntimeError: outside a transaction.
    """
    _add_to_transaction('after_commit', effect)


def _add_to_transaction(when: str, effect: Callable[[], Any]) -> None:
    session = db.session()
    if not session.info.get('atomic'):
        raise RuntimeError(f'{when}() outside atomic()')
    session.info.setdefault(when, []).append(effect)


def _run_last_steps(session: Session) -> None:
    if steps := session.info.pop('before_commit', []):
        session.flush()
        for step in steps:
            step()


def non_atomic(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that commits in several transactions and may raise in between.

    The effects before the error must stay, such as a counted attempt or an ended session. Inside a
    caller's `atomic`, the error would roll them back.

    :raises RuntimeError: when the function is called inside `atomic`.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        if db.session().info.get('atomic'):
            raise RuntimeError(f'{function.__name__}() commits by itself; not inside atomic()')
        return function(*args, **kwargs)

    return alone


@event.listens_for(db.session, 'before_flush')
def require_transaction_for_flush(session: Session, *_: Any) -> None:
    """Ensure that changes are flushed inside `atomic` only.

    With AUTOCOMMIT, each statement would otherwise be committed by itself.

    :raises RuntimeError: outside a transaction.
    """
    if not session.info.get('atomic'):
        raise RuntimeError('write outside atomic()')


@event.listens_for(db.session, 'do_orm_execute')
def require_transaction_for_write(state: ORMExecuteState) -> None:
    """Ensure that statements other than SELECT run inside `atomic` only.

    :raises RuntimeError: outside a transaction.
    """
    if not state.is_select and not state.session.info.get('atomic'):
        raise RuntimeError('write outside atomic()')


def assert_no_unsaved_changes(_error: BaseException | None = None) -> None:
    """Ensure, at the end of a request, that the session has no unsaved changes.

    Such changes mean that an `atomic` is missing.

    :raises RuntimeError: if objects of the session were changed and not saved.
    """
    if not db.session.registry.has():
        return
    session = db.session()
    if session.new or session.deleted or any(map(session.is_modified, session.dirty)):
        # After this error, Flask-SQLAlchemy does not remove the session. A later request whose
        # context has the same memory address would then get this session.
        db.session.remove()
        raise RuntimeError('changed outside atomic(): this was not saved')
