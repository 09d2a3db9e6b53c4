"""Versions of files, thumbnails, share links, partial uploads and quota reservations."""

import sqlalchemy as sa
from alembic import op

revision = 'c3f0a9d51e77'
down_revision = '6079639881f7'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('files_versions',
    sa.Column('file_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('type', sa.String(length=127), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['files.id'], name=op.f('fk_files_versions_file_id_files'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['sha256'], ['files_blobs.sha256'], name=op.f('fk_files_versions_sha256_files_blobs')),
    sa.PrimaryKeyConstraint('file_id', 'number', name=op.f('pk_files_versions'))
    )
    with op.batch_alter_table('files_versions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_files_versions_sha256'), ['sha256'], unique=False)

    op.create_table('files_links',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('file_id', sa.Uuid(), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=True),
    sa.Column('max_downloads', sa.Integer(), nullable=True),
    sa.Column('downloads', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['file_id'], ['files.id'], name=op.f('fk_files_links_file_id_files'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_files_links')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_files_links_token_hash'))
    )
    with op.batch_alter_table('files_links', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_files_links_expires_at'), ['expires_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_files_links_file_id_created_at'), ['file_id', 'created_at'], unique=False)

    op.create_table('files_thumbnails',
    sa.Column('file_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('edge', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('task_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['file_id', 'number'], ['files_versions.file_id', 'files_versions.number'], name=op.f('fk_files_thumbnails_file_id_number_files_versions'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('file_id', 'number', 'edge', name=op.f('pk_files_thumbnails'))
    )
    op.create_table('files_uploads',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('owner_id', sa.Integer(), nullable=False),
    sa.Column('reserved', sa.BigInteger(), nullable=False),
    sa.Column('length', sa.BigInteger(), nullable=True),
    sa.Column('offset', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('described', sa.Text(), nullable=False),
    sa.Column('lease', sa.Uuid(), nullable=True),
    sa.Column('file_id', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_files_uploads_owner_id_users')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_files_uploads'))
    )
    with op.batch_alter_table('files_uploads', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_files_uploads_expires_at'), ['expires_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_files_uploads_owner_id'), ['owner_id'], unique=False)

    with op.batch_alter_table('files', schema=None) as batch_op:
        batch_op.add_column(sa.Column('number', sa.Integer(), server_default='1', nullable=False))
    with op.batch_alter_table('files', schema=None) as batch_op:
        batch_op.alter_column('number', server_default=None)
    # The existing content is the first version of each file.
    op.execute('INSERT INTO files_versions (file_id, number, size, type, sha256, created_at) '
               'SELECT id, 1, size, type, sha256, created_at FROM files')


def downgrade() -> None:
    # Without versions and reservations, only the current content counts.
    op.execute('UPDATE files_usage SET reserved = 0, used = (SELECT COALESCE(SUM(files.size), 0) '
               'FROM files WHERE files.owner_id = files_usage.user_id)')
    with op.batch_alter_table('files', schema=None) as batch_op:
        batch_op.drop_column('number')

    op.drop_table('files_uploads')
    op.drop_table('files_links')
    op.drop_table('files_thumbnails')
    op.drop_table('files_versions')
