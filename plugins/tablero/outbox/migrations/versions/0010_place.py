"""A batch keeps its place in the order of pending ones when it loses its oldest row or is split."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tablero.outbox.engine import Instant

revision = "0010"
down_revision = "0009"

_batch = sa.table("batch", sa.column("place", Instant), sa.column("first_change", Instant))
_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Until now each stood where its oldest row is."""
    op.drop_index("batch_pending", "batch")
    op.add_column("batch", sa.Column("place", Instant()))
    op.execute(sa.update(_batch).values(place=_batch.c.first_change))
    with op.batch_alter_table("batch") as table:
        table.alter_column("place", existing_type=Instant(), nullable=False)
    op.create_index("batch_pending", "batch", ["place", "id"], sqlite_where=_PENDING, postgresql_where=_PENDING)
