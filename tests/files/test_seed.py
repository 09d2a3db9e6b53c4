"""The files of `flask db seed`."""

from random import Random

from sqlalchemy import select

from project.core.database.session import db
from project.files import service
from project.files.models import File, Link, Version
from tests.files import seed
from tests.seeding import World, functions_of
from tests.users.factories import UserFactory


class TestSeed:
    def test_creates_consistent_files_versions_links_and_trash(self):
        world = World(Random(1), is_large=False, users=[UserFactory() for _ in range(6)])

        for function in functions_of(seed):
            function(world)

        assert [issue for issue in service.check_integrity() if issue] == []
        assert db.session.scalars(select(File.id).where(File.trashed_at.is_not(None))).first()
        assert db.session.scalars(select(Version.file_id).where(Version.number > 1)).first()
        assert db.session.scalars(select(Link.id)).first()

    def test_creates_the_same_files_for_the_same_number(self):
        found = []
        for number in (1, 1, 2):
            owner = UserFactory()
            seed.seed_files(World(Random(number), is_large=False, users=[owner]))
            rows = select(File.name, File.sha256).where(File.owner_id == owner.id)
            found.append(set(db.session.execute(rows)))

        assert found[0] == found[1] != found[2]
