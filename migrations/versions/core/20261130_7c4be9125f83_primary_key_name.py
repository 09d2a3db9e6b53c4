"""Standard name of the primary key of core_throttle_counters on SQLite, as PostgreSQL has it."""

from alembic import op

revision = '7c4be9125f83'
down_revision = '35a5a71c66b2'
branch_labels = None
depends_on = None

OLD_NAME, NEW_NAME = 'pk_core_guesses', 'pk_core_throttle_counters'


def upgrade() -> None:
    if op.get_context().dialect.name == 'sqlite':
        rename_primary_key(OLD_NAME, NEW_NAME)


def downgrade() -> None:
    if op.get_context().dialect.name == 'sqlite':
        rename_primary_key(NEW_NAME, OLD_NAME)


def rename_primary_key(old: str, new: str) -> None:
    """Copy the table, because SQLite cannot rename a constraint."""
    with op.batch_alter_table('core_throttle_counters') as batch_op:
        batch_op.drop_constraint(batch_op.f(old), type_='primary')
        batch_op.create_primary_key(batch_op.f(new), ['kind', 'target_hash'])
