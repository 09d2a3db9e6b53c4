"""Locks on names: for what has no row, such as a key of the storage."""

from hashlib import sha256

from sqlalchemy import BigInteger, func, literal, select

from .session import db, in_atomic


def lock_name(name: str, *, wait: bool = True) -> bool:
    """Lock a name until the transaction ends, and return whether that succeeded.

    On PostgreSQL this is an advisory lock of the transaction, so it also ends with the process. On
    SQLite there is one transaction that writes at a time: it has all locks.

    :param wait: whether to wait for a transaction that has the lock; without it, return False.
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
