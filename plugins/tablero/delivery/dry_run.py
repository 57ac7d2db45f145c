"""Use case: dry run. What a run would do, compared with the outbox; it stages and sends nothing.

Its result is stored for the page: counts, some rejected rows with masked ids, whether the brake would stop the run, and how
long it would take at the latest response times.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Engine
from tablero.contract.status_change import FIELDS
from tablero.contract.windows import Window
from tablero.delivery.run import Run
from tablero.delivery.staging import preview
from tablero.errors import ImplausibleReading
from tablero.outbox import findings
from tablero.outbox.engine import reading
from tablero.outbox.findings import DryRunResult, Sample, nights
from tablero.outbox.intake import RejectedRow
from tablero.outbox.queue import pending
from tablero.outbox.reports import outcomes
from tablero.settings import Settings
from tablero.source.reader import Source

#: Columns whose values may identify a person.
_MASKED = {"service_id", "request_id"}

#: Characters of them that stay readable, if that is not more than half of them.
_SHOWN = 3


def run(
    engine: Engine | None,
    source: Source,
    settings: Settings,
    window: Window,
    run: Run,
    *,
    dag_id: str,
) -> dict[str, Any]:
    """Read ``window`` and compare it with the outbox.

    :param engine: of the outbox, in which the result is stored; ``None`` if there is none yet.
    :returns: counts and forecast, without any value of a row.
    """
    brake = None
    try:
        tally = preview(engine, source, settings, window, run)
    except ImplausibleReading as error:
        brake = error.text
        tally = preview(engine, source, settings, window, replace(run, accept_changes=True))
    pace, waiting = None, pending.Waiting(0, 0)
    if engine is not None:
        with reading(engine) as connection:
            pace, waiting = outcomes.seconds_a_call(connection), pending.waiting(connection, window)
    calls = tally.batches + waiting.batches
    seconds = forecast(calls, pace, settings.concurrency)
    result = DryRunResult(
        read=tally.read,
        new=tally.new,
        known=tally.known,
        rejected=dict(tally.rejected),
        excluded=tally.excluded,
        duplicates=tally.duplicates,
        gone=tally.gone,
        withdrawn=tally.withdrawn,
        resent=waiting.doubtful,
        batches=calls,
        bytes=tally.bytes,
        seconds=seconds,
        nights=nights(seconds, settings.send_hours),
        brake=brake,
        samples=tuple(map(_masked, tally.samples)),
    )
    if engine is not None:
        findings.keep_dry_run(engine, dag_id, run.id, window, result, now=run.clock())
    counts = result.to_json()
    del counts["samples"]
    return {"window": window.label, **counts, "brake": str(brake) if brake else None}


def forecast(calls: int, seconds_a_call: float | None, concurrency: int) -> float | None:
    """Seconds that this number of calls takes; ``None`` if no response time is on record."""
    return None if seconds_a_call is None else math.ceil(calls / concurrency) * seconds_a_call


def _masked(row: RejectedRow) -> Sample:
    named = zip(FIELDS, row.values, strict=True)
    return Sample(row.reason, tuple(_mask(value) if name in _MASKED else value for name, value in named))


def _mask(value: str | None) -> str | None:
    if value is None:
        return None
    shown = min(_SHOWN, len(value) // 2)
    return value[:shown] + "*" * (len(value) - shown)
