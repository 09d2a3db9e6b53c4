"""Users and roles of the development database."""

from datetime import datetime, timedelta
from itertools import product

from project.core.clock import now
from project.users.permissions import INVITE, READ
from tests.seeding import Login, World

from .factories import AdminFactory, RoleDefinitionFactory, UserFactory

MEMBERS = (
    ('grace', 'Grace Hopper', 'Writes compilers, and finds moths in relays.'),
    ('alan', 'Alan Turing', 'Runs long distances, and machines that halt or do not.'),
    ('katherine', 'Katherine Johnson', 'Computes trajectories by hand.'),
    ('edsger', 'Edsger Dijkstra', 'Considers the shortest path.'),
    ('margaret', 'Margaret Hamilton', 'Leads a team that writes flight software.'),
    ('dennis', 'Dennis Ritchie', ''),
    ('radia', 'Radia Perlman', 'Spans trees. Ελένη calls me Ράδια.'),
    ('barbara', 'Barbara Liskov', 'Substitutes subtypes.'),
)  # fmt: skip
FIRST_NAMES = (
    'Amara', 'Bruno', 'Chiara', 'Daniyar', 'Elif', 'Farid', 'Greta', 'Hiroshi', 'Ines', 'Jonas',
    'Kavya', 'Liam', 'Mei', 'Nadia', 'Oskar', 'Priya', 'Quentin', 'Rosa', 'Søren', 'Tamar',
)  # fmt: skip
LAST_NAMES = (
    'Almeida', 'Becker', 'Chen', 'Dubois', 'Eriksson', 'Fischer', 'García', 'Haddad', 'Ivanova',
    'Jansen', 'Kowalski', 'Larsen', 'Moreau', 'Nguyen', 'Okafor', 'Petrov', 'Rossi', 'Sato',
)  # fmt: skip
ACTIVE_YEARS = 3


def seed_admin(world: World) -> None:
    """Create the administrator `ada`."""
    ada = AdminFactory(
        username='ada', email='ada@example.com', name='Ada Lovelace', created_at=_joined(world)
    )
    world.users.append(ada)
    world.logins.append(Login('ada', 'ada@example.com', description='administrator'))
    world.hints.append('flask users list --limit 5')


def seed_support(world: World) -> None:
    """Create a role of the team, and a user with this role."""
    RoleDefinitionFactory(name='support', permissions=sorted([READ, INVITE]))
    user = UserFactory(
        username='lynn', email='lynn@example.com', name='Lynn Conway', roles=['member', 'support'],
        bio='Answers questions of members.', created_at=_joined(world),
    )  # fmt: skip
    world.users.append(user)
    world.logins.append(Login('lynn', 'lynn@example.com', description='role support'))


def seed_members(world: World) -> None:
    """Create members, one of whom is disabled."""
    for username, name, bio in MEMBERS:
        email = f'{username}@example.com'
        user = UserFactory(
            username=username, email=email, name=name, bio=bio, created_at=_joined(world)
        )
        world.users.append(user)
        world.logins.append(Login(username, email, description='member'))
    UserFactory(
        username='charles', email='charles@example.com', name='Charles Babbage', disabled=True,
        created_at=_joined(world),
    )  # fmt: skip
    world.logins.append(Login('charles', 'charles@example.com', description='disabled'))


def seed_further_members(world: World) -> None:
    """Create 150 more members in a large world, without logins in the printed table."""
    names = [*product(FIRST_NAMES, LAST_NAMES)]
    world.random.shuffle(names)
    for number, (first, last) in enumerate(names[: world.count(0, 150)]):
        user = UserFactory(
            username=f'member{number}', email=f'member{number}@example.com', name=f'{first} {last}',
            created_at=_joined(world),
        )  # fmt: skip
        world.users.append(user)


def _joined(world: World) -> datetime:
    """Return a random time of the last years at which a user was created."""
    return now() - timedelta(days=world.random.uniform(1, ACTIVE_YEARS * 365))
