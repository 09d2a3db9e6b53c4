"""The check of the migrations, for `/readyz` and in more detail for `flask doctor`."""

from collections.abc import Iterator
from functools import cache

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from project.core.checks import (
    CheckResult,
    Finding,
    HealthCheck,
    State,
    listed_names,
    reason_of,
    register_check,
)
from project.core.database.migrations.checks import several_heads
from project.core.database.migrations.folders import feature_of_migration, script_directory
from project.core.database.session import db
from project.core.development.unknown_revisions import explain_unknown_revisions

# Loading the migrations takes 10 ms, and `/readyz` runs the check each second.
loaded_migrations = cache(script_directory)


def check_migrations() -> CheckResult:
    """Compare the migrations of the database with those of the code.

    :returns: `ok`, `behind` or `ahead`; `unknown` if the database fails. In development, the
        details name the git branch of unknown migrations.
    """
    try:
        heads = database_heads()
    except SQLAlchemyError as error:
        return CheckResult('unknown', reason=reason_of(error))
    state = migration_state(loaded_migrations(), heads)
    if state == 'ok' or not current_app.config['DEVELOPMENT']:
        return CheckResult(state)
    if reason := explain_unknown_revisions():
        return CheckResult(state, {'reason': reason}, reason)
    return CheckResult(state, reason='flask db upgrade')


def inspect_migrations() -> Iterator[Finding]:
    """Name the pending and the unknown revisions of the database, and features with two heads.

    :raises SQLAlchemyError: if the database fails.
    """
    heads = database_heads()
    yield from migration_findings(loaded_migrations(), heads, explain_unknown_revisions())


def database_heads() -> set[str]:
    """Return the newest revisions of the current database."""
    with db.engine.connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads())


def migration_state(script: ScriptDirectory, heads: set[str]) -> str:
    """Compare the revisions of a database with the migrations of this code.

    :param heads: the newest revisions of the database.
    :returns: `ok`, `behind`, or `ahead` if a newer version of the service has migrated the
        database.
    """
    known = {revision.revision for revision in script.walk_revisions()}
    if newer := heads - known:
        # Revisions that this code does not have are from newer code. If one of the other revisions
        # is not a head of this code, its feature has not been migrated completely: `behind`.
        return 'behind' if heads - newer - set(script.get_heads()) else 'ahead'
    reached = {revision.revision for revision in script.iterate_revisions(tuple(heads), 'base')}
    return 'ok' if reached == known else 'behind'


def migration_findings(
    script: ScriptDirectory, heads: set[str], explanation: str | None
) -> Iterator[Finding]:
    """Compare the revisions of a database with the migrations of the code, in detail.

    :param heads: the newest revisions of the database.
    :param explanation: one line about unknown revisions, with their remedy, if there are any.
    """
    for fault in several_heads(script):
        seen = f'{fault.path}: {fault.operation}: {fault.reason}'
        yield Finding(State.FAILED, seen, f'`{fault.remedy}`')
    if explanation:
        yield Finding(State.WARNING, explanation, remedy='')
    state = migration_state(script, heads)
    if state == 'behind':
        yield Finding(State.FAILED, f'pending: {listed_names(pending_migrations(script, heads))}')
    elif state == 'ok':
        count = len(list(script.walk_revisions()))
        yield Finding(State.OK, f'{count} migrations, at the newest version of each feature')


def pending_migrations(script: ScriptDirectory, heads: set[str]) -> list[str]:
    """Return feature and revision of the migrations that the database lacks, in their order.

    An unknown revision has replaced the last known one of its feature. So if there are unknown
    revisions, only the features with a known one are compared.

    :param heads: the newest revisions of the database.
    """
    known = {each.revision: each for each in script.walk_revisions()}
    found = heads & known.keys()
    compared = {feature_of_migration(known[name]) for name in found}
    reached = {each.revision for each in script.iterate_revisions(tuple(found), 'base')}
    return [
        f'{feature_of_migration(migration)} {name}'
        for name, migration in reversed(known.items())
        if name not in reached and (found == heads or feature_of_migration(migration) in compared)
    ]


register_check(
    'migrations',
    HealthCheck(
        function=check_migrations,
        is_critical=True,
        inspect=inspect_migrations,
        remedy='`flask db upgrade`',
    ),
    owner=__name__,
)
