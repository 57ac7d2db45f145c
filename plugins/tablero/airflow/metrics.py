"""What others can watch: metrics by Airflow's own ``stats`` (StatsD, OpenTelemetry), a line in the log for each attempt, asset
events of settled windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.observability import stats
from structlog.contextvars import bound_contextvars
from tablero.dashboard.answer import Attempt, Outcome, log_line
from tablero.outbox.ledger import Account

#: Updated once for each window that a reconciliation finds settled; the event's extra carries its counts.
WINDOWS = Asset(name="tablero_windows", uri="x-tablero://windows")

#: Updated once for each reconciliation that finds any settled; the event's extra carries the counts of all of them. Other
#: DAGs are scheduled on this one: of several events that one task makes of an asset, Airflow 3.3.2 hands only the first to the
#: run which they trigger, and the rest to the run after it.
RECONCILIATIONS = Asset(name="tablero_reconciliations", uri="x-tablero://reconciliations")

#: The outlet through which the events of both come.
SETTLED = AssetAlias("tablero_settled")


def attempted(attempt: Attempt) -> None:
    """Log an attempt, and count it."""
    # Airflow's log files are lines of JSON, which have none of a record's attributes, but all of structlog's context.
    with bound_contextvars(**attempt.fields()):
        log_line(attempt)
    answer = attempt.answer
    tags = {"outcome": answer.outcome.value}
    stats.incr("tablero.attempts", tags=tags)
    stats.timing("tablero.latency", answer.seconds * 1000, tags=tags)
    if answer.outcome is Outcome.DELIVERED:
        stats.incr("tablero.batches")
        stats.incr("tablero.rows", attempt.rows)


def reconciled(accounts: Sequence[Account], oldest_pending: float) -> None:
    """Tell what a reconciliation found.

    :param oldest_pending: seconds since the oldest pending row was staged; 0 if none is.
    """
    stats.gauge("tablero.pending_rows", sum(found.pending for found in accounts))
    stats.gauge("tablero.pending_age", oldest_pending)
    stats.gauge("tablero.open_windows", sum(not found.settled for found in accounts))


def announce(events: Any, accounts: Sequence[Account]) -> None:
    """Add the asset events of the settled windows: one for each, and one for all.

    :param events: Airflow's ``outlet_events`` of a task with the outlet :data:`SETTLED`.
    """
    settled = [counts(found) for found in accounts if found.settled]
    for window in settled:
        events[SETTLED].add(WINDOWS, extra=window)
    if settled:
        events[SETTLED].add(RECONCILIATIONS, extra={"windows": settled})


def counts(found: Account) -> dict[str, Any]:
    """An account as JSON."""
    return {
        "window": found.window.label,
        "start": found.window.start.isoformat(),
        "end": found.window.end.isoformat(),
        "read": found.read,
        "delivered": found.delivered,
        "rejected": dict(found.rejected),
        "excluded": found.excluded,
        "duplicate": found.duplicates,
    }
