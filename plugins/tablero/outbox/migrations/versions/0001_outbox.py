"""The outbox: extractions, batches, status changes, attempts, rejections, reconciliations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from tablero.outbox.engine import Instant
from tablero.outbox.schema import Id, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "attempt",
        sa.Column("id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("outcome", sa.String(length=9), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=1000), nullable=True),
        sa.Column("message", sa.String(length=500), nullable=True),
        sa.Column("xroad_request_id", sa.String(length=100), nullable=True),
        sa.Column("xroad_error", sa.String(length=200), nullable=True),
        sa.Column("xroad_detail", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("attempt_batch", "attempt", ["batch_id"], unique=False)
    op.create_table(
        "batch",
        sa.Column("id", Id, nullable=False),
        sa.Column("extraction_id", Id, nullable=False),
        sa.Column("parent_id", Id, nullable=True),
        sa.Column("after_id", Id, nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("first_change", Instant, nullable=False),
        sa.Column("last_change", Instant, nullable=False),
        sa.Column("state", sa.String(length=9), server_default="pending", nullable=False),
        sa.Column("words", sa.String(length=500), nullable=True),
        sa.Column("claimed_by", sa.String(length=36), nullable=True),
        sa.Column("claimed_until", Instant, nullable=True),
        sa.Column("settled_at", Instant, nullable=True),
        sa.Column("resend_run_id", sa.String(length=250), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "batch_pending",
        "batch",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("batch_window", "batch", ["first_change", "last_change"], unique=False)
    op.create_table(
        "batch_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("batch_id", Id, autoincrement=False, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "batch_id"),
    )
    op.create_index("batch_day_batch", "batch_day", ["batch_id"], unique=False)
    op.create_table(
        "extraction",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("label", sa.String(length=10), nullable=False),
        sa.Column("window_start", Instant, nullable=False),
        sa.Column("window_end", Instant, nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("finished_at", Instant, nullable=True),
        sa.Column("rows_read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_new", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_known", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("duplicates", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("excluded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected", sa.JSON(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("extraction_window", "extraction", ["window_start", "window_end"], unique=False)
    op.create_table(
        "reconciliation",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("label", sa.String(length=10), nullable=False),
        sa.Column("window_start", Instant, nullable=False),
        sa.Column("window_end", Instant, nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("counted_at", Instant, nullable=False),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.JSON(), nullable=False),
        sa.Column("excluded", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.Column("recount", sa.BigInteger(), nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("reconciliation_window", "reconciliation", ["window_start", "window_end"], unique=False)
    op.create_table(
        "rejection",
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("service_id", sa.String(length=300), nullable=True),
        sa.Column("request_id", sa.String(length=300), nullable=True),
        sa.Column("opening_date", sa.String(length=300), nullable=True),
        sa.Column("status_id", sa.String(length=300), nullable=True),
        sa.Column("last_modified_date", sa.String(length=300), nullable=True),
        sa.Column("changed_at", Instant, nullable=False),
        sa.Column("extraction_id", Id, nullable=False),
        sa.Column("resolved", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("rejection_changed_at", "rejection", ["changed_at"], unique=False)
    op.create_table(
        "status_change",
        sa.Column("request_id", Text, nullable=False),
        sa.Column("last_modified_date", Instant, nullable=False),
        sa.Column("status_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("service_id", Text, nullable=False),
        sa.Column("opening_date", Instant, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.PrimaryKeyConstraint("request_id", "last_modified_date", "status_id", "service_id", "opening_date"),
        sqlite_with_rowid=False,
    )
    op.create_index("status_change_batch", "status_change", ["batch_id"], unique=False)
    op.create_table(
        "trouble",
        sa.Column("id", Id, nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("task", sa.String(length=300), nullable=False),
        sa.Column("happened_at", Instant, nullable=False),
        sa.Column("permanent", sa.Boolean(), nullable=False),
        sa.Column("words", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("trouble_run", "trouble", ["dag_id", "run_id"], unique=False)
    op.create_table(
        "incident",
        sa.Column("id", Id, nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("last_run_id", sa.String(length=250), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("alerted_at", Instant, nullable=True),
        sa.Column("closed_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "incident_open",
        "incident",
        ["dag_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
