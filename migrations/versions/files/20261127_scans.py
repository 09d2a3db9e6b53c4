"""Versions of files: results of scans, and content types that clients sent."""

import sqlalchemy as sa
from alembic import op

revision = '5d1e7b0c94a2'
down_revision = 'c3f0a9d51e77'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('files_versions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('declared_type', sa.String(length=127), nullable=True))
        batch_op.add_column(sa.Column('scan', sa.String(length=16), nullable=True))
        batch_op.create_index('ix_files_versions_unscanned', ['file_id', 'number'], unique=False,
                              sqlite_where=sa.text('scan IS NULL'), postgresql_where=sa.text('scan IS NULL'))


def downgrade() -> None:
    with op.batch_alter_table('files_versions', schema=None) as batch_op:
        batch_op.drop_index('ix_files_versions_unscanned')
        batch_op.drop_column('scan')
        batch_op.drop_column('declared_type')
