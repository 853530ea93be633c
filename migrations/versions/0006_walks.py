"""What each leg was to trade with, as it was decided and as it left; why money came or went."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forwards. Cycles and flows of before have none: nobody knows any more what was seen."""
    op.create_table(
        "walks",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("cycle_id", sa.Text(), primary_key=True),
        sa.Column("leg_index", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("seen", sa.Text(), primary_key=True),
        sa.Column("levels", sa.Text(), nullable=False),
    )
    op.create_table(
        "transfers",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("ref", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Never backwards."""
    raise NotImplementedError("forwards only: restore the backup instead")
