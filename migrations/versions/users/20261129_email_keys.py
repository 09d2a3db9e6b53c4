"""Comparison keys of email addresses with the domain as A-labels (IDNA 2008), not case-folded."""

import unicodedata
from collections.abc import Callable

import idna
import sqlalchemy as sa
from alembic import op

revision = '4c1f8ad92e60'
down_revision = '9e40c7a2b3d6'
branch_labels = None
depends_on = None

BATCH_ROWS = 5000

users = sa.table('users', sa.column('id'), sa.column('email'), sa.column('email_key'))


def upgrade() -> None:
    recompute_keys(new_key)


def downgrade() -> None:
    recompute_keys(folded)


def recompute_keys(key_of: Callable[[str], str]) -> None:
    """Store the new keys of email addresses whose domain is not ASCII or has A-labels.

    If another user has the new key already, the row keeps its old key, and a line for the operator
    names both users.
    """
    connection, last = op.get_bind(), 0
    page = sa.select(users).where(users.c.id > sa.bindparam('last')).order_by(users.c.id)
    while rows := connection.execute(page.limit(BATCH_ROWS), {'last': last}).all():
        last = rows[-1].id
        for row in rows:
            key = key_of(row.email)
            if key == row.email_key or not is_affected(row.email):
                continue
            same_key = sa.select(users.c.id).where(users.c.email_key == key)
            other = connection.scalar(same_key)
            if other is not None:
                print(  # noqa: T201 - for the operator
                    f'Users {other} and {row.id} have the same email address:'
                    f' user {row.id} keeps the old key; change one of them.'
                )
                continue
            mine = sa.update(users).where(users.c.id == row.id)
            connection.execute(mine.values(email_key=key))


def is_affected(email: str) -> bool:
    """Return whether the domain is not ASCII or has A-labels."""
    domain = email.rpartition('@')[2].lower()
    return not domain.isascii() or 'xn--' in domain


def new_key(email: str) -> str:
    """Return the case-folded local part, and the domain as A-labels."""
    local, _, domain = email.rpartition('@')
    try:
        return f'{folded(local)}@{idna.encode(domain, uts46=True).decode()}'
    except UnicodeError:
        return folded(email)


def folded(text: str) -> str:
    """Return the old key: the case-folded email address."""
    return unicodedata.normalize('NFKC', text).casefold()
