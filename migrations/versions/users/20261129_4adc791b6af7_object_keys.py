"""Storage keys of exports, sizes of avatars, and closed accounts."""

import sqlalchemy as sa
from alembic import op

revision = '4adc791b6af7'
down_revision = '4c1f8ad92e60'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('users') as batch_op:
        batch_op.add_column(sa.Column('avatar_size', sa.Integer(), nullable=True))
        batch_op.create_unique_constraint(batch_op.f('uq_users_avatar'), ['avatar'])
    with op.batch_alter_table('users_exports') as batch_op:
        batch_op.add_column(sa.Column('storage_key', sa.String(length=128), nullable=True))
    # The key that the previous code computed.
    op.execute(
        """UPDATE users_exports
        SET storage_key = 'exports/' || replace(CAST(id AS VARCHAR(36)), '-', '')
        WHERE state = 'ready'"""
    )
    with op.batch_alter_table('users_exports') as batch_op:
        batch_op.create_unique_constraint(
            batch_op.f('uq_users_exports_storage_key'), ['storage_key']
        )
    # Closed accounts of an earlier downgrade. No username begins with a tilde.
    op.execute("UPDATE users SET status = 'deleted' WHERE username LIKE '~%'")


def downgrade() -> None:
    # The previous code does not erase closed accounts, and does not declare their status. In the
    # status `disabled`, an operator can find and delete them.
    op.execute("UPDATE users SET status = 'disabled' WHERE status = 'deleted'")
    # The previous code computes keys, so it could not find these objects. Users request new exports.
    op.execute(
        """DELETE FROM users_exports
        WHERE storage_key <> 'exports/' || replace(CAST(id AS VARCHAR(36)), '-', '')"""
    )
    with op.batch_alter_table('users_exports') as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_users_exports_storage_key'), type_='unique')
        batch_op.drop_column('storage_key')
    with op.batch_alter_table('users') as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_users_avatar'), type_='unique')
        batch_op.drop_column('avatar_size')
