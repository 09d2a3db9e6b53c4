"""Expiry of generated passwords."""

import sqlalchemy as sa
from alembic import op

revision = 'e5a90b7c24d1'
down_revision = '71d0c3b5e8f2'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('auth_credentials') as batch_op:
        batch_op.add_column(sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    # An expired password must not become valid again, so it is deleted. The user can reset it.
    op.execute('DELETE FROM auth_credentials WHERE expires_at <= CURRENT_TIMESTAMP')
    with op.batch_alter_table('auth_credentials') as batch_op:
        batch_op.drop_column('expires_at')
