"""What a night asks before it plans and after it has read: which intervals were read, which are unsettled, when each month was
last proved, and how many rows earlier days had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.intervals import Covered, Interval
from tablero.contract.windows import DATED, Window, day_window
from tablero.outbox import ledger
from tablero.outbox.batches import add_days, touching_days
from tablero.outbox.schema import batch, degradation, extraction, reconciliation


class Proof(NamedTuple):
    """The last proof of a month, or of a part of one.

    :ivar start: its first instant.
    :ivar end: the first instant after it.
    :ivar counted_at: when it was proved.
    """

    start: datetime
    end: datetime
    counted_at: datetime


def intervals_read(connection: Connection, *, but_by: str | None = None) -> Covered:
    """What was read to its end.

    :param but_by: a run whose readings do not count.
    """
    edges = (extraction.c.window_start, extraction.c.window_end)
    query = sa.select(*edges).where(extraction.c.finished_at.is_not(None), extraction.c.kind.in_(DATED)).distinct()
    if but_by is not None:
        query = query.where(extraction.c.run_id != but_by)
    return Covered((start, end) for start, end in connection.execute(query))


def intervals_unsettled(connection: Connection) -> list[Interval]:
    """Windows whose last proof found them unsettled, unless a later proof of a window that contains them found it settled."""
    query = _unsettled().order_by(reconciliation.c.window_start)
    return [(start, end) for start, end in connection.execute(query)]


def count_unsettled(connection: Connection) -> int:
    """How many there are."""
    return int(connection.scalar(sa.select(sa.func.count()).select_from(_unsettled().subquery())) or 0)


def _unsettled() -> sa.Select[Any]:
    later = reconciliation.alias("later")
    same = reconciliation.alias("same")
    settled_since = sa.exists().where(
        later.c.id > reconciliation.c.id,
        later.c.window_start <= reconciliation.c.window_start,
        later.c.window_end >= reconciliation.c.window_end,
        later.c.settled,
    )
    newer = sa.exists().where(
        same.c.id > reconciliation.c.id,
        same.c.window_start == reconciliation.c.window_start,
        same.c.window_end == reconciliation.c.window_end,
    )
    return sa.select(reconciliation.c.window_start, reconciliation.c.window_end).where(
        ~reconciliation.c.settled, reconciliation.c.kind.in_(DATED), ~settled_since, ~newer
    )


def month_proofs(connection: Connection) -> list[Proof]:
    """The last proof of each month, and of each part of one, that was ever proved."""
    edges = (reconciliation.c.window_start, reconciliation.c.window_end)
    last = sa.func.max(reconciliation.c.counted_at, type_=reconciliation.c.counted_at.type)
    query = sa.select(*edges, last).where(reconciliation.c.kind == "month").group_by(*edges)
    return [Proof._make(row) for row in connection.execute(query)]


def is_any_row_known(connection: Connection) -> bool:
    """Whether any reading of a day or month has returned a row that was not excluded."""
    returned = sa.and_(extraction.c.kind.in_(DATED), extraction.c.rows_read > extraction.c.excluded)
    return connection.scalar(sa.select(sa.exists().where(returned))) or False


def rows_on(connection: Connection, days: Collection[date], zone: tzinfo) -> dict[date, int]:
    """The rows of each of these civil days, without excluded ones; 0 for a day without rows.

    Rejected rows are included where the day was read as a day, and not only as part of a month.

    :param zone: of the days.
    """
    if not days:
        return {}
    starts = {day_window(day, zone).start: day for day in days}
    last = sa.select(sa.func.max(extraction.c.id)).where(extraction.c.kind == "day", extraction.c.finished_at.is_not(None))
    readings = connection.execute(
        sa.select(extraction.c.window_start, extraction.c.rows_read - extraction.c.excluded).where(
            extraction.c.id.in_(last.where(extraction.c.window_start.in_(list(starts))).group_by(extraction.c.window_start))
        )
    )
    read = {starts[start]: int(rows) for start, rows in readings}
    in_states = batch.c.state.in_(("pending", "delivered", "refused"))
    counts = add_days(connection.scalars(sa.select(batch.c.days).where(touching_days(min(days), max(days)), in_states)))
    return {day: max(counts.get(day, 0), read.get(day, 0)) for day in days}


def left_out_of(connection: Connection, start: datetime, end: datetime) -> int:
    """The rows of ``[start, end)`` that are repetitions, or of requests opened before ``earliest``: by the last reading of all
    of it, or by those of its days if there was none.
    """
    finished = extraction.c.finished_at.is_not(None)
    whole = sa.select(sa.func.max(extraction.c.id)).where(
        finished, extraction.c.window_start == start, extraction.c.window_end == end
    )
    days = (
        sa.select(sa.func.max(extraction.c.id))
        .where(finished, extraction.c.kind == "day", extraction.c.window_start >= start, extraction.c.window_end <= end)
        .group_by(extraction.c.window_start)
    )
    newest = connection.scalar(whole)
    of = extraction.c.id.in_(days) if newest is None else extraction.c.id == newest
    rows = sa.select(sa.func.sum(extraction.c.excluded + extraction.c.duplicates)).where(of)
    return int(connection.scalar(rows) or 0)


#: How many days are looked at until enough rows are found: a month's, a year's, all there may be.
_SPANS = (31, 366, 36_600)


def days_delivered_before(connection: Connection, day: date, rows: int) -> list[date]:
    """The last days before ``day`` that together have this many delivered rows, or all there are; the latest first."""
    spans = (_delivered(connection, day - timedelta(days=span), day - timedelta(days=1)) for span in _SPANS)
    return _enough(spans, rows, latest_first=True)


def days_delivered_from(connection: Connection, day: date, rows: int) -> list[date]:
    """The first days from ``day`` on that together have this many delivered rows, or all there are; the earliest first."""
    spans = (_delivered(connection, day, day + timedelta(days=span)) for span in _SPANS)
    return _enough(spans, rows, latest_first=False)


def _delivered(connection: Connection, first: date, last: date) -> dict[date, int]:
    """The delivered rows of each day from ``first`` to ``last`` that has any."""
    query = sa.select(batch.c.days).where(touching_days(first, last), batch.c.state == "delivered")
    return {day: rows for day, rows in add_days(connection.scalars(query)).items() if first <= day <= last}


def _enough(spans: Iterable[Mapping[date, int]], rows: int, *, latest_first: bool) -> list[date]:
    found: Mapping[date, int] = {}
    for found in spans:
        if sum(found.values()) >= rows:
            break
    total, days = 0, []
    for day in sorted(found, reverse=latest_first):
        if total >= rows:
            break
        days.append(day)
        total += found[day]
    return days


def days_with(connection: Connection, causes: Collection[str]) -> set[date]:
    """The days for which a run stored a degradation with one of these causes."""
    query = sa.select(degradation.c.label).where(degradation.c.cause.in_(list(causes))).distinct()
    return {date.fromisoformat(label) for label in connection.scalars(query) if len(label) == len("YYYY-MM-DD")}


def rows_found(connection: Connection, window: Window, run_id: str) -> int:
    """The rows that all readings of exactly this window by a run were the first to find, in whichever try of its tasks."""
    query = sa.select(sa.func.coalesce(sa.func.sum(extraction.c.rows_new), 0)).where(
        extraction.c.window_start == window.start,
        extraction.c.window_end == window.end,
        # In the night after the first of a month, the month so far is the same interval as the run's own day.
        extraction.c.kind == window.kind,
        extraction.c.run_id == run_id,
    )
    return int(connection.execute(query).scalar_one())


def newly_gone(connection: Connection, account: ledger.Account, run_id: str) -> int:
    """The rows of a window that the source has ceased to return since the last proof by another run; 0 without one."""
    before = connection.scalar(
        sa.select(reconciliation.c.gone)
        .where(
            reconciliation.c.window_start == account.window.start,
            reconciliation.c.window_end == account.window.end,
            reconciliation.c.run_id != run_id,
        )
        .order_by(reconciliation.c.id.desc())
        .limit(1)
    )
    return 0 if before is None else max(account.gone - before, 0)


def is_stale(connection: Connection, window: Window, since: datetime) -> bool:
    """Whether rows of ``window`` are pending that have not been compared with the source since the instant ``since``."""
    asked = sa.select(extraction.c.id).where(
        extraction.c.window_start == window.start,
        extraction.c.window_end == window.end,
        extraction.c.finished_at.is_not(None),
        extraction.c.started_at >= since,
    )
    if connection.scalar(asked.limit(1)) is not None:
        return False
    return ledger.count_states(connection, window)["pending"] > 0
