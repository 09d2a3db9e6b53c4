"""Alembic's environment for `flask db`: runs migrations, and generates one per feature.

Each feature has its own branch label and folder, so that migrations of two teams do not conflict.
To remove a feature, run `flask db downgrade <feature>@base`.
"""

from typing import Any

from alembic import context
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Connection

from project.core.database import engines
from project.core.database.migrations import autogeneration, running
from project.core.database.session import db

extension = current_app.extensions['migrate']


def split_by_feature(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Replace a generated migration by those of the features."""
    autogeneration.split_by_feature(context.config, directives)


def run_migrations() -> None:
    """Run the migrations while no other process does."""
    with db.engine.connect() as connection, running.exclusive(connection):
        connection.execution_options(**engines.write_execution_options(db.engine))
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            process_revision_directives=split_by_feature,
            render_item=autogeneration.render_item,
            include_name=autogeneration.include_name,
            transaction_per_migration=True,
            **extension.configure_args,
        )
        running.run_with_retries(connection, lambda: run_in_transactions(connection))


def run_in_transactions(connection: Connection) -> None:
    """Run the migrations that the database does not have yet, each in its own transaction."""
    try:
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()


if context.is_offline_mode():
    raise CommandError('Migrations cannot run offline: they inspect the database.')
run_migrations()
