"""An index for the list of users with one status."""

from alembic import op

revision = 'a94d7e20b5c3'
down_revision = '5b7e21c9d40a'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            'ix_users_status_id', 'users', ['status', 'id'],
            postgresql_concurrently=True,
        )  # fmt: skip


def downgrade() -> None:
    op.drop_index('ix_users_status_id', 'users')
