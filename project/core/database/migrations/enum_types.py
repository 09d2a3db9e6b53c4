"""The enumerated types of PostgreSQL in generated migrations.

Alembic creates such a type with a new table, but not with a new column, and never deletes it. On
other databases the operations have no effect.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops


class CreateEnumOp(ops.MigrateOperation):
    """The creation of a type."""

    def __init__(self, enum: sa.Enum) -> None:
        """Store the type."""
        self.enum = enum

    def reverse(self) -> ops.MigrateOperation:
        """Return the deletion of the type."""
        return DropEnumOp(self.enum)


class DropEnumOp(CreateEnumOp):
    """The deletion of a type."""

    def reverse(self) -> ops.MigrateOperation:
        """Return the creation of the type."""
        return CreateEnumOp(self.enum)


class KeepEnumOp(CreateEnumOp):
    """No statement: the creation of a table creates the type. The reverse deletes the type."""


def operations_of_enums(operation: Any, created: set[str]) -> Iterator[ops.MigrateOperation]:
    """Yield the operations for the types of a new table or of new columns, before it creates them.

    :param created: the names of the types that the migration creates; the new ones are added.
    """
    is_table = isinstance(operation, ops.CreateTableOp)
    columns = (
        [each for each in operation.columns if isinstance(each, sa.Column)]
        if is_table
        else [each.column for each in operation.ops if isinstance(each, ops.AddColumnOp)]
    )
    for column in columns:
        enum = column.type.impl if isinstance(column.type, sa.TypeDecorator) else column.type
        if isinstance(enum, sa.Enum) and enum.native_enum and enum.name not in created:
            created.add(str(enum.name))
            yield KeepEnumOp(enum) if is_table else CreateEnumOp(enum)


@renderers.dispatch_for(CreateEnumOp)
def _render_create(_context: AutogenContext, operation: CreateEnumOp) -> list[str]:
    return [f'sa.{operation.enum!r}.create(op.get_bind(), checkfirst=True)']


@renderers.dispatch_for(DropEnumOp)
def _render_drop(_context: AutogenContext, operation: DropEnumOp) -> list[str]:
    return [f'sa.{operation.enum!r}.drop(op.get_bind(), checkfirst=True)']


@renderers.dispatch_for(KeepEnumOp)
def _render_nothing(_context: AutogenContext, _operation: KeepEnumOp) -> list[str]:
    return []
