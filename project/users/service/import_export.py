"""Import and export of many users, without passwords."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from project.core.clock import now
from project.core.database.keyset_pagination import iterate_pages
from project.core.database.session import atomic, db
from project.core.database.upsert import insert_or_ignore
from project.core.errors import ApiError
from project.users.errors import EmailTaken, RoleUnknown, UsernameReserved, UsernameTaken
from project.users.models import RoleDefinition, User, UserRole, email_key
from project.users.name_patterns import RESERVED_USERNAMES
from project.users.rows import UserRow
from project.users.signals import users_created

from .users import list_users


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not imported: its index in the given rows, the column and the reason."""

    row: int
    column: str
    reason: str


class _DryRunRollback(Exception):
    """Raised at the end of a dry run, to roll back its transaction."""


def import_users(
    rows: Sequence[Mapping[str, Any]], *, invite: bool = True, dry_run: bool = False
) -> list[RejectedRow]:
    """Create many users in one transaction and return the rejected rows.

    Rows with a taken or reserved username, a taken email address or an unknown role are rejected.
    The other users are created and invited together, or none of them if an error occurs.

    :param rows: validated mappings of `username` in lower case, `email`, `name`, `bio` and `roles`.
    :param dry_run: if true, the transaction is rolled back, so that no user is created.
    """
    rejected: list[RejectedRow] = []
    with suppress(_DryRunRollback), atomic():
        known = RoleDefinition.lock_for_share(role for row in rows for role in row['roles'])
        fit: dict[str, tuple[int, Mapping[str, Any]]] = {}
        for number, row in enumerate(rows):
            if error := _error_of(row, known, fit):
                rejected.append(_rejected_row(number, error))
            else:
                fit[row['username']] = number, row
        ids = _insert(row for _, row in fit.values())
        missed = [each for name, each in fit.items() if name not in ids]
        rejected += [_rejected_row(number, _taken_error(row)) for number, row in missed]
        _give_roles(fit, ids)
        if ids:
            users_created.send('users', user_ids=list(ids.values()), invite=invite, by=None)
        if dry_run:
            raise _DryRunRollback
    return sorted(rejected, key=lambda each: each.row)


def export_users() -> Iterator[UserRow]:
    """Yield all users in the order of their ids, reading page by page."""
    return iterate_pages(list_users)


def _error_of(row: Mapping[str, Any], known: set[str], before: Container[str]) -> ApiError | None:
    if row['username'] in before:
        return UsernameTaken()
    if row['username'] in RESERVED_USERNAMES:
        return UsernameReserved()
    return None if known.issuperset(row['roles']) else RoleUnknown()


def _insert(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Insert users. Skip rows whose username or email address is taken.

    :returns: the ids of the inserted users by username.
    """
    moment = now()
    values = [
        {
            'username': row['username'],
            'email': row['email'],
            'email_key': email_key(row['email']),
            'name': row['name'],
            'bio': row['bio'],
            'created_at': moment,
            'updated_at': moment,
        }
        for row in rows
    ]
    if not values:
        return {}
    made = insert_or_ignore(User).returning(User.id, User.username)
    return {row.username: row.id for row in db.session.execute(made, values)}


def _give_roles(fit: Mapping[str, tuple[int, Mapping[str, Any]]], ids: Mapping[str, int]) -> None:
    given = [
        {'user_id': user_id, 'role': role}
        for name, user_id in ids.items()
        for role in set(fit[name][1]['roles'])
    ]
    if given:
        db.session.execute(insert(UserRole), given)


def _taken_error(row: Mapping[str, Any]) -> ApiError:
    """Return the error for a row that was not inserted: its username or email address is taken."""
    named = select(User.id).where(User.username == row['username'])
    return UsernameTaken() if db.session.scalar(named) else EmailTaken()


def _rejected_row(number: int, error: ApiError) -> RejectedRow:
    return RejectedRow(number, error.field, str(error))
