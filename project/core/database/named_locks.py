"""Locks on names, for objects that have no row to lock, such as objects in the storage."""

from hashlib import sha256

from sqlalchemy import BigInteger, func, literal, select

from .session import db, in_atomic


def lock_name(name: str, *, wait: bool = True) -> bool:
    """Lock a name until the transaction ends, and return whether that succeeded.

    On PostgreSQL, this is an advisory lock of the transaction, so it ends if the process dies. On
    SQLite, only one transaction writes at a time, so no lock is needed.

    :param wait: whether to wait while another transaction holds the lock. If False, the function
        returns False instead of waiting.
    :raises RuntimeError: outside a transaction.
    """
    if not in_atomic():
        raise RuntimeError('lock_name() outside atomic()')
    if db.engine.dialect.name == 'sqlite':
        return True
    number = int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
    key = literal(number, BigInteger)
    if wait:
        db.session.execute(select(func.pg_advisory_xact_lock(key)))
        return True
    return bool(db.session.scalar(select(func.pg_try_advisory_xact_lock(key))))
