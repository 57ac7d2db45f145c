"""Findings of runs that are stored: windows that are degraded, results of dry runs, counts of the whole view."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from enum import Enum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.outbox.engine import writing
from tablero.outbox.schema import degradation, dry_run, view_count
from tablero.texts.text import Text, verbatim

_DAY_SECONDS = 86_400


class Degradation(NamedTuple):
    """A window of a run that is settled, but not as usual.

    :ivar cause: value of :class:`tablero.delivery.health.degraded.Cause`.
    :ivar label: label of the window.
    :ivar window_start: first instant of the window.
    :ivar window_end: first instant after it.
    :ivar rows: the rows concerned.
    :ivar of_rows: what ``rows`` is compared with: all rows read, or the usual number.
    """

    cause: str
    label: str
    window_start: datetime
    window_end: datetime
    rows: int
    of_rows: int

    @classmethod
    def of(cls, cause: str, window: Window, rows: int, of_rows: int) -> Degradation:
        """Build it for ``window``."""
        return cls(cause, window.label, window.start, window.end, rows, of_rows)


class Sample(NamedTuple):
    """A rejected row that a dry run found.

    :ivar reason: reason code.
    :ivar values: the five values in the order of the contract, ids masked; ``None`` for NULL.
    """

    reason: str
    values: tuple[str | None, ...]


class DryRunResult(NamedTuple):
    """What a run would do with one window: ``read`` is the sum of the five counts after it.

    :ivar read: rows of the source that lie in the window.
    :ivar new: valid rows that would be staged.
    :ivar known: valid rows that were staged before.
    :ivar rejected: rejected rows by reason code.
    :ivar duplicates: repetitions of a row.
    :ivar gone: rows on record that the source does not return any more.
    :ivar withdrawn: those of them that were never sent, and would not be.
    :ivar resent: rows that were sent without a known outcome, and would be sent again.
    :ivar batches: calls, those of batches that wait already included.
    :ivar bytes: of the new rows in their wire form.
    :ivar seconds: that the calls would take; ``None`` if no response time is on record.
    :ivar nights: how many nights of ``send_hours`` that is.
    :ivar brake: why the brake would stop the run, in both languages; ``None`` if it would not.
    """

    read: int
    new: int
    known: int
    rejected: dict[str, int]
    excluded: int
    duplicates: int
    gone: int
    withdrawn: int
    resent: int
    batches: int
    bytes: int
    seconds: float | None
    nights: int | None
    brake: Text | None
    samples: tuple[Sample, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form in which it is stored."""
        samples = [{"reason": sample.reason, "values": list(sample.values)} for sample in self.samples]
        return self._asdict() | {"samples": samples, "brake": self.brake._asdict() if self.brake else None}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DryRunResult:
        """The reverse of :meth:`to_json`; what a newer version of this package adds is ignored."""
        samples = tuple(Sample(sample["reason"], tuple(sample["values"])) for sample in data["samples"])
        brake = data["brake"]
        if isinstance(brake, str):  # as versions before 0.2 stored it
            brake = verbatim(brake)
        elif brake:
            brake = Text(**brake)
        return cls(**{name: data[name] for name in cls._fields} | {"samples": samples, "brake": brake})


def nights(seconds: float | None, send_hours: tuple[time, time] | None) -> int | None:
    """How many nights of ``send_hours`` that takes; 1 without ``send_hours``."""
    if seconds is None:
        return None
    if send_hours is None:
        return 1
    opens, closes = (at.hour * 3600 + at.minute * 60 for at in send_hours)
    return max(1, math.ceil(seconds / ((closes - opens) % _DAY_SECONDS)))


class DryRun(NamedTuple):
    """A dry run of one window."""

    dag_id: str
    run_id: str
    done_at: datetime
    label: str
    window_start: datetime
    window_end: datetime
    result: DryRunResult


def keep_degradations(engine: Engine, dag_id: str, run_id: str, found: Iterable[Degradation], *, now: datetime) -> None:
    """Store what a run found, in place of what an earlier try of the run found."""
    values = [{"dag_id": dag_id, "run_id": run_id, "found_at": now, **one._asdict()} for one in found]
    with writing(engine) as connection:
        connection.execute(sa.delete(degradation).where(degradation.c.dag_id == dag_id, degradation.c.run_id == run_id))
        if values:
            connection.execute(sa.insert(degradation), values)


def degradations_of(connection: Connection, dag_id: str, run_id: str) -> list[Degradation]:
    """What a run found, in the order in which it was found."""
    query = sa.select(*(degradation.c[name] for name in Degradation._fields)).where(
        degradation.c.dag_id == dag_id, degradation.c.run_id == run_id
    )
    return [Degradation._make(row) for row in connection.execute(query.order_by(degradation.c.id))]


def keep_dry_run(engine: Engine, dag_id: str, run_id: str, window: Window, result: DryRunResult, *, now: datetime) -> None:
    """Store the result of a dry run for one window, in place of the result of an earlier try."""
    same = sa.and_(dry_run.c.run_id == run_id, dry_run.c.window_start == window.start, dry_run.c.window_end == window.end)
    with writing(engine) as connection:
        connection.execute(sa.delete(dry_run).where(same))
        connection.execute(
            sa.insert(dry_run).values(
                dag_id=dag_id,
                run_id=run_id,
                done_at=now,
                label=window.label,
                window_start=window.start,
                window_end=window.end,
                result=result.to_json(),
            )
        )


def dry_run_of(connection: Connection, run_id: str) -> Sequence[DryRun]:
    """The results of a dry run for all its windows, in order of time."""
    query = sa.select(*(dry_run.c[name] for name in DryRun._fields)).where(dry_run.c.run_id == run_id)
    found = connection.execute(query.order_by(dry_run.c.window_start, dry_run.c.id))
    return [DryRun._make((*row[:-1], DryRunResult.from_json(row.result))) for row in found]


class CountResult(Enum):
    """The result of counting the whole view. The value is stored; its sentence is ``texts.page.VIEW_COUNTS[value]``."""

    COMPLETE = "complete"
    """As many rows as were read."""

    DIFFERS = "differs"
    """More or fewer than were read, however often that was repeated."""

    CHANGING = "changing"
    """The source changed between each reading and the next count."""

    NOT_IN_TIME = "not_in_time"
    """The server's time limit ended the count."""

    NOT_POSSIBLE = "not_possible"
    """The count failed for another reason."""

    OWN_SQL = "own_sql"
    """With ``source_sql`` there is no view to count."""


class ViewCount(NamedTuple):
    """The rows of the whole view: those that were read window by window, and those that the source counted.

    :ivar result: value of a :class:`CountResult`.
    :ivar until: end of the last window; undated rows are in a window too.
    :ivar rows_read: rows that were read, in all windows.
    :ivar rows_counted: rows that the source counted in these windows; ``None`` if it could not.
    :ivar rows_later: rows of the view at or after ``until``; ``None`` as before.
    """

    result: str
    until: datetime
    rows_read: int
    rows_counted: int | None = None
    rows_later: int | None = None

    @property
    def difference(self) -> int | None:
        """Rows that were counted and not read; negative if more were read."""
        return None if self.rows_counted is None else self.rows_counted - self.rows_read


def keep_view_count(engine: Engine, found: ViewCount, run_id: str, now: datetime) -> None:
    """Store the count of the whole view."""
    with writing(engine) as connection:
        connection.execute(sa.insert(view_count).values(run_id=run_id, counted_at=now, **found._asdict()))
