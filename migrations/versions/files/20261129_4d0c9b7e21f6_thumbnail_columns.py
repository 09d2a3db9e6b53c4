"""Columns for storage keys and sizes of thumbnails, and for their total size per user."""

import sqlalchemy as sa
from alembic import op

revision = '4d0c9b7e21f6'
down_revision = '71c8d3f5e90b'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('files_thumbnails') as batch_op:
        batch_op.add_column(sa.Column('storage_key', sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column('size', sa.BigInteger(), nullable=True))
    # The next migration fills the column. The index of empty values is built in less time.
    with op.batch_alter_table('files_thumbnails') as batch_op:
        batch_op.create_unique_constraint(
            batch_op.f('uq_files_thumbnails_storage_key'), ['storage_key']
        )
    # The last statement, because uploads wait for its lock.
    with op.batch_alter_table('files_usage') as batch_op:
        batch_op.add_column(
            sa.Column('thumbnail_bytes', sa.BigInteger(), server_default='0', nullable=False)
        )


def downgrade() -> None:
    with op.batch_alter_table('files_thumbnails') as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_files_thumbnails_storage_key'), type_='unique')
        batch_op.drop_column('size')
        batch_op.drop_column('storage_key')
    with op.batch_alter_table('files_usage') as batch_op:
        batch_op.drop_column('thumbnail_bytes')
