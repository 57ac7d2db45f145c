"""Alerts wait in the outbox until their channel has taken them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tablero.outbox.engine import Instant
from tablero.outbox.schema import Id

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Nothing waits yet."""
    op.create_table(
        "notification",
        sa.Column("id", Id, primary_key=True),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("queued_at", Instant, nullable=False),
        sa.Column("claimed_until", Instant),
        sa.Column("message", sa.JSON(), nullable=False),
    )
