"""Degradations, dry runs and sent notices are stored, and incidents have a cause."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tablero.outbox.engine import Instant
from tablero.outbox.schema import Id

revision = "0006"
down_revision = "0005"

_OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    """Existing incidents keep an empty cause, which covers all failures, and are closed by the next run that succeeds."""
    op.add_column("incident", sa.Column("cause", sa.String(80), server_default="", nullable=False))
    op.drop_index("incident_open", table_name="incident")
    op.create_index("incident_open", "incident", ["dag_id", "cause"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    for column in (
        sa.Column("cause", sa.String(80), server_default="", nullable=False),
        sa.Column("task_id", sa.String(250)),
        sa.Column("map_index", sa.Integer()),
        sa.Column("try_number", sa.Integer()),
    ):
        op.add_column("trouble", column)
    op.create_table(
        "degradation",
        sa.Column("id", Id, primary_key=True),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("found_at", Instant, nullable=False),
        sa.Column("cause", sa.String(30), nullable=False),
        sa.Column("label", sa.String(10), nullable=False),
        sa.Column("window_start", Instant, nullable=False),
        sa.Column("window_end", Instant, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("of_rows", sa.BigInteger(), nullable=False),
    )
    op.create_index("degradation_run", "degradation", ["run_id"])
    op.create_index("degradation_window", "degradation", ["window_start", "window_end"])
    op.create_table(
        "dry_run",
        sa.Column("id", Id, primary_key=True),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("done_at", Instant, nullable=False),
        sa.Column("label", sa.String(10), nullable=False),
        sa.Column("window_start", Instant, nullable=False),
        sa.Column("window_end", Instant, nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
    )
    op.create_index("dry_run_run", "dry_run", ["run_id"])
    op.create_table(
        "notice",
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("label", sa.String(10), primary_key=True),
        sa.Column("sent_at", Instant, nullable=False),
    )
