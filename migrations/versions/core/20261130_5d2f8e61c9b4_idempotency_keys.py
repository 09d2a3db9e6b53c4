"""Idempotency keys: finished requests and their responses."""

import sqlalchemy as sa
from alembic import op

revision = '5d2f8e61c9b4'
down_revision = '35a5a71c66b2'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'core_idempotency_keys',
        sa.Column('user_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('route', sa.String(255), nullable=False),
        sa.Column('key_hash', sa.String(64), nullable=False),
        sa.Column('fingerprint', sa.String(64), nullable=False),
        sa.Column('encrypted_response', sa.LargeBinary(), nullable=False),
        sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('user_id', 'route', 'key_hash', name='pk_core_idempotency_keys'),
    )
    with op.batch_alter_table('core_idempotency_keys') as batch_op:
        batch_op.create_index('ix_core_idempotency_keys_expires_at', ['expires_at'])


def downgrade() -> None:
    op.drop_table('core_idempotency_keys')
