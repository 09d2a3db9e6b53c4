"""An index for the list of files of one media type."""

from alembic import op

revision = 'c61f0a83d2e7'
down_revision = '7b3e0d94a5f1'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            'ix_files_owner_id_type_created_at_id', 'files', ['owner_id', 'type', 'created_at', 'id'],
            postgresql_concurrently=True,
        )  # fmt: skip


def downgrade() -> None:
    op.drop_index('ix_files_owner_id_type_created_at_id', 'files')
