"""Flag of known devices that have passed a second factor.

Existing devices get the flag at their next login with a second factor.
"""

import sqlalchemy as sa
from alembic import op

revision = 'c94f20d7b6a3'
down_revision = '7c3e0f4a9b21'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('auth_devices') as batch_op:
        batch_op.add_column(
            sa.Column(
                'has_passed_second_factor', sa.Boolean(), nullable=False, server_default=sa.false()
            )
        )
    with op.batch_alter_table('auth_devices') as batch_op:
        batch_op.alter_column(
            'has_passed_second_factor', existing_type=sa.Boolean(), server_default=None
        )


def downgrade() -> None:
    with op.batch_alter_table('auth_devices') as batch_op:
        batch_op.drop_column('has_passed_second_factor')
