"""Queues, owners and rounds of tasks; the last run of each schedule; the dispatcher's last tick."""

import sqlalchemy as sa
from alembic import op

revision = '8f2c5d91e7a3'
down_revision = 'f2c4de7c5898'
branch_labels = None
depends_on = None

READY, NOT_READY = sa.text('round_number IS NOT NULL'), sa.text('round_number IS NULL')
NOT_DEAD = sa.text("state <> 'dead'")


def upgrade() -> None:
    # Server defaults, because code of the previous release inserts rows without these columns.
    with op.batch_alter_table('core_tasks') as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_tasks_available_at'))
        batch_op.add_column(
            sa.Column('queue', sa.String(length=8), server_default='default', nullable=False)
        )
        batch_op.add_column(
            sa.Column('slot', sa.String(length=32), server_default='', nullable=False)
        )
        batch_op.add_column(
            sa.Column('owner_id', sa.Integer(), server_default='0', nullable=False)
        )
        batch_op.add_column(sa.Column('round_number', sa.BigInteger(), nullable=True))
    with op.batch_alter_table('core_tasks') as batch_op:
        batch_op.create_index(
            'ix_core_tasks_not_ready', ['available_at'],
            sqlite_where=NOT_READY, postgresql_where=NOT_READY,
        )
        batch_op.create_index(
            'ix_core_tasks_ready', ['queue', 'slot', 'round_number', 'available_at'],
            sqlite_where=READY, postgresql_where=READY,
        )
        batch_op.create_index(
            'ix_core_tasks_owner', ['queue', 'slot', 'owner_id', 'round_number']
        )
        batch_op.create_index(
            'ix_core_tasks_undone', ['queue', 'scheduled_at'],
            sqlite_where=NOT_DEAD, postgresql_where=NOT_DEAD,
        )
    op.execute("UPDATE core_tasks SET queue = 'mail' WHERE name = 'core.deliver_mail'")

    with op.batch_alter_table('core_schedules') as batch_op:
        batch_op.add_column(
            sa.Column('last_enqueued_at', sa.DateTime(timezone=True), nullable=True)
        )
    op.create_table(
        'core_dispatcher_ticks',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('ticked_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_core_dispatcher_ticks')),
    )


def downgrade() -> None:
    op.drop_table('core_dispatcher_ticks')
    with op.batch_alter_table('core_schedules') as batch_op:
        batch_op.drop_column('last_enqueued_at')

    with op.batch_alter_table('core_tasks') as batch_op:
        for name in ('undone', 'owner', 'ready', 'not_ready'):
            batch_op.drop_index(f'ix_core_tasks_{name}')
    with op.batch_alter_table('core_tasks') as batch_op:
        for column in ('round_number', 'owner_id', 'slot', 'queue'):
            batch_op.drop_column(column)
        batch_op.create_index(batch_op.f('ix_core_tasks_available_at'), ['available_at'])
