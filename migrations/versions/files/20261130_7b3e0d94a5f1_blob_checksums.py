"""The CRC-32 of blobs, for ZIP archives."""

import sqlalchemy as sa
from alembic import op

revision = '7b3e0d94a5f1'
down_revision = 'e5a90d27c3b8'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('files_blobs') as batch_op:
        batch_op.add_column(sa.Column('crc32', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('files_blobs') as batch_op:
        batch_op.drop_column('crc32')
