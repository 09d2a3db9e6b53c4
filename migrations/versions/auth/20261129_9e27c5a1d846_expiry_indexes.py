"""Indexes for the deletion of expired devices and credentials."""

from alembic import op

revision = '9e27c5a1d846'
down_revision = '3b8d51e6f70c'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('auth_sessions') as batch_op:
        # The deletion of a device sets this column of its sessions to NULL, so it must find them.
        batch_op.create_index('ix_auth_sessions_device_id', ['device_id'])
    with op.batch_alter_table('auth_credentials') as batch_op:
        batch_op.create_index('ix_auth_credentials_expires_at', ['expires_at'])


def downgrade() -> None:
    with op.batch_alter_table('auth_credentials') as batch_op:
        batch_op.drop_index('ix_auth_credentials_expires_at')
    with op.batch_alter_table('auth_sessions') as batch_op:
        batch_op.drop_index('ix_auth_sessions_device_id')
