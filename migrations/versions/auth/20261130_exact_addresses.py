"""PINs by the exact email address they were mailed to.

The table of PINs contained only the keys of the email addresses. A PIN stays valid if its email
address equals its key, such as `ada@example.com`. Users with other spellings request new PINs.
"""

import sqlalchemy as sa
from alembic import op

revision = '3b8d51e6f70c'
down_revision = 'c94f20d7b6a3'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute('DELETE FROM auth_pins WHERE length(email_key) > 254')
    with op.batch_alter_table('auth_pins') as batch_op:
        batch_op.add_column(
            sa.Column('email', sa.String(length=254), nullable=False, server_default='')
        )
    op.execute('UPDATE auth_pins SET email = email_key')
    with op.batch_alter_table('auth_pins') as batch_op:
        batch_op.alter_column('email', existing_type=sa.String(length=254), server_default=None)
        batch_op.drop_constraint('pk_auth_pins', type_='primary')
        batch_op.create_primary_key('pk_auth_pins', ['purpose', 'email'])
        batch_op.create_index('ix_auth_pins_email_key', ['email_key'])


def downgrade() -> None:
    op.execute('DELETE FROM auth_pins WHERE email <> email_key')
    with op.batch_alter_table('auth_pins') as batch_op:
        batch_op.drop_index('ix_auth_pins_email_key')
        batch_op.drop_constraint('pk_auth_pins', type_='primary')
        batch_op.create_primary_key('pk_auth_pins', ['purpose', 'email_key'])
        batch_op.drop_column('email')
