"""Commands that list and count rare books."""

import click

from project.book_club import service
from project.core.cli.toolkit import FeatureGroup, as_json, limit_option, print_rows
from project.core.database.keyset_pagination import PageRequest
from project.users import service as users

from . import book_club_cli

rare_books_cli = FeatureGroup('rare-books', help='Manage rare books.')
book_club_cli.add_command(rare_books_cli)

COLUMNS = (
    'id',
    'title',
    'shelf_mark',
    'subtitle',
    'page_count',
    'price',
    'signed',
    'printed_on',
    'found_at',
    'lot',
    'details',
    'condition',
    'dealer_id',
    'created_at',
)


@rare_books_cli.command('list')
@click.argument('user')
@limit_option
@as_json
def rare_books_list(user: str, limit: int, as_json: bool) -> None:
    """List the rare books of a user, newest first."""
    owner_id = users.get_user_by_login(user).id
    page = service.list_rare_books(owner_id, PageRequest(limit=limit))
    print_rows((row._asdict() for row in page.items), COLUMNS, as_json=as_json)


@rare_books_cli.command('stats')
@as_json
def rare_books_stats(as_json: bool) -> None:
    """Count the rare books of all users."""
    counts = {'rare_books': service.count_rare_books()}
    print_rows([counts], ('rare_books',), as_json=as_json, one=True)
