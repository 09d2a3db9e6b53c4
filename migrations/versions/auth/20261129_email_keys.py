"""Comparison keys of email addresses with the domain as A-labels (IDNA 2008), not case-folded.

A PIN depends on the key of its email address. So the PINs of affected email addresses become
invalid. PINs are valid for only 10 minutes.
"""

import unicodedata
from collections.abc import Callable
from typing import Any

import idna
import sqlalchemy as sa
from alembic import op

revision = '71d0c3b5e8f2'
down_revision = 'd27e5b9c1f48'
branch_labels = None
depends_on = None

registrations = sa.table('auth_registrations', sa.column('email_key'), sa.column('email'))
email_changes = sa.table('auth_email_changes', sa.column('email_key'), sa.column('email'))
invitations = sa.table('auth_invitations', sa.column('email_key'), sa.column('email'))
pins = sa.table('auth_pins', sa.column('email_key'), sa.column('purpose'))


def upgrade() -> None:
    recompute_keys(new_key)


def downgrade() -> None:
    recompute_keys(old_key)


def recompute_keys(key_of: Callable[[str], str]) -> None:
    """Store the new keys of email addresses whose domain is not ASCII or has A-labels."""
    for table in (registrations, email_changes):
        replace_keys(table, table.c.email, key_of, identity=[table.c.email])
    # `email_key` is part of the primary key. If two rows would get the same key, the second row
    # keeps its old key until the row expires.
    replace_keys(invitations, invitations.c.email, key_of, identity=[], is_unique=True)
    # PINs have no email address, but their key has the form of one.
    replace_keys(pins, pins.c.email_key, key_of, identity=[pins.c.purpose], is_unique=True)


def replace_keys(
    table: Any,
    address: Any,
    key_of: Callable[[str], str],
    *,
    identity: list[Any],
    is_unique: bool = False,
) -> None:
    """Replace the keys of one table.

    :param identity: the columns that identify a row, together with its key.
    :param is_unique: whether these columns and the key are unique; a row keeps its old key if
        another row has the new one.
    """
    connection = op.get_bind()
    found = sa.select(address.label('address'), table.c.email_key, *identity).distinct()
    for row in connection.execute(found).all():
        key = key_of(row.address)
        if key == row.email_key or not is_affected(row.address):
            continue
        same = [column == getattr(row, column.name) for column in identity]
        if is_unique and connection.execute(
            sa.select(table.c.email_key).where(table.c.email_key == key, *same)
        ).first():
            continue
        mine = sa.update(table).where(table.c.email_key == row.email_key, *same)
        connection.execute(mine.values(email_key=key))


def is_affected(address: str) -> bool:
    """Return whether the domain is not ASCII or has A-labels."""
    domain = address.rpartition('@')[2].lower()
    return not domain.isascii() or 'xn--' in domain


def new_key(address: str) -> str:
    """Return the case-folded local part, and the domain as A-labels."""
    local, _, domain = address.rpartition('@')
    try:
        return f'{folded(local)}@{idna.encode(domain, uts46=True).decode()}'
    except UnicodeError:
        return folded(address)


def old_key(address: str) -> str:
    """Return the case-folded local part and domain, without A-labels."""
    local, _, domain = address.rpartition('@')
    try:
        return folded(f'{local}@{idna.decode(domain, uts46=True)}')
    except UnicodeError:
        return folded(address)


def folded(text: str) -> str:
    """Return a text after NFKC normalization and case folding."""
    return unicodedata.normalize('NFKC', text).casefold()
