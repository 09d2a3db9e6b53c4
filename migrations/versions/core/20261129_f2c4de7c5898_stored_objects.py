"""Released objects, and the progress of the garbage collection of the storage."""

import sqlalchemy as sa
from alembic import op

revision = 'f2c4de7c5898'
down_revision = '4b1f6c0a7d25'
branch_labels = None
depends_on = None

def upgrade() -> None:
    op.create_table(
        'core_released_objects',
        sa.Column('key', sa.String(length=255), nullable=False),
        sa.Column('released_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_core_released_objects')),
    )
    with op.batch_alter_table('core_released_objects') as batch_op:
        batch_op.create_index(batch_op.f('ix_core_released_objects_released_at'), ['released_at'])
    op.create_table(
        'core_storage_collections',
        sa.Column('name', sa.String(length=16), nullable=False),
        sa.Column('position', sa.String(length=1024), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('paused_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('examined', sa.BigInteger(), nullable=False),
        sa.Column('collected', sa.BigInteger(), nullable=False),
        sa.Column('collected_bytes', sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_core_storage_collections')),
    )
    # These tasks deleted stored objects, which the garbage collection deletes from now on.
    op.execute(
        "DELETE FROM core_tasks WHERE name IN ('files.delete_thumbnail_blob',"
        " 'users.delete_avatar_blob', 'users.delete_export_blob')"
    )


def downgrade() -> None:
    op.drop_table('core_storage_collections')
    op.drop_table('core_released_objects')
