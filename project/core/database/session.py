"""The database, and the only place that commits.

The engine's default is AUTOCOMMIT: a read is one statement on the wire. Only `atomic` opens a
transaction; what would be written outside of one is refused, loudly, by the two guards below.

Locks are taken in one order: users by id, then their credentials, then rows of features.
`atomic` takes the first of them, so that no service has to remember it (docs/architecture.md).
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar

from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import CursorResult, Engine, Executable, MetaData, Row, Select, event
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session

from . import engines

# A row, and a select, of whatever columns.
AnyRow: TypeAlias = Row[*tuple[Any, ...]]
AnySelect: TypeAlias = Select[*tuple[Any, ...]]
AnyResult: TypeAlias = CursorResult[*tuple[Any, ...]]

P = ParamSpec('P')
R = TypeVar('R')

# Constraints with predictable names can be found, and dropped, by a migration.
NAMING_CONVENTION = {
    'ix': 'ix_%(table_name)s_%(column_0_N_name)s',
    'uq': 'uq_%(table_name)s_%(column_0_N_name)s',
    'ck': 'ck_%(table_name)s_%(constraint_name)s',
    'fk': 'fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s',
    'pk': 'pk_%(table_name)s',
}


class Base(DeclarativeBase):
    """What every model is."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


db = SQLAlchemy(model_class=Base, session_options={'expire_on_commit': False})


def init_app(app: Flask) -> None:
    """Bind the database to an application."""
    # Where gunicorn finds it, whose configuration imports nothing of the project.
    app.extensions['validate_database'] = partial(engines.validate_database, dict(app.config))
    app.config['SQLALCHEMY_ENGINE_OPTIONS'] = engines.engine_options(app.config)
    db.init_app(app)
    # Registered later, so it runs earlier: before Flask-SQLAlchemy throws the session away.
    app.teardown_appcontext(assert_no_unsaved_changes)
    with app.app_context():
        engines.configure_engine(db.engine)


def execute_select(statement: AnySelect, parameters: Mapping[str, Any] | None = None) -> AnyResult:
    """Run a SELECT of columns past the ORM: rows without an identity map, at half the cost.

    On the session's own connection, so that inside `atomic` it sees what was written there.
    """
    session = db.session()
    if session.info.get('atomic'):
        session.flush()
    return session.connection().execute(statement, parameters)


def execute_in_own_transaction(
    statement: Executable, parameters: Mapping[str, Any] | None = None, *, joins: bool = False
) -> list[AnyRow]:
    """Run one statement that is a transaction by itself: one trip to the database instead of three.

    For stories whose every step is a single statement. Return what it returns. Refuses to run
    inside `atomic`, where it would wait for the rest.

    :param joins: whether there it is to be a part of that instead.
    """
    inside = in_atomic()
    if inside and not joins:
        raise RuntimeError('write() inside atomic()')
    session = db.session()
    if inside:
        session.flush()
    try:
        result: Any = session.connection().execute(statement, parameters)
        rows: list[AnyRow] = result.all() if result.returns_rows else []
    except BaseException:
        if not inside:
            # A lost connection stays with the session until then.
            session.rollback()
        raise
    if not inside:
        # It stands already; this lets go of the connection.
        session.commit()
    return rows


def in_atomic() -> bool:
    """Tell whether a transaction is open."""
    return db.session.registry.has() and bool(db.session().info.get('atomic'))


@contextmanager
def atomic(*, locking: Iterable[int] = (), checks_caller: bool = True) -> Iterator[None]:
    """Do all of it or none of it; a decorator and a block.

    Blocks nest: only the outermost commits, so that services may call services and still be one
    transaction. On SQLite it takes the only write lock at once, so keep it short: no hashing, no
    request body, no network inside.

    In a request, the outermost block first locks the caller's row and checks again that the
    credential may call this route: it may have been revoked since the request began.

    :param locking: ids of the users that the transaction changes. Their rows, and that of the
        caller, are locked first and in the order of their ids, so that none deadlock.
    :param checks_caller: False for clean-up, which must happen even if the credential is revoked.
    :raises ApiError: if the caller's credential no longer allows the request.
    """
    session = db.session()
    if session.info.get('atomic'):
        _lock_users(locking)
        yield
        return

    # Lets go of the connection we read on. A rollback here would undo what tests arranged.
    session.commit()
    session.info['atomic'] = True
    try:
        bind = session.get_bind()
        if isinstance(bind, Engine):  # In tests it is a connection, in a transaction of theirs.
            session.connection(execution_options=engines.write_execution_options(bind))
        _begin(locking, checks_caller)
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
    """Begin each transaction of this request with a lock of its user, and then with `check`."""
    g.transaction_authorization = user_id, check


def _begin(locking: Iterable[int], checks_caller: bool) -> None:
    authorization = g.get('transaction_authorization')
    if authorization is None or not checks_caller:
        _lock_users(locking)
        return
    user_id, check = authorization
    _lock_users({user_id, *locking})
    check()


def _lock_users(user_ids: Iterable[int]) -> None:
    # SQLite has one write lock, which the transaction has already.
    if (ids := sorted(user_ids)) and db.engine.dialect.name != 'sqlite':
        current_app.extensions['lock_users'](ids)


def locks_user(parameter: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run a function in a transaction that first locks the user of this argument.

    The argument is the id of a user or a principal.
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
    """Call `step` as one of the last steps of the outermost transaction, before its commit.

    For effects outside the database that need every decision of the transaction. All changes have
    been sent to the database by then. If the step raises, the transaction is rolled back.

    :raises RuntimeError: outside a transaction.
    """
    _add_to_transaction('before_commit', step)


def after_commit(effect: Callable[[], Any]) -> None:
    """Call `effect` after the commit of the outermost transaction.

    For effects that cannot be rolled back, such as a mail. `effect` must not raise: the transaction
    cannot fail any more.

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
    """Mark a story whose steps commit one by one, and which may end in a refusal.

    What it wrote before it refused (an attempt spent, a session ended) must stand. Inside a
    caller's `atomic` it would be rolled back with the refusal, so there it refuses to run at all.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        if db.session().info.get('atomic'):
            raise RuntimeError(f'{function.__name__}() commits by itself; not inside atomic()')
        return function(*args, **kwargs)

    return alone


@event.listens_for(db.session, 'before_flush')
def require_transaction_for_flush(session: Session, *_: Any) -> None:
    """Refuse to write outside `atomic`: AUTOCOMMIT would make each statement stand by itself."""
    if not session.info.get('atomic'):
        raise RuntimeError('write outside atomic()')


@event.listens_for(db.session, 'do_orm_execute')
def require_transaction_for_write(state: ORMExecuteState) -> None:
    """Refuse a statement that is no SELECT outside `atomic`."""
    if not state.is_select and not state.session.info.get('atomic'):
        raise RuntimeError('write outside atomic()')


def assert_no_unsaved_changes(_error: BaseException | None = None) -> None:
    """Refuse to end with changes that nobody saved: somewhere an `atomic` was forgotten."""
    if not db.session.registry.has():
        return
    session = db.session()
    if session.new or session.deleted or any(map(session.is_modified, session.dirty)):
        # Raising ends the teardown: nobody after us would throw the session away, and it would be
        # found again by a later request whose context happens to lie at the same address.
        db.session.remove()
        raise RuntimeError('changed outside atomic(): this was not saved')
