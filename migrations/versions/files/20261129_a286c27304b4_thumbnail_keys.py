"""Storage keys and sizes of thumbnails, and their total size per user."""

import sqlalchemy as sa
from alembic import op

revision = 'a286c27304b4'
down_revision = '71c8d3f5e90b'
branch_labels = None
depends_on = None

def upgrade() -> None:
    with op.batch_alter_table('files_usage') as batch_op:
        batch_op.add_column(
            sa.Column('thumbnail_bytes', sa.BigInteger(), server_default='0', nullable=False)
        )
    with op.batch_alter_table('files_thumbnails') as batch_op:
        batch_op.add_column(sa.Column('storage_key', sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column('size', sa.BigInteger(), nullable=True))
    # The key that the previous code computed.
    op.execute(
        """UPDATE files_thumbnails SET storage_key =
        'thumbnails/' || substr(replace(CAST(file_id AS VARCHAR(36)), '-', ''), 1, 2)
        || '/' || replace(CAST(file_id AS VARCHAR(36)), '-', '') || '/' || number || '/' || edge
        WHERE state = 'ready'"""
    )
    with op.batch_alter_table('files_thumbnails') as batch_op:
        batch_op.create_unique_constraint(
            batch_op.f('uq_files_thumbnails_storage_key'), ['storage_key']
        )


def downgrade() -> None:
    # The previous code computes keys, so it could not find these objects. It creates new ones.
    op.execute(
        """DELETE FROM files_thumbnails WHERE storage_key <>
        'thumbnails/' || substr(replace(CAST(file_id AS VARCHAR(36)), '-', ''), 1, 2)
        || '/' || replace(CAST(file_id AS VARCHAR(36)), '-', '') || '/' || number || '/' || edge"""
    )
    with op.batch_alter_table('files_thumbnails') as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_files_thumbnails_storage_key'), type_='unique')
        batch_op.drop_column('size')
        batch_op.drop_column('storage_key')
    with op.batch_alter_table('files_usage') as batch_op:
        batch_op.drop_column('thumbnail_bytes')
