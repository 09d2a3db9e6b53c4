"""Share links: downloads of one file without login.

A link may have an expiry, a maximum number of downloads and a password. It becomes invalid when the
file or the owner is deleted, or when the owner loses the permission to read files.
"""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import delete, or_, select, update

from project.core.clock import now
from project.core.database.keyset_pagination import Page, PageRequest
from project.core.database.session import atomic, db, non_atomic
from project.core.security.password_hashing import hash_password, verify_password
from project.core.security.principal import Principal
from project.core.security.tokens import TokenKind, new_token, register_token_kind, token_hash
from project.core.storage import StoredObject
from project.core.throttling import ATTEMPT_PERIOD, MAX_ATTEMPTS, AttemptCounter
from project.files.errors import ExpiryPast, LinkNotFound, LinkPasswordWrong, TooManyLinks
from project.files.models import LINKS, LINKS_OF_FILE, File, Link
from project.files.permissions import READ
from project.files.rows import CreatedLink, LinkRow, ListedLinkRow, OwnedFileRow
from project.users import service as users
from project.users.signals import credential_created, credential_deleted

from .files import get_file, get_untrashed, lock_file
from .malware_scanning import open_if_clean

LINK_TOKEN, LINK = 'psl', 'share link'
MAX_LINKS_PER_FILE = 50

LINK_PASSWORD = AttemptCounter(
    name='link',
    owner=__name__,
    scope='share link with a password',
    limit=MAX_ATTEMPTS,
    period=ATTEMPT_PERIOD,
    recovery='The owner of the file needs no link, and can create another one.',
    command='flask files unlock-link LINK_ID',
)


def create_link(
    by: Principal,
    file_id: UUID,
    *,
    expires_at: datetime | None = None,
    password: str | None = None,
    max_downloads: int | None = None,
) -> CreatedLink:
    """Create a share link to a file of the caller; return the link with its token.

    Only this function returns the token. A link grants read access. So the caller must have the
    permission `files:read`; an API key that only has `files:write` cannot create a link.

    :raises FileNotFound: if the caller has no such file, or it is in the trash.
    :raises PrivilegeEscalation: if the session or API key of the caller lacks `files:read`.
    :raises ExpiryPast: if `expires_at` is in the past.
    :raises TooManyLinks: if the file has 50 links.
    """
    get_untrashed(by.user_id, file_id)
    users.ensure_holds_all_permissions(by, [READ])
    if expires_at and expires_at <= now():
        raise ExpiryPast
    password_hash = hash_password(password) if password else None
    token = new_token(LINK_TOKEN)
    link = Link(
        id=uuid4(), file_id=file_id, token_hash=token_hash(token), password_hash=password_hash,
        created_at=now(), expires_at=expires_at, max_downloads=max_downloads, downloads=0,
    )  # fmt: skip
    _add(by.user_id, link)
    return {
        'id': link.id, 'created_at': link.created_at, 'expires_at': expires_at,
        'max_downloads': max_downloads, 'downloads': 0, 'has_password': password_hash is not None,
        'token': token,
    }  # fmt: skip


def list_links(owner_id: int, file_id: UUID, page: PageRequest) -> Page[ListedLinkRow]:
    """Return a page of the share links of the owner's file, or raise FileNotFound."""
    get_file(owner_id, file_id)
    return LINKS.page(LINKS_OF_FILE, page, file_id=file_id)


@atomic()
def delete_link(owner_id: int, link_id: UUID) -> None:
    """Delete a share link to one of the owner's files, or raise LinkNotFound."""
    mine = select(File.id).where(File.owner_id == owner_id)
    gone = delete(Link).where(Link.id == link_id, Link.file_id.in_(mine)).returning(Link.id)
    if db.session.execute(gone).one_or_none() is None:
        raise LinkNotFound
    credential_deleted.send('files', user_id=owner_id, kind=LINK, credential=link_id)


@non_atomic
def resolve_link(token: str, password: str | None = None) -> tuple[LinkRow, OwnedFileRow]:
    """Return the share link that has this token, and its file.

    :raises LinkNotFound: if the link does not exist, is expired or used up, or its owner lacks
        `files:read`.
    :raises LinkPasswordWrong: if the link has a password, and `password` is another one or None.
    :raises TooManyAttempts: after ten wrong passwords in 15 minutes; `password` is not checked.
    """
    link = Link.find_live(token_hash(token))
    if link is None or READ not in users.find_permissions(link.owner_id):
        raise LinkNotFound
    if link.password_hash is not None:
        _check_password(link, password)
    return link, get_untrashed(link.owner_id, link.file_id)


def open_shared(
    token: str, password: str | None = None
) -> tuple[LinkRow, OwnedFileRow, StoredObject]:
    """Return a share link, its file, and the content of the file opened for reading.

    Raises the same errors as `resolve_link` and `check_clean`.
    """
    link, file = resolve_link(token, password)
    return link, file, open_if_clean(file)


def count_download(link: LinkRow, stream: StoredObject) -> None:
    """Count a download. If the maximum is reached, close the stream and raise LinkNotFound."""
    if not _count(link.id):
        stream.close()
        raise LinkNotFound


@atomic()
def unlock_link(link_id: UUID) -> bool:
    """Reset the counter of wrong passwords of a link; return whether it was above 0.

    :raises LinkNotFound: if the link does not exist.
    """
    if db.session.scalar(select(Link.id).where(Link.id == link_id)) is None:
        raise LinkNotFound
    return LINK_PASSWORD.reset(str(link_id))


def find_link_owner(token: str) -> int | None:
    """Return the id of the user whose file a link shares; None if the token is unknown."""
    owner = select(File.owner_id).join(Link, Link.file_id == File.id)
    owner_id: int | None = db.session.scalar(owner.where(Link.token_hash == token_hash(token)))
    return owner_id


@atomic()
def revoke_link(token: str) -> None:
    """Delete the share link that has this token, if there is one."""
    db.session.execute(delete(Link).where(Link.token_hash == token_hash(token)))


register_token_kind(TokenKind(LINK_TOKEN, LINK, find_link_owner, revoke_link), owner=__name__)


def _check_password(link: LinkRow, password: str | None) -> None:
    if password is None:
        raise LinkPasswordWrong
    LINK_PASSWORD.consume(str(link.id))
    if not verify_password(link.password_hash, password):
        raise LinkPasswordWrong
    LINK_PASSWORD.refund(str(link.id))


@atomic()
def _count(link_id: UUID) -> bool:
    """Return whether a download was counted. The same statement checks the maximum."""
    is_left = or_(Link.max_downloads.is_(None), Link.downloads < Link.max_downloads)
    one = update(Link).where(Link.id == link_id, is_left).values(downloads=Link.downloads + 1)
    return db.session.execute(one.returning(Link.id)).one_or_none() is not None


@atomic()
def _add(owner_id: int, link: Link) -> None:
    # Without the lock, two calls could both add the 50th link, or add links to a deleted file.
    lock_file(owner_id, link.file_id)
    there = select(Link.id).where(Link.file_id == link.file_id).limit(MAX_LINKS_PER_FILE)
    if len(db.session.scalars(there).all()) >= MAX_LINKS_PER_FILE:
        raise TooManyLinks
    db.session.add(link)
    credential_created.send('files', user_id=owner_id, kind=LINK, credential=link.id)
