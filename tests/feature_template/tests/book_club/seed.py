"""Rows of the development database: `flask db seed`."""

from tests.seeding import World

from .factories import RareBookFactory


def seed_rare_books(world: World) -> None:
    """Create rare books of some users."""
    for user in world.users[: world.count(5, 100)]:
        for _ in range(world.random.randint(1, 5)):
            RareBookFactory(
                owner=user,
                dealer=world.random.choice(world.users),
            )
    world.hints.append(f'flask book-club rare-books list {world.users[0].username}')
