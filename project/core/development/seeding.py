"""Creation of rows for development, with the factories of the tests."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sqlalchemy.exc import IntegrityError

from project.core.clock import now, rfc3339
from project.core.database.shared_values import find_value, insert_value
from project.core.git_repository import ROOT

from . import DevelopmentError

# The row that prevents a second seed. Its value is the time of the first one.
SEED_NAME = 'development_seed'


class SeedImpossible(DevelopmentError):
    """The database cannot be seeded. The message is one line with the remedy."""


def import_seeding() -> Any:
    """Return the module `tests.seeding`. The service itself never imports tests.

    :raises SeedImpossible: if the tests or their packages are not installed.
    """
    if not (ROOT / 'tests' / 'seeding.py').is_file():
        raise SeedImpossible('the folder tests is missing: run this command in the repository')
    if find_spec('factory') is None:
        raise SeedImpossible('the factories need factory-boy: make tools')
    try:
        return import_module('tests.seeding')
    except ModuleNotFoundError as error:
        raise SeedImpossible(f'{error}: run this command in the folder {ROOT}') from error


def seed_database(number: int, *, is_large: bool) -> str:
    """Create the rows of all features; return the logins and hints for the terminal.

    :param number: the start of the random choices. The same number makes the same choices.
    :raises SeedImpossible: if the database was seeded before, or has conflicting rows.
    """
    seeding = import_seeding()
    if (moment := find_value(SEED_NAME)) is not None:
        raise SeedImpossible(
            f'the database was seeded at {moment.decode()}: flask db reset --seed deletes all data '
            'and seeds again'
        )
    insert_value(SEED_NAME, rfc3339(now()).encode())
    try:
        return str(seeding.report_of(seeding.seed_features(number, is_large=is_large)))
    except IntegrityError as error:
        reason = str(error.orig).splitlines()[0]
        raise SeedImpossible(
            f'the database has other rows: {reason}: flask db reset --seed'
        ) from error
