"""Named values, such as the marker of the storage and the value that health checks write."""

import sqlalchemy as sa
from alembic import op

revision = 'c4a9d07e5b18'
down_revision = '8f2c5d91e7a3'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'core_values',
        sa.Column('name', sa.String(length=96), nullable=False),
        sa.Column('value', sa.LargeBinary(), nullable=False),
        sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_core_values')),
    )


def downgrade() -> None:
    op.drop_table('core_values')
