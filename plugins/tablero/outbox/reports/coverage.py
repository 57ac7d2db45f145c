"""Queries about coverage: the rows of each day by state, the readings of each window, and the proofs.

Counts come from ``batch``, which has one row for hundreds of status changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.windows import DATED, Window
from tablero.outbox.batches import add_days, touching_days
from tablero.outbox.findings import ViewCount
from tablero.outbox.reports.snapshot import COUNT_LIMIT, Count, Rows, as_table
from tablero.outbox.schema import LONGEST_WINDOW, batch, extraction, reconciliation, rejection, view_count

_ADOPTED = sa.func.sum(sa.case((batch.c.settled_how == "adopted", batch.c.rows), else_=0))


class Read(NamedTuple):
    """The columns of a finished reading that coverage needs."""

    id: int
    kind: str
    run_id: str
    window_start: datetime
    window_end: datetime
    finished_at: datetime
    excluded: int
    duplicates: int


class Proven(NamedTuple):
    """The columns of a reconciliation that coverage needs: see :class:`tablero.outbox.reports.snapshot.Proof`."""

    id: int
    window_start: datetime
    window_end: datetime
    counted_at: datetime
    pending: int
    recount: int | None
    settled: bool


class Whole(NamedTuple):
    """A count of the whole view, and the run that made it."""

    run_id: str
    counted_at: datetime
    view: ViewCount

    def to_json(self, zone: tzinfo) -> dict[str, Any]:
        """The form for machines.

        :param zone: for its times.
        """
        found = self.view
        return {
            "result": found.result,
            "counted_at": self.counted_at.astimezone(zone).isoformat(),
            "run_id": self.run_id,
            "until": found.until.astimezone(zone).isoformat(),
            "rows_read": found.rows_read,
            "rows_counted": found.rows_counted,
            "rows_later": found.rows_later,
            "difference": found.difference,
        }


class Staged(NamedTuple):
    """All staged rows.

    :ivar months: those of each of the given months that has any, by label.
    :ivar outside: those in none of them, because ``earliest`` was set to a later date since.
    :ivar adopted: those that a person recorded as delivered (``tablero adopt``), without an acknowledgement on record; they are
        included in the others.
    """

    months: Mapping[str, Rows]
    outside: Rows
    adopted: int


def staged_rows(connection: Connection, months: Sequence[Window]) -> Staged:
    """The rows of all batches.

    :param months: consecutive.
    """
    inside, adopted, straddles = _by_month(connection, months)
    outside, adopted_outside = _outside(connection, months[0].start, months[-1].end)
    if straddles:
        by_days = _months_by_days(connection)
        inside = {month.label: by_days.pop(month.label) for month in months if month.label in by_days}
        outside = sum(by_days.values(), Rows())
    return Staged(inside, outside, adopted + adopted_outside)


def rows_by_month(connection: Connection, months: Sequence[Window]) -> Mapping[str, Rows]:
    """The staged rows of each of these months that has any, by label."""
    found, _, straddles = _by_month(connection, months)
    return _months_by_days(connection) if straddles else found


def _by_month(connection: Connection, months: Sequence[Window]) -> tuple[Mapping[str, Rows], int, bool]:
    """Rows by month; those of them that were adopted; and whether a batch extends beyond its month.

    A batch belongs to one window and so to one month. If one extends beyond its month all the same, because the institution's
    time zone was changed, rows have to be counted by day instead, which is exact and slower.
    """
    month = as_table(connection, months)
    beyond = sa.case((batch.c.last_change >= month.c.after, 1), else_=0)
    query = (
        sa.select(month.c.label, batch.c.state, sa.func.sum(batch.c.rows), _ADOPTED, sa.func.max(beyond))
        .join(batch, sa.and_(batch.c.first_change >= month.c.first, batch.c.first_change < month.c.after))
        .where(batch.c.state.in_(Rows._fields))
        .group_by(month.c.label, batch.c.state)
    )
    found = connection.execute(query).all()
    counts: dict[str, dict[str, int]] = {}
    for label, state, rows, _, _ in found:
        counts.setdefault(label, {})[state] = int(rows)
    adopted = sum(int(each[3]) for each in found)
    return {label: Rows(**states) for label, states in counts.items()}, adopted, any(each[4] for each in found)


def _outside(connection: Connection, start: datetime, end: datetime) -> tuple[Rows, int]:
    """Rows of the batches that begin before ``start`` or from ``end`` on, and those of them that were adopted."""
    query = (
        sa.select(batch.c.state, sa.func.sum(batch.c.rows), _ADOPTED)
        .where(sa.or_(batch.c.first_change < start, batch.c.first_change >= end), batch.c.state.in_(Rows._fields))
        .group_by(batch.c.state)
    )
    found = connection.execute(query).all()
    return Rows(**{state: int(rows) for state, rows, _ in found}), sum(int(adopted) for _, _, adopted in found)


def _months_by_days(connection: Connection) -> dict[str, Rows]:
    months: dict[str, Rows] = {}
    for state in Rows._fields:
        days = add_days(connection.scalars(sa.select(batch.c.days).where(batch.c.state == state)))
        for day, rows in days.items():
            label = f"{day:%Y-%m}"
            months[label] = months.get(label, Rows()) + Rows(**{state: rows})
    return months


def delivered_by_day(connection: Connection, days: Collection[date]) -> dict[date, int]:
    """The delivered rows of each of these civil days that has any. Reads the batches of all days between the first and the
    last."""
    if not days:
        return {}
    delivered = sa.select(batch.c.days).where(touching_days(min(days), max(days)), batch.c.state == "delivered")
    return {day: rows for day, rows in add_days(connection.scalars(delivered)).items() if day in days}


def pending_by_day(connection: Connection, among: Collection[date] | None = None) -> dict[date, int]:
    """The pending rows of each civil day that has any.

    :param among: only of these days.
    """
    # A literal instead of a bound value: the partial index is used only for a literal.
    query = sa.select(batch.c.days).where(sa.text("batch.state = 'pending'"))
    if among:
        query = query.where(touching_days(min(among), max(among)))
    pending = add_days(connection.scalars(query))
    return pending if among is None else {day: rows for day, rows in pending.items() if day in among}


def refused_in(connection: Connection, windows: Iterable[Window]) -> dict[str, int]:
    """The number of refused rows in each window that has any, by label. A refused batch has one row."""
    window = as_table(connection, windows)
    inside = sa.and_(batch.c.first_change >= window.c.first, batch.c.first_change < window.c.after)
    query = (
        sa.select(window.c.label, sa.func.count())
        .join(batch, inside)
        .where(sa.text("batch.state = 'refused'"))
        .group_by(window.c.label)
    )
    return {label: int(rows) for label, rows in connection.execute(query)}


def days_on_their_way(connection: Connection, now: datetime) -> set[date]:
    """The days with a batch that is being posted."""
    under_way = sa.select(batch.c.days).where(sa.text("batch.state = 'pending'"), batch.c.claimed_until > now)
    return set(add_days(connection.scalars(under_way)))


def last_readings(connection: Connection, window: Window | None = None) -> list[Read]:
    """The last finished reading of each window.

    :param window: only of those that touch this month or day.
    """
    newest = (
        sa.select(sa.func.max(extraction.c.id))
        .where(extraction.c.finished_at.is_not(None), *_touching(extraction, window))
        .group_by(extraction.c.window_start, extraction.c.window_end)
    )
    query = sa.select(*(extraction.c[name] for name in Read._fields)).where(extraction.c.id.in_(newest))
    return [Read._make(row) for row in connection.execute(query).all()]


def first_instant_read(connection: Connection) -> datetime | None:
    """The first instant that any day or month covers that was read to its end."""
    begins = sa.func.min(extraction.c.window_start, type_=extraction.c.window_start.type)
    found: datetime | None = connection.scalar(
        sa.select(begins).where(extraction.c.finished_at.is_not(None), extraction.c.kind.in_(DATED))
    )
    return found


def unfinished_windows(connection: Connection, run_ids: Iterable[str]) -> list[tuple[datetime, datetime]]:
    """Start and end of the days and months that these runs have started to read and not finished."""
    query = sa.select(extraction.c.window_start, extraction.c.window_end).where(
        extraction.c.finished_at.is_(None), extraction.c.run_id.in_(list(run_ids)), extraction.c.kind.in_(DATED)
    )
    return [(start, end) for start, end in connection.execute(query)]


def last_proofs(connection: Connection, window: Window | None = None) -> list[Proven]:
    """The last reconciliation of each day and month.

    :param window: only of those that touch this month or day.
    """
    newest = (
        sa.select(sa.func.max(reconciliation.c.id))
        .where(reconciliation.c.kind.in_(DATED), *_touching(reconciliation, window))
        .group_by(reconciliation.c.window_start, reconciliation.c.window_end)
    )
    query = sa.select(*(reconciliation.c[name] for name in Proven._fields)).where(reconciliation.c.id.in_(newest))
    return [Proven._make(row) for row in connection.execute(query).all()]


def _touching(table: sa.Table, window: Window | None) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that use the index by window: no month or day is longer than :data:`LONGEST_WINDOW`."""
    if window is not None:
        yield table.c.window_start < window.end
        yield table.c.window_start > window.start - LONGEST_WINDOW
        yield table.c.window_end > window.start


def count_rejections(connection: Connection, windows: Iterable[Window]) -> dict[str, Count]:
    """The number of open rejections in each window that has any, by label; each is counted up to the limit."""
    window = as_table(connection, windows)
    some = sa.select(sa.literal(1)).where(_open_in(window)).correlate(window).limit(COUNT_LIMIT + 1).subquery()
    count = sa.select(sa.func.count()).select_from(some).scalar_subquery()
    return {label: Count.up_to_limit(rows) for label, rows in connection.execute(sa.select(window.c.label, count)) if rows}


def _open_in(window: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(~rejection.c.resolved, rejection.c.changed_at >= window.c.first, rejection.c.changed_at < window.c.after)


def last_view_count(connection: Connection) -> Whole | None:
    """The last count of the whole view; of loads that ended earlier, such as one of some months, only if there is no other."""
    counted = sa.select(view_count).order_by(view_count.c.until.desc(), view_count.c.id.desc()).limit(1)
    row = connection.execute(counted).one_or_none()
    if row is None:
        return None
    return Whole(row.run_id, row.counted_at, ViewCount(*(getattr(row, name) for name in ViewCount._fields)))
