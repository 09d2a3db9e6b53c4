"""AUTOINCREMENT of users on SQLite, so that no user gets the id of a deleted one.

An earlier migration copied the table without it. PostgreSQL never uses an id again.
"""

from alembic import op

revision = '5b7e21c9d40a'
down_revision = '4adc791b6af7'
branch_labels = None
depends_on = None

OLD_NAME, NEW_NAME = 'pk_users_role_definitions', 'pk_users_role_permissions'


def upgrade() -> None:
    if op.get_context().dialect.name == 'sqlite':
        options = {'sqlite_autoincrement': True}
        with op.batch_alter_table('users', recreate='always', table_kwargs=options):
            pass
        rename_primary_key(OLD_NAME, NEW_NAME)


def downgrade() -> None:
    # The table keeps AUTOINCREMENT: the previous code declares it, too.
    if op.get_context().dialect.name == 'sqlite':
        rename_primary_key(NEW_NAME, OLD_NAME)


def rename_primary_key(old: str, new: str) -> None:
    """Copy the table, because SQLite cannot rename a constraint."""
    with op.batch_alter_table('users_role_permissions') as batch_op:
        batch_op.drop_constraint(batch_op.f(old), type_='primary')
        batch_op.create_primary_key(batch_op.f(new), ['name'])
