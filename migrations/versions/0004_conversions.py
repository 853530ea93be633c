"""Conversions: cycles that end in another asset, and what each may cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forwards. A cycle of before is no conversion: neither column says anything of it."""
    op.add_column("cycles", sa.Column("kind", sa.Text()))
    op.add_column("cycles", sa.Column("loss_budget", sa.Text()))


def downgrade() -> None:
    """Never backwards."""
    raise NotImplementedError("forwards only: restore the backup instead")
