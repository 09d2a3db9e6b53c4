"""Standard names of API keys, and of columns of sessions, second factors, events and codes."""

from alembic import op

revision = 'd27e5b9c1f48'
down_revision = 'a8f8b0e896a8'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('auth_sessions') as batch_op:
        batch_op.drop_index(batch_op.f('ix_auth_sessions_lapses_at'))
        batch_op.drop_index(batch_op.f('ix_auth_sessions_used_token_hash'))
        batch_op.alter_column('address', new_column_name='ip_address')
        batch_op.alter_column('lapses_at', new_column_name='refresh_expires_at')
        batch_op.alter_column('ends_at', new_column_name='absolute_expires_at')
        batch_op.alter_column('used_token_hash', new_column_name='previous_token_hash')
        batch_op.alter_column('used_refresh_hash', new_column_name='previous_refresh_hash')
        batch_op.alter_column('successor', new_column_name='grace_response_encrypted')
    with op.batch_alter_table('auth_sessions') as batch_op:
        batch_op.create_index(
            batch_op.f('ix_auth_sessions_refresh_expires_at'), ['refresh_expires_at']
        )
        batch_op.create_index(
            batch_op.f('ix_auth_sessions_previous_token_hash'), ['previous_token_hash']
        )

    with op.batch_alter_table('auth_totp') as batch_op:
        batch_op.alter_column('sealed', new_column_name='encrypted_secret')
        batch_op.alter_column('last_step', new_column_name='last_used_timestep')
    with op.batch_alter_table('auth_events') as batch_op:
        batch_op.alter_column('address', new_column_name='ip_address')
        batch_op.alter_column('kind', new_column_name='event_type')
    with op.batch_alter_table('auth_pins') as batch_op:
        batch_op.alter_column('mac', new_column_name='code_hmac')
        batch_op.alter_column('tries_left', new_column_name='attempts_left')
    with op.batch_alter_table('auth_invitations') as batch_op:
        batch_op.alter_column('mac', new_column_name='code_hmac')
        batch_op.alter_column('tries_left', new_column_name='attempts_left')

    with op.batch_alter_table('auth_keys') as batch_op:
        batch_op.drop_index(batch_op.f('ix_auth_keys_expires_at'))
        batch_op.drop_index(batch_op.f('ix_auth_keys_user_id_created_at'))
        batch_op.drop_constraint(batch_op.f('uq_auth_keys_token_hash'), type_='unique')
        batch_op.drop_constraint(batch_op.f('fk_auth_keys_user_id_users'), type_='foreignkey')
        batch_op.alter_column('hint', new_column_name='prefix')
    op.rename_table('auth_keys', 'auth_api_keys')
    if op.get_context().dialect.name == 'postgresql':
        # SQLite keeps the old name of a primary key, which no statement uses.
        op.execute('ALTER INDEX pk_auth_keys RENAME TO pk_auth_api_keys')
    with op.batch_alter_table('auth_api_keys') as batch_op:
        batch_op.create_unique_constraint(
            batch_op.f('uq_auth_api_keys_token_hash'), ['token_hash']
        )
        batch_op.create_foreign_key(
            batch_op.f('fk_auth_api_keys_user_id_users'), 'users', ['user_id'], ['id']
        )
        batch_op.create_index(batch_op.f('ix_auth_api_keys_expires_at'), ['expires_at'])
        batch_op.create_index(
            batch_op.f('ix_auth_api_keys_user_id_created_at'), ['user_id', 'created_at']
        )


def downgrade() -> None:
    with op.batch_alter_table('auth_api_keys') as batch_op:
        batch_op.drop_index(batch_op.f('ix_auth_api_keys_user_id_created_at'))
        batch_op.drop_index(batch_op.f('ix_auth_api_keys_expires_at'))
        batch_op.drop_constraint(batch_op.f('fk_auth_api_keys_user_id_users'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('uq_auth_api_keys_token_hash'), type_='unique')
        batch_op.alter_column('prefix', new_column_name='hint')
    op.rename_table('auth_api_keys', 'auth_keys')
    if op.get_context().dialect.name == 'postgresql':
        # SQLite keeps the old name of a primary key, which no statement uses.
        op.execute('ALTER INDEX pk_auth_api_keys RENAME TO pk_auth_keys')
    with op.batch_alter_table('auth_keys') as batch_op:
        batch_op.create_unique_constraint(batch_op.f('uq_auth_keys_token_hash'), ['token_hash'])
        batch_op.create_foreign_key(
            batch_op.f('fk_auth_keys_user_id_users'), 'users', ['user_id'], ['id']
        )
        batch_op.create_index(
            batch_op.f('ix_auth_keys_user_id_created_at'), ['user_id', 'created_at']
        )
        batch_op.create_index(batch_op.f('ix_auth_keys_expires_at'), ['expires_at'])

    with op.batch_alter_table('auth_invitations') as batch_op:
        batch_op.alter_column('attempts_left', new_column_name='tries_left')
        batch_op.alter_column('code_hmac', new_column_name='mac')
    with op.batch_alter_table('auth_pins') as batch_op:
        batch_op.alter_column('attempts_left', new_column_name='tries_left')
        batch_op.alter_column('code_hmac', new_column_name='mac')
    with op.batch_alter_table('auth_events') as batch_op:
        batch_op.alter_column('event_type', new_column_name='kind')
        batch_op.alter_column('ip_address', new_column_name='address')
    with op.batch_alter_table('auth_totp') as batch_op:
        batch_op.alter_column('last_used_timestep', new_column_name='last_step')
        batch_op.alter_column('encrypted_secret', new_column_name='sealed')

    with op.batch_alter_table('auth_sessions') as batch_op:
        batch_op.drop_index(batch_op.f('ix_auth_sessions_previous_token_hash'))
        batch_op.drop_index(batch_op.f('ix_auth_sessions_refresh_expires_at'))
        batch_op.alter_column('grace_response_encrypted', new_column_name='successor')
        batch_op.alter_column('previous_refresh_hash', new_column_name='used_refresh_hash')
        batch_op.alter_column('previous_token_hash', new_column_name='used_token_hash')
        batch_op.alter_column('absolute_expires_at', new_column_name='ends_at')
        batch_op.alter_column('refresh_expires_at', new_column_name='lapses_at')
        batch_op.alter_column('ip_address', new_column_name='address')
    with op.batch_alter_table('auth_sessions') as batch_op:
        batch_op.create_index(batch_op.f('ix_auth_sessions_used_token_hash'), ['used_token_hash'])
        batch_op.create_index(batch_op.f('ix_auth_sessions_lapses_at'), ['lapses_at'])
