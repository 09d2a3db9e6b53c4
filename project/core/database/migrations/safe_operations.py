"""Generated operations that are safe during traffic, and how they are written to a file.

On PostgreSQL, a new index of an existing table is created concurrently, and a new constraint is
added without a check of the rows, which follows later.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from .enum_types import operations_of_enums

AUTOCOMMIT = 'with op.get_context().autocommit_block():'
IF_POSTGRESQL = "if op.get_context().dialect.name == 'postgresql':"


class Changes(NamedTuple):
    """The operations of one migration.

    :param suffix: the text that follows the message of the developer.
    """

    operations: list[Any]
    suffix: str = ''


class ConcurrentIndexOp(ops.MigrateOperation):
    """The creation of an index without a lock that blocks writes."""

    def __init__(self, index: ops.CreateIndexOp) -> None:
        """Store the creation of the index."""
        self.index = index
        index.kw['postgresql_concurrently'] = True

    def reverse(self) -> ops.MigrateOperation:
        """Return the deletion of the index."""
        return ops.DropIndexOp(str(self.index.index_name), self.index.table_name)


class UniqueIndexOp(ops.MigrateOperation):
    """The creation of the index of a unique constraint, without a lock, on PostgreSQL only."""

    def __init__(self, constraint: ops.CreateUniqueConstraintOp) -> None:
        """Store the addition of the constraint."""
        self.constraint = constraint

    def reverse(self) -> ops.MigrateOperation:
        """Return no operation: the deletion of the constraint deletes its index."""
        return ops.ModifyTableOps(self.constraint.table_name, [])


class UniqueIndexConstraintOp(ops.MigrateOperation):
    """The addition of a unique constraint that uses the index of a `UniqueIndexOp`."""

    def __init__(self, constraint: ops.CreateUniqueConstraintOp) -> None:
        """Store the addition of the constraint."""
        self.constraint = constraint

    def reverse(self) -> ops.MigrateOperation:
        """Return the deletion of the constraint."""
        return ops.ModifyTableOps(self.constraint.table_name, [self.constraint.reverse()])


class ValidateConstraintOp(ops.MigrateOperation):
    """The check of all rows for a constraint that was added without a check."""

    def __init__(self, table: str, name: str) -> None:
        """Store the names of the table and of the constraint."""
        self.table, self.name = table, name

    def reverse(self) -> ops.MigrateOperation:
        """Return no operation: the deletion of the constraint belongs to another migration."""
        return ops.ModifyTableOps(self.table, [])


def separated(operations: list[Any]) -> Iterator[Changes]:
    """Yield the operations of each migration in safe form.

    Statements that commit immediately are in a second migration. So if it is interrupted, the
    first one is complete, and the second one can run again.
    """
    created = {each.table_name for each in operations if isinstance(each, ops.CreateTableOp)}
    first: list[Any] = []
    later: list[Any] = []
    enums: set[str] = set()
    for operation in operations:
        if isinstance(operation, ops.CreateTableOp | ops.ModifyTableOps):
            first += operations_of_enums(operation, enums)
        if isinstance(operation, ops.ModifyTableOps) and operation.table_name not in created:
            kept = [each for each in operation.ops if not _is_moved(each)]
            for each in operation.ops:
                later += _safe(each) if _is_moved(each) else []
            later += _validations(kept)
            if kept:
                first.append(ops.ModifyTableOps(operation.table_name, kept))
        else:
            first.append(operation)
    if first or not later:
        yield Changes(first)
    if later:
        # The creation of an index commits the statements before it, which could not run again.
        indexes = [each for each in later if isinstance(each, ConcurrentIndexOp | UniqueIndexOp)]
        others = [each for each in later if each not in indexes]
        yield Changes([*indexes, *others], ' without locks' if first else '')


def _is_moved(operation: Any) -> bool:
    return isinstance(operation, ops.CreateIndexOp | ops.CreateUniqueConstraintOp)


def _safe(operation: Any) -> list[ops.MigrateOperation]:
    if isinstance(operation, ops.CreateIndexOp):
        return [ConcurrentIndexOp(operation)]
    return [UniqueIndexOp(operation), UniqueIndexConstraintOp(operation)]


def _validations(operations: list[Any]) -> Iterator[ValidateConstraintOp]:
    """Mark new foreign keys as not validated, and yield the operations that validate them."""
    for operation in operations:
        if isinstance(operation, ops.CreateForeignKeyOp):
            operation.kw['postgresql_not_valid'] = True
            yield ValidateConstraintOp(operation.source_table, str(operation.constraint_name))


# In the lists below, Alembic indents the lines after a colon, until an empty line.


@renderers.dispatch_for(ConcurrentIndexOp)
def _render_index(context: AutogenContext, operation: ConcurrentIndexOp) -> list[str]:
    return [AUTOCOMMIT, *render_op(context, operation.index), '']


@renderers.dispatch_for(UniqueIndexOp)
def _render_unique_index(context: AutogenContext, operation: UniqueIndexOp) -> list[str]:
    added = operation.constraint
    index = ops.CreateIndexOp(
        str(added.constraint_name), added.table_name, list(added.columns), unique=True
    )
    return [IF_POSTGRESQL, *_render_index(context, ConcurrentIndexOp(index)), '']


@renderers.dispatch_for(UniqueIndexConstraintOp)
def _render_unique(context: AutogenContext, operation: UniqueIndexConstraintOp) -> list[str]:
    added = operation.constraint
    table, name = added.table_name, str(added.constraint_name)
    sql = f'ALTER TABLE {_quoted(table)} ADD CONSTRAINT {_quoted(name)} UNIQUE USING INDEX '
    return [
        IF_POSTGRESQL,
        f'op.execute({sql + _quoted(name)!r})',
        'else:',
        *render_op(context, ops.ModifyTableOps(table, [added])),
        '',
    ]


@renderers.dispatch_for(ValidateConstraintOp)
def _render_validation(_context: AutogenContext, operation: ValidateConstraintOp) -> list[str]:
    table, name = _quoted(operation.table), _quoted(operation.name)
    sql = f'ALTER TABLE {table} VALIDATE CONSTRAINT {name}'
    return [IF_POSTGRESQL, f'op.execute({sql!r})', '']


def _quoted(name: str) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return str(dialect.identifier_preparer.quote(name))
