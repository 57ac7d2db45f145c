"""The order of pending batches: older changes of a request are posted before newer ones, whichever readings found them.

Pending batches stand in one order, that of their oldest change. A batch waits for each one before it that shares a request with
it. It keeps its place, ``batch.place``, when it loses its oldest row or is split: what is left must not fall behind batches
that wait for it.

Nothing waits for a batch that is searched: a bad row must not hold up good ones. Only the parts of one batch, and what
continues its last request, wait for each other also then, by ``after_id``.

No batches can wait for each other for ever. Whatever waits because of a shared request waits for one before it in the order,
which is neither searched nor behind one that is, and which therefore waits only for others of that kind; and ``after_id`` alone
never leads in a circle.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.content import hashes_in
from tablero.outbox.engine import MOST_BOUND
from tablero.outbox.schema import batch, batch_content

#: Attempts with an unknown outcome in a row after which a batch is searched.
SEARCHED_AFTER = 2


class Place(NamedTuple):
    """The place of a batch in the order of pending ones.

    :ivar oldest: the ``last_modified_date`` of the oldest row that was staged with it.
    """

    oldest: datetime
    batch_id: int


def place_of(row: Any) -> Place:
    """The place of the batch with this row of the table."""
    return Place(row.place, row.id)


def is_searched(which: sa.FromClause = batch) -> sa.ColumnElement[bool]:
    """A condition: the batch is searched, after all others had their turn. That applies to parts, to what was refused, and to
    what fails time after time.

    What an earlier pass has learnt about a batch is in its row, so that the next one does not repeat it.
    """
    return sa.or_(
        which.c.cuts > 0,
        sa.and_(which.c.first_refused_at.is_not(None), which.c.unknown_in_a_row == 0),
        which.c.unknown_in_a_row >= SEARCHED_AFTER,
    )


@cache  # SQLAlchemy copies all columns for each alias, which takes longer than the query
def first_in_line() -> sa.ColumnElement[bool]:
    """A condition: the batch does not wait for the batch with earlier rows of the same reading that ``after_id`` names.

    All batches before it are looked at, not just the last one: that may be settled, or withdrawn, before those that it waited
    for, and may be pending again later. Only parts that are searched wait for one that is behind them in the order.
    """
    line = _line(until_pending=True)
    precedes = sa.or_(
        sa.tuple_(line.c.place, line.c.id) < sa.tuple_(batch.c.place, batch.c.id),
        sa.and_(line.c.searched, is_searched()),
    )
    waits = sa.exists(sa.select(1).select_from(line).where(line.c.state == "pending", precedes).correlate(batch))
    return sa.or_(batch.c.after_id.is_(None), ~waits)


@cache
def _is_behind_searched() -> sa.ColumnElement[bool]:
    """A condition: the line of the batch leads to one that is searched. That one may wait for a batch behind it in the order,
    and this one with it; if a batch waited for this one because of a shared request, they could wait for each other for ever.
    """
    line = _line(until_pending=False)
    searched = sa.exists(sa.select(1).select_from(line).where(line.c.state == "pending", line.c.searched).correlate(batch))
    return sa.and_(batch.c.after_id.is_not(None), searched)


def _line(*, until_pending: bool) -> sa.CTE:
    """The batches before this one by ``after_id``, the nearest first.

    :param until_pending: only up to the first that is pending.
    """
    last, earlier = batch.alias("last"), batch.alias("earlier")
    line = (
        sa.select(*_of_line(last))
        .where(last.c.id == batch.c.after_id)
        .correlate(batch)
        .cte("line", recursive=True, nesting=True)
    )
    before = sa.select(*_of_line(earlier)).join(line, earlier.c.id == line.c.after_id)
    return line.union(before.where(line.c.state != "pending") if until_pending else before)


def _of_line(which: Any) -> list[sa.ColumnElement[Any]]:
    return [which.c.id, which.c.after_id, which.c.state, which.c.place, is_searched(which).label("searched")]


def blockers(connection: Connection, candidates: Sequence[Any], *among: sa.ColumnElement[bool]) -> dict[int, set[int]]:
    """By batch that must wait: of the pending batches that it waits for, the last one of each request. That one waits for the
    others of its request.

    Requests are compared by the hashes stored beside the rows. Two ids with the same hash let a batch wait in vain until the
    other one is settled, which does no harm: it happens to one of four thousand pairs of full batches.

    :param candidates: rows of the table; as a rule all that is pending before them is being posted, so that little is compared.
    :param among: conditions for the batches that they may have to wait for.
    """
    if not candidates:
        return {}
    last = max(map(place_of, candidates))
    query = sa.select(batch.c.id, batch.c.place, batch.c.first_request, batch.c.last_request).where(
        sa.text("batch.state = 'pending'"),
        ~is_searched(),
        ~_is_behind_searched(),
        batch.c.place <= last.oldest,
        batch.c.first_request <= max(row.last_request for row in candidates),
        batch.c.last_request >= min(row.first_request for row in candidates),
        *among,
    )
    before = {row.id: row for row in connection.execute(query)}
    requests = _requests(connection, _overlapping({row.id: row for row in candidates} | before))
    shared = _shared(requests)
    holders: dict[int, list[Place]] = defaultdict(list)
    for place in sorted(map(place_of, before.values())):
        for request in shared.get(place.batch_id, ()):
            holders[request].append(place)
    found: dict[int, set[int]] = {}
    for row in candidates:
        for request in shared.get(row.id, ()):
            if (behind := bisect_left(holders[request], place_of(row))) > 0:
                found.setdefault(row.id, set()).add(holders[request][behind - 1].batch_id)
    return found


def _overlapping(rows: Mapping[int, Any]) -> set[int]:
    """Those of these batches whose range of request ids meets that of another one."""
    meet: set[int] = set()
    widest = None
    for row in sorted(rows.values(), key=attrgetter("first_request")):
        if widest is not None and row.first_request <= widest.last_request:
            meet |= {widest.id, row.id}
        if widest is None or row.last_request > widest.last_request:
            widest = row
    return meet


def _shared(requests: Mapping[int, frozenset[int]]) -> dict[int, frozenset[int]]:
    """By batch: those of its requests that another batch has as well."""
    seen: set[int] = set()
    shared: set[int] = set()
    for each in requests.values():
        shared |= seen & each
        seen |= each
    return {identity: each & shared for identity, each in requests.items()}


def _requests(connection: Connection, ids: Collection[int]) -> dict[int, frozenset[int]]:
    wanted = sorted(ids)
    found: dict[int, frozenset[int]] = {}
    for start in range(0, len(wanted), MOST_BOUND):
        these = batch_content.c.batch_id.in_(wanted[start : start + MOST_BOUND])
        query = sa.select(batch_content.c.batch_id, batch_content.c.requests).where(these)
        found |= {row.batch_id: hashes_in(row.requests) for row in connection.execute(query)}
    return found
