"""Task and SHA-256 of exports."""

import sqlalchemy as sa
from alembic import op

revision = 'b1e07c64d2f9'
down_revision = 'aaa4913f69dd'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('users_exports', schema=None) as batch_op:
        batch_op.add_column(sa.Column('task_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('sha256', sa.String(length=64), nullable=True))
        batch_op.alter_column('size', existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=True)
        batch_op.drop_column('key')


def downgrade() -> None:
    with op.batch_alter_table('users_exports', schema=None) as batch_op:
        batch_op.add_column(sa.Column('key', sa.String(length=128), nullable=True))
        batch_op.alter_column('size', existing_type=sa.BigInteger(), type_=sa.Integer(), existing_nullable=True)
        batch_op.drop_column('sha256')
        batch_op.drop_column('task_id')
