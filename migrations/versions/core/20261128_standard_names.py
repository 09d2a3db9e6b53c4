"""Standard names of throttle counters, columns of tasks and schedules, and tasks."""

from alembic import op

revision = '4b1f6c0a7d25'
down_revision = '5766f9ad458e'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table('core_guesses', 'core_throttle_counters')
    if op.get_context().dialect.name == 'postgresql':
        # SQLite keeps the old name of a primary key, which no statement uses.
        op.execute('ALTER INDEX pk_core_guesses RENAME TO pk_core_throttle_counters')
    with op.batch_alter_table('core_throttle_counters') as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_guesses_until'))
        batch_op.alter_column('spent', new_column_name='attempts')
        batch_op.alter_column('target', new_column_name='target_hash')
        batch_op.alter_column('until', new_column_name='resets_at')
    with op.batch_alter_table('core_throttle_counters') as batch_op:
        batch_op.create_index(batch_op.f('ix_core_throttle_counters_resets_at'), ['resets_at'])

    with op.batch_alter_table('core_tasks') as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_tasks_due'))
        batch_op.alter_column('due', new_column_name='available_at')
        batch_op.alter_column('wanted_at', new_column_name='scheduled_at')
        batch_op.alter_column('again', new_column_name='rerun_requested')
        batch_op.alter_column('sealed', new_column_name='encrypted_arguments')
        batch_op.alter_column('lease', new_column_name='lease_id')
        batch_op.alter_column('error', new_column_name='last_error')
    with op.batch_alter_table('core_tasks') as batch_op:
        batch_op.create_index(batch_op.f('ix_core_tasks_available_at'), ['available_at'])
    op.execute("UPDATE core_tasks SET state = 'queued' WHERE state = 'sent'")

    with op.batch_alter_table('core_schedules') as batch_op:
        batch_op.alter_column('due', new_column_name='next_run_at')

    # The name of a task is that of its function. Pending tasks must find the renamed functions.
    op.execute(
        """UPDATE core_tasks SET name = CASE name
        WHEN 'auth.forget_successors' THEN 'auth.purge_refresh_grace_responses'
        WHEN 'auth.remind_of_key' THEN 'auth.send_key_expiry_reminder'
        WHEN 'auth.sweep_expired' THEN 'auth.delete_expired_nightly'
        WHEN 'files.drop_thumbnail' THEN 'files.delete_thumbnail_blob'
        WHEN 'files.release_dead' THEN 'files.release_expired_reservations'
        WHEN 'files.sweep_files' THEN 'files.collect_garbage_nightly'
        WHEN 'users.drop_avatar' THEN 'users.delete_avatar_blob'
        WHEN 'users.drop_export' THEN 'users.delete_export_blob'
        WHEN 'users.sweep_exports' THEN 'users.delete_expired_exports'
        ELSE name END"""
    )
    op.execute(
        """UPDATE core_schedules SET name = CASE name
        WHEN 'auth.forget_successors' THEN 'auth.purge_refresh_grace_responses'
        WHEN 'auth.sweep_expired' THEN 'auth.delete_expired_nightly'
        WHEN 'files.release_dead' THEN 'files.release_expired_reservations'
        WHEN 'files.sweep_files' THEN 'files.collect_garbage_nightly'
        WHEN 'users.sweep_exports' THEN 'users.delete_expired_exports'
        ELSE name END"""
    )


def downgrade() -> None:
    op.execute(
        """UPDATE core_schedules SET name = CASE name
        WHEN 'auth.purge_refresh_grace_responses' THEN 'auth.forget_successors'
        WHEN 'auth.delete_expired_nightly' THEN 'auth.sweep_expired'
        WHEN 'files.release_expired_reservations' THEN 'files.release_dead'
        WHEN 'files.collect_garbage_nightly' THEN 'files.sweep_files'
        WHEN 'users.delete_expired_exports' THEN 'users.sweep_exports'
        ELSE name END"""
    )
    op.execute(
        """UPDATE core_tasks SET name = CASE name
        WHEN 'auth.purge_refresh_grace_responses' THEN 'auth.forget_successors'
        WHEN 'auth.send_key_expiry_reminder' THEN 'auth.remind_of_key'
        WHEN 'auth.delete_expired_nightly' THEN 'auth.sweep_expired'
        WHEN 'files.delete_thumbnail_blob' THEN 'files.drop_thumbnail'
        WHEN 'files.release_expired_reservations' THEN 'files.release_dead'
        WHEN 'files.collect_garbage_nightly' THEN 'files.sweep_files'
        WHEN 'users.delete_avatar_blob' THEN 'users.drop_avatar'
        WHEN 'users.delete_export_blob' THEN 'users.drop_export'
        WHEN 'users.delete_expired_exports' THEN 'users.sweep_exports'
        ELSE name END"""
    )

    with op.batch_alter_table('core_schedules') as batch_op:
        batch_op.alter_column('next_run_at', new_column_name='due')

    op.execute("UPDATE core_tasks SET state = 'sent' WHERE state = 'queued'")
    with op.batch_alter_table('core_tasks') as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_tasks_available_at'))
        batch_op.alter_column('last_error', new_column_name='error')
        batch_op.alter_column('lease_id', new_column_name='lease')
        batch_op.alter_column('encrypted_arguments', new_column_name='sealed')
        batch_op.alter_column('rerun_requested', new_column_name='again')
        batch_op.alter_column('scheduled_at', new_column_name='wanted_at')
        batch_op.alter_column('available_at', new_column_name='due')
    with op.batch_alter_table('core_tasks') as batch_op:
        batch_op.create_index(batch_op.f('ix_core_tasks_due'), ['due'])

    with op.batch_alter_table('core_throttle_counters') as batch_op:
        batch_op.drop_index(batch_op.f('ix_core_throttle_counters_resets_at'))
        batch_op.alter_column('resets_at', new_column_name='until')
        batch_op.alter_column('target_hash', new_column_name='target')
        batch_op.alter_column('attempts', new_column_name='spent')
    op.rename_table('core_throttle_counters', 'core_guesses')
    if op.get_context().dialect.name == 'postgresql':
        # SQLite keeps the old name of a primary key, which no statement uses.
        op.execute('ALTER INDEX pk_core_throttle_counters RENAME TO pk_core_guesses')
    with op.batch_alter_table('core_guesses') as batch_op:
        batch_op.create_index(batch_op.f('ix_core_guesses_until'), ['until'])
