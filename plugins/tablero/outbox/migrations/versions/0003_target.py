"""The outbox stores which dashboard it delivers to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tablero.outbox.engine import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table; the first task that sends inserts its row."""
    op.create_table(
        "target",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=1000), nullable=False),
        sa.Column("since", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
