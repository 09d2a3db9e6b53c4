"""Merge core."""

import sqlalchemy as sa
from alembic import op

revision = '20f4effd8e8a'
down_revision = ('5d2f8e61c9b4', '7c4be9125f83')
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
