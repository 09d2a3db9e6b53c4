"""Counts of the requests to deprecated routes."""

import sqlalchemy as sa
from alembic import op

revision = '35a5a71c66b2'
down_revision = 'c4a9d07e5b18'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'core_deprecated_calls',
        sa.Column('route', sa.String(255), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('user_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('key_id', sa.String(36), nullable=False),
        sa.Column('agent', sa.String(32), nullable=False),
        sa.Column('requests', sa.BigInteger(), nullable=False),
        sa.Column('last_seen', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            'route', 'day', 'user_id', 'key_id', 'agent', name='pk_core_deprecated_calls'
        ),
    )
    with op.batch_alter_table('core_deprecated_calls') as batch_op:
        batch_op.create_index('ix_core_deprecated_calls_day', ['day'])
        batch_op.create_index('ix_core_deprecated_calls_user_id', ['user_id'])


def downgrade() -> None:
    op.drop_table('core_deprecated_calls')
