"""Storage keys of existing thumbnails, in batches that commit."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = 'a286c27304b4'
down_revision = '4d0c9b7e21f6'
branch_labels = None
depends_on = None

BATCH_ROWS = 5000

thumbnails = sa.table(
    'files_thumbnails',
    sa.column('file_id', sa.Uuid()),
    sa.column('state'),
    sa.column('storage_key'),
)

# The key that the previous code computed.
COMPUTED_KEY = sa.literal_column(
    """'thumbnails/' || substr(replace(CAST(file_id AS VARCHAR(36)), '-', ''), 1, 2)
    || '/' || replace(CAST(file_id AS VARCHAR(36)), '-', '') || '/' || number || '/' || edge"""
)


def upgrade() -> None:
    # A run that was killed is repeated, so rows may have a key already.
    is_ready = (thumbnails.c.state == 'ready') & thumbnails.c.storage_key.is_(None)
    execute_in_batches(
        sa.update(thumbnails).where(is_ready).values(storage_key=COMPUTED_KEY)
    )


def downgrade() -> None:
    # The previous code computes keys, so it could not find these objects. It creates new ones.
    execute_in_batches(sa.delete(thumbnails).where(thumbnails.c.storage_key != COMPUTED_KEY))


def execute_in_batches(statement: Any) -> None:
    """Execute a statement for the thumbnails of some files at a time.

    On PostgreSQL each batch is a transaction, so that requests never wait for a long one. A batch
    contains `BATCH_ROWS` rows and the further rows of its last file.
    """
    file_id, after = thumbnails.c.file_id, UUID(int=0)
    with op.get_context().autocommit_block():
        while last := last_of_batch(after):
            op.get_bind().execute(statement.where(file_id > after, file_id <= last))
            after = last


def last_of_batch(after: UUID) -> UUID | None:
    """Return the last file of the batch that begins after a file, or None after the last one."""
    file_id = thumbnails.c.file_id
    batch = sa.select(file_id).where(file_id > after).order_by(file_id).limit(BATCH_ROWS).subquery()
    # PostgreSQL before version 18 has no MAX of UUIDs.
    last = sa.select(batch.c.file_id).order_by(batch.c.file_id.desc()).limit(1)
    return op.get_bind().scalar(last)
