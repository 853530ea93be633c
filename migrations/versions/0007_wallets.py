"""What an address owns on a chain is told from what a venue said: its kind, contract and block."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forwards. What was kept before is what venues said: it has none of these."""
    op.add_column("wallet_snapshots", sa.Column("kind", sa.Text()))
    op.add_column("wallet_snapshots", sa.Column("contract", sa.Text()))
    op.add_column("wallet_snapshots", sa.Column("block", sa.BigInteger()))


def downgrade() -> None:
    """Never backwards."""
    raise NotImplementedError("forwards only: restore the backup instead")
