"""What is on record of a window: its rows in order, whose they are, and taking back those that the source no longer has."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, tzinfo
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.packing import row_order
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.outbox import batches
from tablero.outbox.batches import Part, is_inside, touching, within
from tablero.outbox.schema import attempt, batch

#: States of a batch whose rows are on record. What was withdrawn is not: should the source have it again, it is new.
ON_RECORD = ("pending", "delivered", "refused")

#: Batches whose rows are read at a time.
_PAGE = 20

_request = attrgetter("request_id")


Connect = Callable[[], AbstractContextManager[Connection]]


class Record:
    """The rows on record of a window when this was made, streamed in :data:`~tablero.contract.packing.row_order`.

    Holds no connection between its pages. What is cut, sent or withdrawn meanwhile stays in it; what is staged is not.

    :param connect: opens a connection for reading.
    :param states: of the batches that are meant.
    """

    def __init__(self, connect: Connect, window: Window, states: Collection[str] = ON_RECORD) -> None:
        self._connect = connect
        self._window = window
        #: Rows that the dashboard has acknowledged, among those streamed so far.
        self.delivered = 0
        columns = [batch.c[name] for name in ("id", "rows", "state", "first_request", "first_change", "last_change")]
        with connect() as connection:
            #: The newest batch when the record was listed.
            self.newest: int = connection.scalar(sa.select(sa.func.max(batch.c.id))) or 0
            self._batches: Sequence[Any] = connection.execute(
                sa.select(*columns)
                .where(touching(window), batch.c.state.in_(states))
                .order_by(batch.c.first_request, batch.c.id)
            ).all()
            withdrawn = sa.select(batch.c.id).where(touching(window), batch.c.state == "withdrawn").limit(1)
            #: Whether some row of the window was withdrawn, and may be in the source again.
            self.may_return = connection.scalar(withdrawn) is not None

    @property
    def may_hold_delivered(self) -> bool:
        """Whether the dashboard may have acknowledged rows of the window."""
        return any(each.state == "delivered" for each in self._batches)

    def count_delivered(self, changes: Collection[StatusChange]) -> int:
        """How many of these rows the dashboard has acknowledged."""
        with self._connect() as connection:
            return sum(len(held) for _, held, _ in holders(connection, self._window, changes, ("delivered",)))

    def __iter__(self) -> Iterator[StatusChange]:
        # Batches of several readings lie across one another. A row is final once no batch that is still to come can hold
        # an earlier request; memory holds one batch of each reading.
        waiting: list[StatusChange] = []
        given: StatusChange | None = None
        for start in range(0, len(self._batches), _PAGE):
            page = self._batches[start : start + _PAGE]
            with self._connect() as connection:
                contents = batches.rows_of(connection, [each.id for each in page])
            for each in page:
                final = bisect_left(waiting, each.first_request, key=_request)
                yield from waiting[:final]
                given = waiting[final - 1] if final else given
                rows = contents[each.id] if is_inside(each, self._window) else within(self._window, contents[each.id])
                if rows and given is not None and row_order(rows[0]) <= row_order(given):
                    # A search has moved rows from a batch before to this one: what lies behind is not told of again.
                    rows = rows[bisect_right(rows, row_order(given), key=row_order) :]
                self.delivered += len(rows) * (each.state == "delivered")
                waiting = sorted([*waiting[final:], *rows], key=row_order) if final < len(waiting) else rows
        yield from waiting


def holders(
    connection: Connection, window: Window, changes: Collection[StatusChange], states: Collection[str], *, lock: bool = False
) -> Iterator[tuple[Any, list[StatusChange], list[StatusChange]]]:
    """Which batches hold these rows of ``window``: each batch, those of the rows that it holds, and its other rows.

    :param states: of the batches that are meant.
    :param lock: the batches for this transaction; those that another one holds are passed over.
    """
    requests = [change.request_id for change in changes]
    query = (
        sa.select(*batches.COLUMNS)
        .where(
            touching(window),
            batch.c.state.in_(states),
            batch.c.first_request <= max(requests),
            batch.c.last_request >= min(requests),
        )
        .order_by(batch.c.id)
    )
    found = connection.execute(query.with_for_update(skip_locked=True) if lock else query).all()
    sought = set(changes)
    for start in range(0, len(found), _PAGE):
        page = found[start : start + _PAGE]
        contents = batches.rows_of(connection, [row.id for row in page])
        for row in page:
            held = [change for change in contents[row.id] if change in sought]
            if held:
                yield row, held, [change for change in contents[row.id] if change not in sought]


def withdraw(
    connection: Connection, window: Window, gone: Collection[StatusChange], zone: tzinfo, now: datetime
) -> tuple[int, int]:
    """Take back rows that the source no longer has: those that the dashboard refused, and those that were never sent to it, as
    far as is known, and are not about to be.

    :param zone: the institution's, whose civil days the rows are counted by.
    :param now: by the outbox's clock.
    :returns: how many that had been pending were taken back, and how many that had been refused.
    """
    taken = {"pending": 0, "refused": 0}
    for row, held, others in list(holders(connection, window, gone, tuple(taken), lock=True)):
        if row.state == "pending" and _may_have_been_sent(connection, row, now):
            continue
        taken[row.state] += len(held)
        withdrawn = {"state": "withdrawn", "settled_at": row.settled_at or now}
        if row.state == "refused":
            withdrawn["settled_how"] = "refused"
        _change(connection, row, held, others, zone, withdrawn)
    return taken["pending"], taken["refused"]


def put_back(
    connection: Connection, window: Window, found: Collection[StatusChange], zone: tzinfo
) -> tuple[set[StatusChange], set[StatusChange]]:
    """Undo :func:`withdraw` for rows which the source has again.

    :returns: those that are pending now, and those that are refused as before.
    """
    pending: set[StatusChange] = set()
    refused: set[StatusChange] = set()
    for row, held, others in list(holders(connection, window, found, ("withdrawn",), lock=True)):
        if row.settled_how == "refused":
            refused.update(held)
            _change(connection, row, held, others, zone, {"state": "refused", "settled_how": None})
        else:
            pending.update(held)
            _change(connection, row, held, others, zone, {"state": "pending", "settled_at": None})
    return pending, refused


def _change(
    connection: Connection,
    row: Any,
    held: list[StatusChange],
    others: list[StatusChange],
    zone: tzinfo,
    values: dict[str, Any],
) -> None:
    """Give some rows of a batch, or all of them, another state."""
    if others:
        batches.replace(connection, row, [Part(held, values), Part(others)], zone)
    else:
        nobody = {"claimed_by": None, "claimed_until": None}
        connection.execute(sa.update(batch).where(batch.c.id == row.id).values(values | nobody))


def _may_have_been_sent(connection: Connection, row: Any, now: datetime) -> bool:
    if row.ever_unknown or (row.claimed_until is not None and row.claimed_until > now):
        return True
    under_way = sa.select(attempt.c.id).where(attempt.c.batch_id == row.id, attempt.c.outcome.is_(None)).limit(1)
    return connection.scalar(under_way) is not None
