"""Factories of files (bytes are stored, and the owner's usage is updated), versions and links."""

from datetime import timedelta
from io import BytesIO
from typing import Any

from factory import LazyAttribute, LazyFunction, Sequence, SubFactory, Trait
from sqlalchemy import update

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.security.tokens import token_hash
from project.files import service
from project.files.models import File, Link, Version
from tests.factories import ModelFactory
from tests.users.factories import UserFactory


class FileFactory(ModelFactory):
    """A text file of a user. The service stores it, so the row and the bytes match.

    `FileFactory(owner=user, content=b'…')`. `FileFactory(trashed=True)` is in the trash;
    `FileFactory(expired=True)` has been in the trash for longer than `FILES_TRASH_LIFETIME`.
    """

    class Meta:
        model = File

    class Params:
        trashed = Trait(trashed_at=LazyFunction(now))
        expired = Trait(trashed_at=LazyFunction(lambda: now() - timedelta(days=31)))

    owner = SubFactory(UserFactory)
    name = Sequence(lambda n: f'file{n}.txt')
    content = Sequence(lambda n: f'These are the bytes of file {n}.'.encode())
    tags = ()

    @classmethod
    def _create(cls, model_class: Any, *_: Any, **given: Any) -> Any:
        owner_id, stream = given.pop('owner').id, BytesIO(given.pop('content'))
        file = service.store_file(owner_id, stream, name=given.pop('name'), tags=given.pop('tags'))
        if given:
            with atomic():
                db.session.execute(update(File).where(File.id == file.id).values(**given))
        return service.get_file(owner_id, file.id)


class VersionFactory(ModelFactory):
    """Row of a former version of a file, with the bytes of the current one."""

    class Meta:
        model = Version

    class Params:
        file = SubFactory(FileFactory)

    file_id = LazyAttribute(lambda version: version.file.id)
    number = Sequence(lambda n: n + 1000)
    size = LazyAttribute(lambda version: version.file.size)
    type = 'text/plain'
    sha256 = LazyAttribute(lambda version: version.file.sha256)


class LinkFactory(ModelFactory):
    """Share link to a file."""

    class Meta:
        model = Link

    class Params:
        file = SubFactory(FileFactory)

    file_id = LazyAttribute(lambda link: link.file.id)
    token_hash = Sequence(lambda n: token_hash(f'link{n}'))
