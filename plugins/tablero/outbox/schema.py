"""The tables of the outbox. ``migrations/`` creates them; a test compares the two.

There is no table of status changes: the rows of a batch are one value (``batch_content``) and share its state. ``intake``
ensures that each is staged only once; no unique key does.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from tablero.contract.status_change import MAX_ID_LENGTH
from tablero.outbox.engine import Instant

metadata = sa.MetaData()

#: Text that sorts by its bytes, which is the order of Python's strings.
Text = sa.String(MAX_ID_LENGTH).with_variant(sa.String(MAX_ID_LENGTH, collation="C"), "postgresql")

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: A reading of one window of the source. Only finished readings say anything about the window.
extraction = sa.Table(
    "extraction",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("label", sa.String(10), nullable=False),
    sa.Column("window_start", Instant, nullable=False),
    sa.Column("window_end", Instant, nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("rows_read", sa.BigInteger, nullable=False, server_default="0"),
    # Counted as they are staged, so that an interrupted reading has them too; the other numbers are those of a finished one.
    sa.Column("rows_new", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_known", sa.BigInteger, nullable=False, server_default="0"),
    # In the outbox, but no longer in the source; without rows that the dashboard had refused.
    sa.Column("rows_gone", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("duplicates", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("excluded", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rejected", sa.JSON, nullable=False, server_default="{}"),
    sa.Index("extraction_window", "window_start", "window_end"),
)

#: 1 to 1000 status changes posted in one call.
batch = sa.Table(
    "batch",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("extraction_id", Id, nullable=False),
    # The batch that this one was split off.
    sa.Column("parent_id", Id),
    # The batch with earlier changes of the same request, which must be settled first.
    sa.Column("after_id", Id),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("first_change", Instant, nullable=False),
    sa.Column("last_change", Instant, nullable=False),
    # Its place in the order of pending batches: the oldest change of the batch that was staged; inherited by the parts.
    sa.Column("place", Instant, nullable=False),
    # pending, delivered, refused (a single row), withdrawn (no longer in the source, and never sent or refused before), split
    # (its rows are in its parts).
    sa.Column("state", sa.String(9), nullable=False, server_default="pending"),
    sa.Column("words", sa.String(500)),
    sa.Column("claimed_by", sa.String(36)),
    sa.Column("claimed_until", Instant),
    sa.Column("settled_at", Instant),
    # The run that asked to post it again after it was delivered: the dashboard has its rows, whatever its state is since.
    sa.Column("resend_run_id", sa.String(250)),
    # How a delivered batch was confirmed: acknowledged, recognised (the dashboard called a repeat a duplicate) or adopted. For
    # a withdrawn batch: refused, if it had been refused. For a refused one: unproved, if no later acceptance proves that only
    # this row was at fault.
    sa.Column("settled_how", sa.String(12)),
    # How many times the search has split its rows off another batch; 0 for a batch as it was staged.
    sa.Column("cuts", sa.SmallInteger, nullable=False, server_default="0"),
    # When its rows were first refused, or failed; inherited by the parts.
    sa.Column("first_refused_at", Instant),
    # Attempts with an unknown outcome since the last known outcome.
    sa.Column("unknown_in_a_row", sa.SmallInteger, nullable=False, server_default="0"),
    # Whether an attempt with its rows ever had an unknown outcome, so that the dashboard may have them; inherited by the parts.
    sa.Column("ever_unknown", sa.Boolean, nullable=False, server_default=sa.false()),
    # Passes in which it was refused, or failed, as a single row, and the worker of the last such pass.
    sa.Column("strikes", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("struck_by", sa.String(36)),
    # The service, if all rows belong to one.
    sa.Column("service_id", Text),
    # The range of its request ids, which narrows the search for a request.
    sa.Column("first_request", Text, nullable=False, server_default=""),
    sa.Column("last_request", Text, nullable=False, server_default=""),
    # Its rows by civil day of the institution, {"2026-10-07": 35, ...}, so that days are counted without reading rows. NULL
    # once the rows are in the parts of the batch.
    sa.Column("days", sa.JSON(none_as_null=True)),
    sa.Index("batch_window", "first_change", "last_change"),
    sa.Index(
        "batch_pending",
        "place",
        "id",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
    # For the page: refused rows, deliveries by time, the parts of a batch, and a request.
    sa.Index(
        "batch_refused",
        "first_change",
        "id",
        sqlite_where=sa.text("state = 'refused'"),
        postgresql_where=sa.text("state = 'refused'"),
    ),
    sa.Index("batch_settled", "settled_at", postgresql_include=["rows", "state"]),
    sa.Index("batch_parent", "parent_id"),
    sa.Index("batch_request", "first_request", "last_request"),
)

#: The longest possible window: a month with a change of the clocks. No batch spans more, so the batches of a window are found
#: in one range of an index.
LONGEST_WINDOW = timedelta(days=32)

#: The rows of a batch, written once and read rarely, apart from its state, which changes: SQLite writes a row as a whole, and
#: reads it from its beginning. A batch whose rows are in its parts has none.
batch_content = sa.Table(
    "batch_content",
    metadata,
    sa.Column("batch_id", Id, primary_key=True, autoincrement=False),
    # Hashes of its requests, by which one request is found.
    sa.Column("requests", sa.LargeBinary, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

#: A POST of a batch. The attempt is recorded before the call, so that one that never ended has an unknown outcome.
attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("batch_id", Id, nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("message_id", sa.String(36), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    # NULL while the call is in flight.
    sa.Column("outcome", sa.String(9)),
    sa.Column("seconds", sa.Float),
    sa.Column("http_status", sa.Integer),
    sa.Column("error", sa.String(1000)),
    sa.Column("message", sa.String(500)),
    sa.Column("xroad_request_id", sa.String(100)),
    sa.Column("xroad_error", sa.String(200)),
    sa.Column("xroad_detail", sa.String(200)),
    sa.Index("attempt_batch", "batch_id"),
    sa.Index("attempt_run", "run_id"),
)

# The index is used only if its condition is written as SQLAlchemy writes ``~resolved`` for the dialect.
_OPEN_SQLITE, _OPEN_POSTGRESQL = sa.text("resolved = 0"), sa.text("NOT resolved")

#: Rows that violate the contract, as the source returned them. ``resolved`` once the source no longer returns them.
rejection = sa.Table(
    "rejection",
    metadata,
    sa.Column("digest", sa.String(32), primary_key=True),
    sa.Column("reason", sa.String(30), nullable=False),
    sa.Column("service_id", sa.String(300)),
    sa.Column("request_id", sa.String(300)),
    sa.Column("opening_date", sa.String(300)),
    sa.Column("status_id", sa.String(300)),
    sa.Column("last_modified_date", sa.String(300)),
    # Under which instant it is filed: its last_modified_date, or the start of the window that was read.
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("extraction_id", Id, nullable=False),
    sa.Column("resolved", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("rejection_changed_at", "changed_at"),
    # For the page, which lists open rejections: all, by reason, by service.
    sa.Index("rejection_open", "changed_at", "digest", sqlite_where=_OPEN_SQLITE, postgresql_where=_OPEN_POSTGRESQL),
    sa.Index(
        "rejection_open_reason", "reason", "changed_at", "digest", sqlite_where=_OPEN_SQLITE, postgresql_where=_OPEN_POSTGRESQL
    ),
    sa.Index(
        "rejection_open_service",
        "service_id",
        "changed_at",
        "digest",
        sqlite_where=_OPEN_SQLITE,
        postgresql_where=_OPEN_POSTGRESQL,
    ),
    sa.Index("rejection_request", "request_id"),
)

#: Failures of tasks without a retry left, for the alert about their run.
trouble = sa.Table(
    "trouble",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("dag_id", sa.String(250), nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("task", sa.String(300), nullable=False),
    sa.Column("happened_at", Instant, nullable=False),
    sa.Column("permanent", sa.Boolean, nullable=False),
    sa.Column("words", sa.String(2000), nullable=False),
    # The kind of failure, without the numbers and names in its message.
    sa.Column("cause", sa.String(80), nullable=False, server_default=""),
    # Locates the log.
    sa.Column("task_id", sa.String(250)),
    sa.Column("map_index", sa.Integer),
    sa.Column("try_number", sa.Integer),
    sa.Index("trouble_run", "dag_id", "run_id"),
)

#: Failures and degradations of the runs of a DAG, from the first such run until they are over; see ``incidents``. Runs started
#: by a person are stored under ``<dag_id> by hand``. At most one incident per cause is open.
incident = sa.Table(
    "incident",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("dag_id", sa.String(250), nullable=False),
    sa.Column("cause", sa.String(80), nullable=False, server_default=""),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("last_run_id", sa.String(250), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    # When its alert was queued; NULL as long as nobody is to be alerted.
    sa.Column("alerted_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Index(
        "incident_open",
        "dag_id",
        "cause",
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)

#: The result of ``reconcile`` for a window.
reconciliation = sa.Table(
    "reconciliation",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("label", sa.String(10), nullable=False),
    sa.Column("window_start", Instant, nullable=False),
    sa.Column("window_end", Instant, nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("counted_at", Instant, nullable=False),
    sa.Column("rows_read", sa.BigInteger, nullable=False),
    sa.Column("delivered", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.JSON, nullable=False),
    sa.Column("excluded", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("pending", sa.BigInteger, nullable=False),
    sa.Column("gone", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("recount", sa.BigInteger),
    sa.Column("settled", sa.Boolean, nullable=False),
    sa.Index("reconciliation_window", "window_start", "window_end"),
)

#: How many rows the view had when the source counted all of them, after a load had read it; see ``findings.ViewCount``.
view_count = sa.Table(
    "view_count",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("counted_at", Instant, nullable=False),
    # The end of the last window that was read.
    sa.Column("until", Instant, nullable=False),
    sa.Column("rows_read", sa.BigInteger, nullable=False),
    # NULL if the source could not count.
    sa.Column("rows_counted", sa.BigInteger),
    sa.Column("rows_later", sa.BigInteger),
    sa.Column("result", sa.String(12), nullable=False),
)

#: What people did on the page: who requeued which rows, and when.
operator_action = sa.Table(
    "operator_action",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("done_at", Instant, nullable=False),
    sa.Column("user_name", sa.String(250), nullable=False),
    # A reason code: REFUSED_BY_DASHBOARD requeues rows; all others make the source be read again.
    sa.Column("reason", sa.String(30), nullable=False),
    # The request: {"month": ..., "service": ..., "chosen": [...]}
    sa.Column("selection", sa.JSON, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    # The runs started for it, [{"dag_id": ..., "run_id": ...}], and the problem if one could not be started.
    sa.Column("runs", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("problem", sa.String(500)),
)

#: The batches, of one refused row each, that an action requeued, with the explanation the dashboard had given.
requeued = sa.Table(
    "requeued",
    metadata,
    sa.Column("action_id", Id, primary_key=True, autoincrement=False),
    sa.Column("batch_id", Id, primary_key=True, autoincrement=False),
    sa.Column("words", sa.String(500)),
    sa.Index("requeued_batch", "batch_id"),
)

#: The dashboard that this outbox delivers to: one row, inserted by the first task that sends.
target = sa.Table(
    "target",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(1000), nullable=False),
    sa.Column("since", Instant, nullable=False),
)

#: Degraded windows of runs; ``cause`` is a value of ``delivery.health.degraded.Cause``.
degradation = sa.Table(
    "degradation",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("dag_id", sa.String(250), nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("found_at", Instant, nullable=False),
    sa.Column("cause", sa.String(30), nullable=False),
    sa.Column("label", sa.String(10), nullable=False),
    sa.Column("window_start", Instant, nullable=False),
    sa.Column("window_end", Instant, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    # What ``rows`` is compared with: all rows read, or the usual number.
    sa.Column("of_rows", sa.BigInteger, nullable=False),
    sa.Index("degradation_run", "run_id"),
    sa.Index("degradation_window", "window_start", "window_end"),
)

#: The result of a dry run for a window; values in its samples are masked.
dry_run = sa.Table(
    "dry_run",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("dag_id", sa.String(250), nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("done_at", Instant, nullable=False),
    sa.Column("label", sa.String(10), nullable=False),
    sa.Column("window_start", Instant, nullable=False),
    sa.Column("window_end", Instant, nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
    sa.Index("dry_run_run", "run_id"),
)

#: Alerts that a channel (``mail``, ``webhook``) has not taken yet; see ``alerts.queue``.
notification = sa.Table(
    "notification",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("channel", sa.String(10), nullable=False),
    sa.Column("queued_at", Instant, nullable=False),
    # Until then the callback that claimed it may be sending it.
    sa.Column("claimed_until", Instant),
    sa.Column("message", sa.JSON, nullable=False),
)

#: Mails sent once per period, by whichever run is first.
notice = sa.Table(
    "notice",
    metadata,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("label", sa.String(10), primary_key=True),
    sa.Column("sent_at", Instant, nullable=False),
)
