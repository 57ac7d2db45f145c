"""Making batches, and counting their rows by civil day."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import first_instant, local_day
from tablero.outbox.schema import batch, batch_day


class Origin(NamedTuple):
    """Where a batch comes from.

    :ivar extraction_id: the reading that staged its rows.
    :ivar parent_id: the batch that it is a part of.
    :ivar resend_run_id: the run that asked for its rows to be posted again.
    """

    extraction_id: int
    parent_id: int | None = None
    resend_run_id: str | None = None


class Lease(NamedTuple):
    """Until when a worker alone may post a batch.

    :ivar worker: names one try of one task.
    """

    worker: str
    until: datetime


class Fresh(NamedTuple):
    """A batch as it was made durable, leased to the worker that made it.

    :ivar changes: in the order in which they are posted.
    """

    batch_id: int
    changes: Sequence[StatusChange]


def make(
    connection: Connection,
    origin: Origin,
    contents: Sequence[Sequence[StatusChange]],
    zone: tzinfo,
    lease: Lease | None = None,
) -> list[int]:
    """Insert a batch for each of ``contents``; returns their ids in order.

    :param zone: the institution's, whose civil days the rows are counted by.
    :param lease: held by the worker that is going to post them.
    """
    held = {"claimed_by": lease.worker, "claimed_until": lease.until} if lease else {}
    instants = [[change.last_modified_date for change in changes] for changes in contents]
    values = [
        {**origin._asdict(), **held, "rows": len(moments), "first_change": min(moments), "last_change": max(moments)}
        for moments in instants
    ]
    ids = list(connection.scalars(sa.insert(batch).returning(batch.c.id, sort_by_parameter_order=True), values))
    _count_days(connection, dict(zip(ids, instants, strict=True)), zone)
    return ids


def count_again(connection: Connection, contents: Mapping[int, Sequence[StatusChange]], zone: tzinfo) -> None:
    """Correct the counts of batches whose rows are now these. One without rows has nothing to post."""
    connection.execute(sa.delete(batch_day).where(batch_day.c.batch_id.in_(list(contents))))
    for identity, changes in contents.items():
        values: dict[str, Any] = {"rows": len(changes)} if changes else {"rows": 0, "state": "split"}
        connection.execute(sa.update(batch).where(batch.c.id == identity).values(values))
    instants = {
        identity: [change.last_modified_date for change in changes] for identity, changes in contents.items() if changes
    }
    if instants:
        _count_days(connection, instants, zone)


def _count_days(connection: Connection, instants: dict[int, list[datetime]], zone: tzinfo) -> None:
    connection.execute(
        sa.insert(batch_day),
        [
            {"batch_id": identity, "day": day, "rows": rows}
            for identity, moments in instants.items()
            for day, rows in _by_day(moments, zone)
        ],
    )


def _by_day(instants: Iterable[datetime], zone: tzinfo) -> Iterable[tuple[date, int]]:
    ordered = sorted(instants)
    start = 0
    while start < len(ordered):
        day = local_day(ordered[start], zone)
        end = bisect_left(ordered, first_instant(day + timedelta(days=1), zone), start)
        yield day, end - start
        start = end
