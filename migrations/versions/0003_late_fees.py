"""Fees that a venue takes with a trade and states later: what waits, and what was posted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forwards. A fill of before has no slack: its fees are the venue's own statement."""
    op.add_column("fills", sa.Column("fee_slack", sa.Text()))
    op.create_table(
        "fee_pending",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("trade_id", sa.Text(), primary_key=True),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("guess", sa.Text(), nullable=False),
        sa.Column("slack", sa.Text(), nullable=False),
        sa.Column("gross", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
    )
    op.create_index("fee_pending_by_ref", "fee_pending", ["account", "ref"])
    op.create_table(
        "fee_posted",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("ref", sa.Text(), primary_key=True),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("fee", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Never backwards."""
    raise NotImplementedError("forwards only: restore the backup instead")
