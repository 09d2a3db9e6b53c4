"""Codes of 80 bits with unlimited attempts; invitations store a SHA-256 instead of an HMAC."""

import sqlalchemy as sa
from alembic import op

revision = '7c3e0f4a9b21'
down_revision = 'e5a90b7c24d1'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('auth_pins') as batch_op:
        batch_op.alter_column('attempts_left', existing_type=sa.Integer(), nullable=True)
    # HMACs cannot be converted to SHA-256, so existing invitations are invalid and must be sent
    # again.
    with op.batch_alter_table('auth_invitations') as batch_op:
        batch_op.alter_column('code_hmac', new_column_name='code_hash')
        batch_op.drop_column('attempts_left')


def downgrade() -> None:
    with op.batch_alter_table('auth_invitations') as batch_op:
        batch_op.add_column(
            sa.Column('attempts_left', sa.Integer(), nullable=False, server_default='5')
        )
        batch_op.alter_column('code_hash', new_column_name='code_hmac')
    with op.batch_alter_table('auth_invitations') as batch_op:
        batch_op.alter_column('attempts_left', existing_type=sa.Integer(), server_default=None)
    op.execute('UPDATE auth_pins SET attempts_left = 5 WHERE attempts_left IS NULL')
    with op.batch_alter_table('auth_pins') as batch_op:
        batch_op.alter_column('attempts_left', existing_type=sa.Integer(), nullable=False)
