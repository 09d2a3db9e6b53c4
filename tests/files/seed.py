"""Files of the development database, with tags, versions and share links; some in the trash."""

from io import BytesIO
from typing import Any

from project.core.security.tokens import new_token, token_hash
from project.files import service
from tests.core.images.sample_images import encoded, halves
from tests.seeding import World

from .factories import FileFactory, LinkFactory

WORDS = (
    'account', 'branch', 'column', 'deadline', 'estimate', 'forecast', 'guideline', 'handover',
    'invoice', 'journal', 'kickoff', 'ledger', 'milestone', 'notebook', 'outline', 'proposal',
    'quarter', 'report', 'schedule', 'table', 'update', 'version', 'workshop', 'yearbook',
)  # fmt: skip
TAGS = ('draft', 'final', 'finance', 'meeting', 'personal', 'team', 'überblick')
KINDS = ('md', 'csv', 'txt', 'json', 'html')


def seed_files(world: World) -> None:
    """Create files of all users. Some have several versions, a share link, or are in the trash."""
    for user in world.users:
        for number in range(world.random.randint(2, world.count(6, 9))):
            name = f'{_words(world, 2, "-")}-{number + 1}.{world.random.choice(KINDS)}'
            tags = world.random.sample(TAGS, world.random.randint(0, 3))
            is_trashed = world.random.random() < 0.15
            file = FileFactory(
                owner=user, name=name, content=_content(world, name), tags=tags, trashed=is_trashed
            )
            if not is_trashed:
                _add_versions(world, user, file, name)
                _add_link(world, file)
    world.hints.append('flask files stats')


def seed_pictures(world: World) -> None:
    """Create a picture of each of the first five users, for thumbnails."""
    for number, user in enumerate(world.users[:5]):
        picture = encoded(halves(640 + number, 400)).getvalue()
        FileFactory(owner=user, name='flag of two colours.png', content=picture, tags=['personal'])


def seed_shared_file(world: World) -> None:
    """Create a shared file of the first user, whose link the command prints."""
    owner = world.users[0]
    file = FileFactory(
        owner=owner,
        name='welcome.md',
        content=b'# Welcome\n\nThis file is shared.\n',
        tags=['team'],
    )
    token = new_token(service.links.LINK_TOKEN)
    LinkFactory(file=file, token_hash=token_hash(token))
    world.hints.append(f'curl -s {world.url}/files/shared/{token}/content')


def _add_versions(world: World, owner: Any, file: Any, name: str) -> None:
    if world.random.random() < 0.3:
        for _ in range(world.random.randint(1, 3)):
            service.replace_content(owner.id, file.id, BytesIO(_content(world, name)))


def _add_link(world: World, file: Any) -> None:
    if world.random.random() < 0.15:
        LinkFactory(
            file=file,
            token_hash=token_hash(new_token(service.links.LINK_TOKEN)),
            max_downloads=world.random.choice([None, 10, 100]),
        )


def _content(world: World, name: str) -> bytes:
    """Return a text of some lines in the format that a file name ends with."""
    lines = [_words(world, 6, ' ') for _ in range(world.random.randint(3, 60))]
    if name.endswith('.csv'):
        lines = ['word,amount', *(f'{line.split()[0]},{len(line)}' for line in lines)]
    elif name.endswith('.json'):
        lines = ['[', *(f'  "{line}",' for line in lines), '  ""', ']']
    elif name.endswith('.html'):
        lines = ['<!doctype html>', '<ul>', *(f'<li>{line}</li>' for line in lines), '</ul>']
    elif name.endswith('.md'):
        lines = [f'# {lines[0].capitalize()}', '', *(f'- {line}' for line in lines)]
    return '\n'.join([*lines, '']).encode()


def _words(world: World, count: int, separator: str) -> str:
    return separator.join(world.random.choices(WORDS, k=count))
