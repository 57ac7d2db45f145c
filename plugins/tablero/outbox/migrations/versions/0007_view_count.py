"""The last count of the whole view is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tablero.outbox.engine import Instant
from tablero.outbox.schema import Id

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table; the next historical load inserts its row."""
    op.create_table(
        "view_count",
        sa.Column("id", Id, primary_key=True),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("counted_at", Instant, nullable=False),
        sa.Column("until", Instant, nullable=False),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("rows_counted", sa.BigInteger()),
        sa.Column("rows_later", sa.BigInteger()),
        sa.Column("result", sa.String(12), nullable=False),
    )
