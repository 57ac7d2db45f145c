"""Monitoring: metrics through Airflow's ``stats`` (StatsD, OpenTelemetry), a log line per attempt, and asset events of settled
windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.observability import stats
from structlog.contextvars import bound_contextvars
from tablero.airflow.assets import RECONCILIATIONS, SETTLED, WINDOWS
from tablero.contract.windows import Window
from tablero.dashboard.answer import Attempt, Outcome, log_line
from tablero.outbox.findings import Degradation
from tablero.outbox.ledger import Account


def attempted(attempt: Attempt) -> None:
    """Log an attempt and count it."""
    # Airflow's JSON log files contain structlog's context variables, but no attributes of log records.
    with bound_contextvars(**attempt.fields()):
        log_line(attempt)
    answer = attempt.answer
    tags = {"outcome": answer.outcome.value}
    stats.incr("tablero.attempts", tags=tags)
    stats.timing("tablero.latency", answer.seconds * 1000, tags=tags)
    if answer.outcome is Outcome.DELIVERED:
        stats.incr("tablero.batches")
    if attempt.accepted:
        stats.incr("tablero.rows", attempt.accepted)


def reconciled(accounts: Sequence[Account], oldest_pending: float, unusual: Sequence[Degradation] = ()) -> None:
    """Publish the metrics of a reconciliation.

    :param oldest_pending: seconds since the oldest pending batch was staged; 0 if there is none.
    :param unusual: the degradations of the run.
    """
    stats.gauge("tablero.pending_rows", sum(found.pending for found in accounts))
    stats.gauge("tablero.pending_age", oldest_pending)
    stats.gauge("tablero.open_windows", sum(not found.settled for found in accounts))
    stats.gauge("tablero.degraded", len(unusual))


def announce(
    events: Any, accounts: Sequence[Account], before: Mapping[Window, Account], unusual: Sequence[Degradation] = ()
) -> None:
    """Emit the asset events of the settled windows: one for each that changed, and one for all.

    :param events: Airflow's ``outlet_events`` of a task with the outlet :data:`~tablero.airflow.assets.SETTLED`.
    :param before: the previous proof of each window.
    :param unusual: the degradations of the run.
    """
    settled = [found for found in accounts if found.settled]
    changed = [counts(found) for found in settled if not _is_the_same(found, before.get(found.window))]
    for window in changed:
        events[SETTLED].add(WINDOWS, extra=window)
    if settled:
        found = [{"cause": one.cause, "window": one.label, "rows": one.rows, "of": one.of_rows} for one in unusual]
        events[SETTLED].add(RECONCILIATIONS, extra={"windows": changed} | ({"degraded": found} if found else {}))


def _is_the_same(found: Account, before: Account | None) -> bool:
    return before is not None and before.settled and counts(before) == counts(found)


def counts(found: Account) -> dict[str, Any]:
    """An account in the form of an asset event's extra."""
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
