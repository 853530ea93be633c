"""What is learned of each triangle: how often its gaps last, and how often its cycles fill."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forwards. Nothing is made up from cycles of before: what is learned begins with this."""
    op.create_table(
        "learned",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("path", sa.Text(), primary_key=True),
        sa.Column("survived", sa.Text(), nullable=False),
        sa.Column("gone", sa.Text(), nullable=False),
        sa.Column("filled", sa.Text(), nullable=False),
        sa.Column("failed", sa.Text(), nullable=False),
        sa.Column("lost", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Never backwards."""
    raise NotImplementedError("forwards only: restore the backup instead")
