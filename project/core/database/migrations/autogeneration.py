"""Generated migrations: one per feature, in a form that is safe during traffic.

`flask db migrate` compares all models with the database. Its operations are divided by the feature
of their table. Those that must not run in the transaction of the others get a second migration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations import ops
from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id
from sqlalchemy import TypeDecorator

from project.core.registration import owner_of_name

from .folders import heads_by_feature
from .safe_operations import Changes, separated
from .table_features import VERSIONS, features, is_foreign, is_kept, tables


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Return whether a table or a part of one in the database is compared with the models."""
    return not (kind == 'table' and name and (is_kept(name) or is_foreign(name)))


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | bool:
    """Render our column types as database types: migrations must not depend on our classes."""
    if kind == 'type' and isinstance(item, TypeDecorator):
        return f'sa.{item.impl!r}'
    return False


def split_by_feature(config: Config, directives: list[Any]) -> None:
    """Replace a generated migration by those of the features, each on the branch of its feature.

    :raises CommandError: if a changed feature has several heads.
    """
    if not getattr(config.cmd_opts, 'autogenerate', False):  # `flask db check` needs one script.
        return
    [script] = directives
    changes: dict[str, list[Any]] = {}
    for operation in script.upgrade_ops.ops:
        changes.setdefault(_feature_of(operation.table_name), []).append(operation)
    plan = _Plan(script.message, _single_heads(config, set(changes)))
    needs = {
        feature: {_feature_of(table) for table in _referred_tables(operations)} - {feature}
        for feature, operations in changes.items()
    }
    # Features on which others depend come first, because their revision must exist before.
    in_order = [name for name in TopologicalSorter(needs).static_order() if name in changes]
    directives[:] = [
        migration
        for name in in_order
        for migration in plan.migrations(name, changes[name], needs[name])
    ]


def _feature_of(table: str) -> str:
    """Return the feature of a table: that of its model, else the longest name that is a prefix."""
    known = tables()
    if table in known:
        return known[table]
    owner = owner_of_name(table, {*features(), *(path.name for path in VERSIONS.iterdir())})
    if owner is None:
        raise CommandError(f'The table {table} must begin with the name of its feature.')
    return owner


def _single_heads(config: Config, changed: set[str]) -> dict[str, str]:
    """Return the newest revision of each feature in the migration files."""
    found = heads_by_feature(ScriptDirectory.from_config(config))
    for feature in sorted(changed):
        if len(found.get(feature, ())) > 1:
            raise CommandError(
                f'{feature} has {len(found[feature])} heads. Run: flask db merge {feature}; '
                'flask db upgrade'
            )
    return {feature: heads[0].revision for feature, heads in found.items()}


@dataclass(slots=True)
class _Plan:
    """The migrations that a command generates.

    :param heads: the newest revision of each feature; the generated ones are added.
    """

    message: str
    heads: dict[str, str]

    def migrations(
        self, feature: str, operations: list[Any], needs: set[str]
    ) -> Iterator[ops.MigrationScript]:
        """Yield the new migrations of a feature. The first one ever creates the branch."""
        # The migration depends on those of other features that create the referenced tables: in an
        # empty database, these must run first.
        depends_on = sorted(self.heads[other] for other in needs)
        for changes in separated(operations):
            yield self._migration(feature, changes, depends_on)
            depends_on = []

    def _migration(
        self, feature: str, changes: Changes, depends_on: list[str]
    ) -> ops.MigrationScript:
        is_first = feature not in self.heads
        upgrade = ops.UpgradeOps(changes.operations)
        self.heads[feature] = rev_id()
        return ops.MigrationScript(
            rev_id=self.heads[feature],
            message=f'{self.message}{changes.suffix}' if self.message else changes.suffix.strip(),
            upgrade_ops=upgrade,
            downgrade_ops=upgrade.reverse_into(ops.DowngradeOps([])),
            head='base' if is_first else f'{feature}@head',
            branch_label=feature if is_first else None,
            version_path=str(VERSIONS / feature),
            depends_on=depends_on or None,
        )


def _referred_tables(operations: list[Any]) -> Iterator[str]:
    """Yield the names of the tables that new foreign keys reference."""
    for operation in operations:
        if isinstance(operation, ops.CreateTableOp):
            for key in operation.to_table().foreign_keys:
                yield key.target_fullname.split('.')[0]
        elif isinstance(operation, ops.CreateForeignKeyOp):
            yield operation.referent_table
        elif isinstance(operation, ops.ModifyTableOps):
            yield from _referred_tables(operation.ops)
