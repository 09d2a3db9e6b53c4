"""Standard name of the table of role permissions."""

from alembic import op

revision = '9e40c7a2b3d6'
down_revision = 'b1e07c64d2f9'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('users_roles') as batch_op:
        batch_op.drop_constraint(
            batch_op.f('fk_users_roles_role_users_role_definitions'), type_='foreignkey'
        )
    op.rename_table('users_role_definitions', 'users_role_permissions')
    if op.get_context().dialect.name == 'postgresql':
        # SQLite keeps the old name of a primary key, which no statement uses.
        op.execute('ALTER INDEX pk_users_role_definitions RENAME TO pk_users_role_permissions')
    with op.batch_alter_table('users_roles') as batch_op:
        batch_op.create_foreign_key(
            batch_op.f('fk_users_roles_role_users_role_permissions'),
            'users_role_permissions',
            ['role'],
            ['name'],
            ondelete='CASCADE',
        )


def downgrade() -> None:
    with op.batch_alter_table('users_roles') as batch_op:
        batch_op.drop_constraint(
            batch_op.f('fk_users_roles_role_users_role_permissions'), type_='foreignkey'
        )
    op.rename_table('users_role_permissions', 'users_role_definitions')
    if op.get_context().dialect.name == 'postgresql':
        # SQLite keeps the old name of a primary key, which no statement uses.
        op.execute('ALTER INDEX pk_users_role_permissions RENAME TO pk_users_role_definitions')
    with op.batch_alter_table('users_roles') as batch_op:
        batch_op.create_foreign_key(
            batch_op.f('fk_users_roles_role_users_role_definitions'),
            'users_role_definitions',
            ['role'],
            ['name'],
            ondelete='CASCADE',
        )
