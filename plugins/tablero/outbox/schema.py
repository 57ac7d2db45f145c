"""The outbox's tables. ``migrations/`` makes them; a test compares the two.

There is no table of status changes: the rows of a batch are one value in its row (``content``), and their state is the
batch's. That each is staged only once is kept by the writer (``intake``), not by a key.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from tablero.contract.status_change import MAX_ID_LENGTH
from tablero.outbox.engine import Instant

metadata = sa.MetaData()

#: Text whose order is that of its bytes, which is also Python's order of strings.
Text = sa.String(MAX_ID_LENGTH).with_variant(sa.String(MAX_ID_LENGTH, collation="C"), "postgresql")

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: One reading of one window of the source. Only a finished one says anything about the window.
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
    sa.Column("rows_new", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_known", sa.BigInteger, nullable=False, server_default="0"),
    # In the outbox, and no longer in the source; those that the dashboard had refused are not among them.
    sa.Column("rows_gone", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("duplicates", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("excluded", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rejected", sa.JSON, nullable=False, server_default="{}"),
    sa.Index("extraction_window", "window_start", "window_end"),
)

#: 1 to 1000 status changes that are posted in one call.
batch = sa.Table(
    "batch",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("extraction_id", Id, nullable=False),
    # The batch that was cut to make this one.
    sa.Column("parent_id", Id),
    # The batch with earlier changes of the same request, to be settled first.
    sa.Column("after_id", Id),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("first_change", Instant, nullable=False),
    sa.Column("last_change", Instant, nullable=False),
    # pending, delivered, refused (one row, set aside), withdrawn (never sent, or refused, and no longer in the source), split
    # (its rows are in its children)
    sa.Column("state", sa.String(9), nullable=False, server_default="pending"),
    sa.Column("words", sa.String(500)),
    sa.Column("claimed_by", sa.String(36)),
    sa.Column("claimed_until", Instant),
    sa.Column("settled_at", Instant),
    # The run that asked for it to be posted again.
    sa.Column("resend_run_id", sa.String(250)),
    # How a delivered one is known to be: acknowledged, recognised (the dashboard called a repeat one), adopted. Of a withdrawn
    # one: refused, if it had been.
    sa.Column("settled_how", sa.String(12)),
    # How often it was cut out of another one in the search for what is refused; 0 is whole.
    sa.Column("cuts", sa.SmallInteger, nullable=False, server_default="0"),
    # Since when its rows are refused, or failed; the parts of a batch inherit it.
    sa.Column("first_refused_at", Instant),
    # Attempts without a known outcome since the last known one.
    sa.Column("unknown_in_a_row", sa.SmallInteger, nullable=False, server_default="0"),
    # Whether its rows were once posted with an unknown outcome; parts inherit it. The dashboard may have them.
    sa.Column("ever_unknown", sa.Boolean, nullable=False, server_default=sa.false()),
    # Passes in which it failed or was refused as a single row, and the worker of the last one.
    sa.Column("strikes", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("struck_by", sa.String(36)),
    # Where all its rows are of one service, which.
    sa.Column("service_id", Text),
    # Of its request ids, by which one request is found.
    sa.Column("first_request", Text, nullable=False, server_default=""),
    sa.Column("last_request", Text, nullable=False, server_default=""),
    # Large values last, where SQLite need not read over them. Both by ``content``; NULL once its rows are in its children.
    sa.Column("requests", sa.LargeBinary),
    sa.Column("content", sa.LargeBinary),
    sa.Index("batch_window", "first_change", "last_change"),
    sa.Index(
        "batch_pending",
        "first_change",
        "id",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
    # For the page: what was refused, what was delivered when, the parts of a batch, and one request.
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

#: The longest window there is, a month with a change of the clocks. No batch reaches further, so that those of a window are
#: found between two ends of an index.
LONGEST_WINDOW = timedelta(days=32)

#: How many rows of a batch lie in which civil day of the institution, so that days and months are counted without reading
#: rows.
batch_day = sa.Table(
    "batch_day",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("batch_id", Id, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Index("batch_day_batch", "batch_id"),
)

#: Every POST of a batch. It is on record before it happens: an attempt that never ended has an unknown outcome.
attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("batch_id", Id, nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("message_id", sa.String(36), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    # NULL while it is under way
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

# As SQLAlchemy writes ``~resolved`` for each: only so is the index used.
_OPEN_SQLITE, _OPEN_POSTGRESQL = sa.text("resolved = 0"), sa.text("NOT resolved")

#: Rows that break the contract, as the source gave them. ``resolved`` once the source no longer gives them.
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
    # Where it stands in time: its last_modified_date, or the start of the window that read it.
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("extraction_id", Id, nullable=False),
    sa.Column("resolved", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("rejection_changed_at", "changed_at"),
    # For the page, which lists what is still wrong: all of it, of a reason, of a service.
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

#: Failures of tasks which had no try left, for the alert that tells of their run.
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
    # What kind of failure it is, whatever numbers it mentions.
    sa.Column("cause", sa.String(80), nullable=False, server_default=""),
    # Where its log is.
    sa.Column("task_id", sa.String(250)),
    sa.Column("map_index", sa.Integer),
    sa.Column("try_number", sa.Integer),
    sa.Index("trouble_run", "dag_id", "run_id"),
)

#: What went wrong in the runs of a DAG, or was not as usual, from the first such run until it is over; ``incidents`` says when.
#: Runs that someone starts are kept apart, as ``<dag_id> by hand``. At most one of each cause is open.
incident = sa.Table(
    "incident",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("dag_id", sa.String(250), nullable=False),
    sa.Column("cause", sa.String(80), nullable=False, server_default=""),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("last_run_id", sa.String(250), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
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

#: What ``reconcile`` found for a window: the proof, kept.
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

#: What people did on the page: who asked when for which rows to be tried again.
operator_action = sa.Table(
    "operator_action",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("done_at", Instant, nullable=False),
    sa.Column("user_name", sa.String(250), nullable=False),
    # A reason code: REFUSED_BY_DASHBOARD puts rows back into the queue, all others have the source read again.
    sa.Column("reason", sa.String(30), nullable=False),
    # What was asked for: {"month": ..., "service": ..., "chosen": [...]}
    sa.Column("selection", sa.JSON, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    # The runs which were started for it: [{"dag_id": ..., "run_id": ...}], and why one could not be.
    sa.Column("runs", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("problem", sa.String(500)),
)

#: The batches, of one refused row each, that an action put back into the queue, with the dashboard's words of then.
requeued = sa.Table(
    "requeued",
    metadata,
    sa.Column("action_id", Id, primary_key=True, autoincrement=False),
    sa.Column("batch_id", Id, primary_key=True, autoincrement=False),
    sa.Column("words", sa.String(500)),
    sa.Index("requeued_batch", "batch_id"),
)

#: The dashboard that this outbox delivers to; one row, made by the first task that sends.
target = sa.Table(
    "target",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(1000), nullable=False),
    sa.Column("since", Instant, nullable=False),
)

#: Windows in which a run found something that was not as usual; ``cause`` is a name of ``delivery.degraded``.
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
    # What the rows are compared with: all that were read, or what is usual.
    sa.Column("of_rows", sa.BigInteger, nullable=False),
    sa.Index("degradation_run", "run_id"),
    sa.Index("degradation_window", "window_start", "window_end"),
)

#: What a dry run found of a window, compared with the outbox; values in its samples are masked.
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

#: Mails that go out once for each period, whichever run comes to send them.
notice = sa.Table(
    "notice",
    metadata,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("label", sa.String(10), primary_key=True),
    sa.Column("sent_at", Instant, nullable=False),
)
