"""Readings count the rows they no longer find, so that the sum of a window is checked against an independent count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the counts. Earlier readings have none: ``reconcile`` reads a window with such rows once more."""
    for table, column in (("extraction", "rows_gone"), ("reconciliation", "gone")):
        op.add_column(table, sa.Column(column, sa.BigInteger(), server_default="0", nullable=False))
