"""Factory of files: the bytes are stored, and the owner's usage is updated."""

from datetime import timedelta
from io import BytesIO
from typing import Any

from factory import LazyFunction, Sequence, SubFactory, Trait
from sqlalchemy import update

from project.core.clock import now
from project.core.database.session import atomic, db
from project.files import service
from project.files.models import File
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
