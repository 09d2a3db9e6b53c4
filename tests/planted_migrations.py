"""Migrations in a temporary folder, for tests of the rules for migrations."""

from pathlib import Path
from textwrap import indent

from alembic.script import ScriptDirectory

from project.core.database.migrations.checks import find_faults
from project.core.database.migrations.folders import ROOT

HEAD = """import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {after!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}
{variables}

def upgrade() -> None:
{body}

def downgrade() -> None:
{down}
"""
TABLE = """op.create_table(
    {name!r},
    sa.Column('id', sa.Integer(), primary_key=True),
    sa.Column('color', sa.String(20)),
)"""


class Migrations:
    """A folder of migrations: the features `shelves` and `books` have one migration each."""

    def __init__(self, folder: Path) -> None:
        """Write the first migrations."""
        self.folder = folder
        self.count = 0
        for feature in ('shelves', 'books'):
            self.add(
                TABLE.format(name=feature), feature, after=None, labels=(feature,),
                down=f'op.drop_table({feature!r})',
            )  # fmt: skip

    def add(
        self,
        body: str,
        feature: str = 'books',
        *,
        after: str | None = '',
        labels: tuple[str, ...] | None = None,
        depends_on: str | None = None,
        variables: str = '',
        down: str = 'pass',
    ) -> str:
        """Write a migration, and return its revision.

        :param after: the revision before it; by default that of the first migration.
        """
        self.count += 1
        revision = f'{feature}{self.count}' if after is not None else f'{feature}0'
        path = self.folder / 'versions' / feature / f'20990101_{revision}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            HEAD.format(
                revision=revision,
                after=f'{feature}0' if after == '' else after,
                labels=labels,
                depends_on=depends_on,
                variables=variables,
                body=indent(body, '    '),
                down=indent(down, '    '),
            )
        )
        return revision

    def script(self) -> ScriptDirectory:
        """Return Alembic's object for the folder."""
        locations = [str(path) for path in sorted((self.folder / 'versions').iterdir())]
        return ScriptDirectory(str(ROOT / 'migrations'), version_locations=locations)

    def faults(self) -> list[str]:
        """Return the lines that `flask db check` prints."""
        return [str(fault) for fault in find_faults(self.script())]
