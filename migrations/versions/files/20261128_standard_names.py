"""Standard names of the version columns of files, and of columns of uploads."""

from alembic import op

revision = '71c8d3f5e90b'
down_revision = '5d1e7b0c94a2'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('files') as batch_op:
        batch_op.alter_column('number', new_column_name='current_version')
        batch_op.alter_column('version', new_column_name='row_version')
    with op.batch_alter_table('files_uploads') as batch_op:
        batch_op.alter_column('described', new_column_name='tus_metadata')
        batch_op.alter_column('lease', new_column_name='lease_id')
        batch_op.alter_column('length', new_column_name='declared_size')


def downgrade() -> None:
    with op.batch_alter_table('files_uploads') as batch_op:
        batch_op.alter_column('declared_size', new_column_name='length')
        batch_op.alter_column('lease_id', new_column_name='lease')
        batch_op.alter_column('tus_metadata', new_column_name='described')
    with op.batch_alter_table('files') as batch_op:
        batch_op.alter_column('row_version', new_column_name='version')
        batch_op.alter_column('current_version', new_column_name='number')
