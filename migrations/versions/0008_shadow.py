"""What dry runs leave as evidence: with what they traded on paper, and what each hour brought."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forwards. Dry runs of before have left none: they speak for nobody."""
    op.create_table(
        "shadow_setups",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("setup", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("latency_ms", sa.BigInteger(), nullable=False),
        sa.Column("notional", sa.Text(), nullable=False),
        sa.Column("fees", sa.Text(), nullable=False),
    )
    op.create_table(
        "shadow_hours",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("setup", sa.Text(), primary_key=True),
        sa.Column("hour_ns", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("watched_ns", sa.BigInteger(), nullable=False),
        sa.Column("episodes", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.Text(), nullable=False),
        sa.Column("worst", sa.Text(), nullable=False),
        sa.Column("stake", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Never backwards."""
    raise NotImplementedError("forwards only: restore the backup instead")
