"""The rows on record of a window, in order; finding the batches that hold given rows; withdrawing rows the source lost."""

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
from tablero.outbox.batches import TOUCHING, Part, edges_of, is_inside, touching, within
from tablero.outbox.engine import now_of
from tablero.outbox.schema import attempt, batch

#: States whose rows are on record. Withdrawn rows are not: if the source has one again, it counts as new.
ON_RECORD = ("pending", "delivered", "refused")

#: Batches read at a time.
_PAGE = 20

_request = attrgetter("request_id")


#: The batches of a window, and those that came on record since they were listed; built once, because every window needs them.
_LISTED = (
    sa.select(
        *(batch.c[name] for name in ("id", "rows", "state", "resend_run_id", "first_request", "first_change", "last_change"))
    )
    .where(TOUCHING, batch.c.state.in_(sa.bindparam("states", expanding=True)))
    .order_by(batch.c.first_request, batch.c.id)
)
_NOW_LISTED = sa.select(batch.c.id, batch.c.state).where(
    TOUCHING, batch.c.state.in_((*ON_RECORD, "split")), batch.c.extraction_id != sa.bindparam("except_by")
)

Connect = Callable[[], AbstractContextManager[Connection]]


class Record:
    """The rows that are on record of a window when this object is created, in :data:`~tablero.contract.packing.row_order`.

    No connection is held between pages. Rows that are split, sent or withdrawn during the iteration are still returned; rows
    staged after the start are not.

    :param connect: opens a connection for reading.
    :param states: states of the batches to include.
    :ivar delivered: rows among those returned so far that the dashboard has acknowledged.
    :ivar may_return: whether rows of the window were withdrawn, which the source may have again.
    :ivar may_hold_pending: whether rows of the window were pending when it was last listed.
    """

    def __init__(self, connect: Connect, window: Window, states: Collection[str] = ON_RECORD) -> None:
        self._connect = connect
        self._window = window
        self.delivered = 0
        with connect() as connection:
            listed = connection.execute(_LISTED, {**edges_of(window), "states": [*states, "withdrawn"]}).all()
        self._batches: Sequence[Any] = [each for each in listed if each.state in states]
        self._listed = frozenset(each.id for each in self._batches)
        self.may_return = any(each.state == "withdrawn" for each in listed)
        self.may_hold_pending = any(each.state == "pending" for each in self._batches)

    def list_again(self, connection: Connection, *, except_by: int) -> bool:
        """List the window again.

        :returns: whether rows may be on record by now that this object does not return: they were staged or put back meanwhile,
            or a search has moved them to another batch.

        The ids themselves are compared: ids are given out in one order and committed in another, so that a batch may appear
        later than one with a higher id.

        :param except_by: the extraction whose own batches do not count.
        """
        now_listed = connection.execute(_NOW_LISTED, {**edges_of(self._window), "except_by": except_by}).all()
        self.may_hold_pending = any(each.state == "pending" for each in now_listed)
        return any((each.id in self._listed) is (each.state == "split") for each in now_listed)

    @property
    def may_hold_delivered(self) -> bool:
        """Whether the dashboard may have acknowledged rows of the window."""
        return any(map(was_delivered, self._batches))

    def count_delivered(self, changes: Collection[StatusChange]) -> int:
        """How many of these rows the dashboard has acknowledged."""
        with self._connect() as connection:
            found = holders(connection, self._window, changes, ON_RECORD)
            return sum(len(held) for row, held, _ in found if was_delivered(row))

    def count_unsent(self, changes: Collection[StatusChange]) -> int:
        """How many of these rows :func:`withdraw` would take back before they are sent: they are pending, and the dashboard has
        none of them, as far as is known."""
        with self._connect() as connection:
            now = now_of(connection)
            held = holders(connection, self._window, changes, ("pending",))
            return sum(
                len(rows) for row, rows, _ in held if not was_delivered(row) and not may_have_been_sent(connection, row, now)
            )

    def __iter__(self) -> Iterator[StatusChange]:
        # Batches of several readings overlap in this order. A row is final once no remaining batch can contain an earlier
        # request, so memory holds about one batch per reading.
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
                    # A search has moved rows from an earlier batch to this one: skip what was returned already.
                    rows = rows[bisect_right(rows, row_order(given), key=row_order) :]
                self.delivered += len(rows) * was_delivered(each)
                waiting = sorted([*waiting[final:], *rows], key=row_order) if final < len(waiting) else rows
        yield from waiting


def holders(
    connection: Connection, window: Window, changes: Collection[StatusChange], states: Collection[str], *, lock: bool = False
) -> Iterator[tuple[Any, list[StatusChange], list[StatusChange]]]:
    """Find the batches that hold these rows of ``window``.

    :param states: states of the batches to search.
    :param lock: lock the batches for this transaction, and skip those that another transaction has locked.
    :returns: for each batch its row (:data:`~tablero.outbox.batches.COLUMNS`), the given rows it holds, and its other rows.
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
    """Withdraw rows that the source no longer has: refused rows, and pending rows that have certainly not been sent and are not
    being sent. Delivered rows that were to be posted again are not; they are delivered as before, also if a repeat was refused.

    :param gone: the rows that the source no longer has.
    :param zone: the institution's time zone, in which rows are counted by day.
    :param now: by the outbox's clock.
    :returns: how many pending and how many refused rows were withdrawn.
    """
    taken = {"pending": 0, "refused": 0}
    for row, held, others in list(holders(connection, window, gone, tuple(taken), lock=True)):
        if was_delivered(row):
            if row.state == "refused" or not _is_being_sent(connection, row, now):
                as_before = {"state": "delivered", "settled_at": now, "settled_how": None, "words": None}
                _change(connection, row, held, others, zone, as_before)
            continue
        if row.state == "pending" and may_have_been_sent(connection, row, now):
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
    """Undo :func:`withdraw` for rows that the source has again.

    :returns: the rows that are pending now, and those that are refused as before.
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
    """Change the state of some or all rows of a batch."""
    if others:
        batches.replace(connection, row, [Part(held, values), Part(others)], zone)
    else:
        nobody = {"claimed_by": None, "claimed_until": None}
        connection.execute(sa.update(batch).where(batch.c.id == row.id).values(values | nobody))


def was_delivered(row: Any) -> bool:
    """Whether the dashboard has acknowledged the rows of a batch, also if they are to be posted again."""
    return row.state == "delivered" or row.resend_run_id is not None


def may_have_been_sent(connection: Connection, row: Any, now: datetime) -> bool:
    """Whether the dashboard may have the rows of a pending batch, or be getting them."""
    return row.ever_unknown or _is_being_sent(connection, row, now)


def _is_being_sent(connection: Connection, row: Any, now: datetime) -> bool:
    if row.claimed_until is not None and row.claimed_until > now:
        return True
    under_way = sa.select(attempt.c.id).where(attempt.c.batch_id == row.id, attempt.c.outcome.is_(None)).limit(1)
    return connection.scalar(under_way) is not None
