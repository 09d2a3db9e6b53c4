"""Locks on names, for objects that have no row to lock, such as objects in the storage."""

from hashlib import sha256

from sqlalchemy import BigInteger, func, literal, select

from .session import db, in_atomic


def lock_name(name: str, *, wait: bool = True, shared: bool = False) -> bool:
    """Lock a name until the transaction ends, and return whether that succeeded.

    On PostgreSQL, this is an advisory lock of the transaction, so it ends if the process dies. On
    SQLite, only one transaction writes at a time, so no lock is needed.

    :param wait: whether to wait while another transaction holds the lock. If False, the function
        returns False instead of waiting.
    :param shared: whether other transactions can hold the lock at the same time if it is shared
        there, too.
    :raises RuntimeError: outside a transaction.
    """
    if not in_atomic():
        raise RuntimeError('lock_name() outside atomic()')
    if db.engine.dialect.name == 'sqlite':
        return True
    number = int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
    key = literal(number, BigInteger)
    function = f'pg_{"" if wait else "try_"}advisory_xact_lock{"_shared" if shared else ""}'
    locked = db.session.scalar(select(getattr(func, function)(key)))
    return wait or bool(locked)
