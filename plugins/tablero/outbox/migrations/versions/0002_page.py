"""Tables and indexes for the page: the record of actions, and indexes that keep its queries fast with ten million rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tablero.outbox.engine import Instant
from tablero.outbox.schema import Id

revision = "0002"
down_revision = "0001"

_REFUSED = sa.text("state = 'refused'")
_OPEN_SQLITE, _OPEN_POSTGRESQL = sa.text("resolved = 0"), sa.text("NOT resolved")


def upgrade() -> None:
    """Create the record of actions and the indexes."""
    op.create_table(
        "operator_action",
        sa.Column("id", Id, nullable=False),
        sa.Column("done_at", Instant, nullable=False),
        sa.Column("user_name", sa.String(length=250), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("selection", sa.JSON(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("runs", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "requeued",
        sa.Column("action_id", Id, autoincrement=False, nullable=False),
        sa.Column("batch_id", Id, autoincrement=False, nullable=False),
        sa.Column("words", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("action_id", "batch_id"),
    )
    op.create_index("requeued_batch", "requeued", ["batch_id"])
    op.create_index("batch_refused", "batch", ["first_change", "id"], sqlite_where=_REFUSED, postgresql_where=_REFUSED)
    op.create_index("batch_settled", "batch", ["settled_at"], postgresql_include=["rows", "state"])
    op.create_index("batch_parent", "batch", ["parent_id"])
    op.create_index("attempt_run", "attempt", ["run_id"])
    for name, columns in (
        ("rejection_open", ["changed_at", "digest"]),
        ("rejection_open_reason", ["reason", "changed_at", "digest"]),
        ("rejection_open_service", ["service_id", "changed_at", "digest"]),
    ):
        op.create_index(name, "rejection", columns, sqlite_where=_OPEN_SQLITE, postgresql_where=_OPEN_POSTGRESQL)
    op.create_index("rejection_request", "rejection", ["request_id"])
