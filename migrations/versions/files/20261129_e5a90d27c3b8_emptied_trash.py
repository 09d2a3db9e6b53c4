"""Time at which each user emptied the trash, and an index of each user's trash."""

import sqlalchemy as sa
from alembic import op

revision = 'e5a90d27c3b8'
down_revision = 'a286c27304b4'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('files_usage') as batch_op:
        batch_op.add_column(
            sa.Column('trash_emptied_at', sa.DateTime(timezone=True), nullable=True)
        )
    with op.batch_alter_table('files') as batch_op:
        batch_op.create_index(
            'ix_files_trash',
            ['owner_id', 'trashed_at'],
            sqlite_where=sa.text('trashed_at IS NOT NULL'),
            postgresql_where=sa.text('trashed_at IS NOT NULL'),
        )


def downgrade() -> None:
    # Files of an emptied trash whose rows still exist appear in the trash again.
    with op.batch_alter_table('files') as batch_op:
        batch_op.drop_index('ix_files_trash')
    with op.batch_alter_table('files_usage') as batch_op:
        batch_op.drop_column('trash_emptied_at')
