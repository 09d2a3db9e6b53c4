"""Standard name of the primary key of auth_api_keys on SQLite, as PostgreSQL has it."""

from alembic import op

revision = 'd18f30b6a7c2'
down_revision = '9e27c5a1d846'
branch_labels = None
depends_on = None

OLD_NAME, NEW_NAME = 'pk_auth_keys', 'pk_auth_api_keys'


def upgrade() -> None:
    if op.get_context().dialect.name == 'sqlite':
        rename_primary_key(OLD_NAME, NEW_NAME)


def downgrade() -> None:
    if op.get_context().dialect.name == 'sqlite':
        rename_primary_key(NEW_NAME, OLD_NAME)


def rename_primary_key(old: str, new: str) -> None:
    """Copy the table, because SQLite cannot rename a constraint."""
    with op.batch_alter_table('auth_api_keys') as batch_op:
        batch_op.drop_constraint(batch_op.f(old), type_='primary')
        batch_op.create_primary_key(batch_op.f(new), ['id'])
