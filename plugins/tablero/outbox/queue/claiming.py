"""Claiming pending batches: to post them, with a record of the attempt, or to search them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone, tzinfo
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Outcome
from tablero.outbox import batches
from tablero.outbox.batches import rows_of
from tablero.outbox.engine import writing
from tablero.outbox.queue import attempts
from tablero.outbox.queue.claims import Claim, History, LeasedPart, Leaseholder
from tablero.outbox.queue.leasing import from_now
from tablero.outbox.queue.order import blockers, first_in_line, is_searched, place_of
from tablero.outbox.queue.pending import pending_in
from tablero.outbox.queue.resizing import cut_to_size
from tablero.outbox.schema import attempt, batch

_PLACE = sa.select(batch.c.place, batch.c.id).where(batch.c.id == sa.bindparam("batch"))

_HISTORY = (
    batch.c.id,
    batch.c.cuts,
    batch.c.unknown_in_a_row,
    sa.or_(batch.c.ever_unknown, batch.c.resend_run_id.is_not(None)).label("ever_unknown"),
    batch.c.strikes,
    sa.select(sa.func.count())
    .select_from(attempt)
    .where(attempt.c.batch_id == batch.c.id, attempt.c.outcome == Outcome.REFUSED.value)
    .scalar_subquery()
    .label("refusals"),
)


def claim(
    engine: Engine,
    windows: Collection[Window],
    holder: Leaseholder,
    *,
    limit: int,
    least_failed: bool = False,
    after: int | None = None,
    most: int = 1000,
    by_service: bool = False,
    zone: tzinfo = timezone.utc,
    now: datetime | None = None,
) -> list[Claim]:
    """Claim up to ``limit`` pending batches that touch one of ``windows``, and record an attempt for each.

    Skipped are batches that are searched (:func:`lease_parts`), batches leased to another worker, batches that this worker has
    already posted (retries belong to the task), and batches that wait for older changes of the same request, unless this worker
    is posting them. The batch with the oldest change comes first, so that the latest status of a request arrives last.

    :param least_failed: first those with the fewest failures in a row, and of these the oldest.
    :param after: only batches behind this one: those before it were looked at.
    :param most: rows in one call; a larger batch, staged under a larger ``batch_size``, is split.
    :param by_service: only rows of one service in a call.
    :param zone: the institution's time zone, in which rows are counted by day.
    :returns: the claims, to be posted in this order where they share a request.
    """
    order = [*([batch.c.unknown_in_a_row] if least_failed else []), batch.c.place, batch.c.id]
    with writing(engine) as connection:
        search = _Search(connection, windows, holder, now, ~is_searched(), order)
        position = None if after is None else place_of(connection.execute(_PLACE, {"batch": after}).one())
        found = search.first(limit, position, partial(cut_to_size, connection, most=most, by_service=by_service, zone=zone))
        return _begin_held(connection, found, holder, now)


def lease_parts(
    engine: Engine,
    windows: Collection[Window],
    holder: Leaseholder,
    *,
    limit: int,
    largest: bool = False,
    most: int = 1000,
    by_service: bool = False,
    zone: tzinfo = timezone.utc,
    now: datetime | None = None,
) -> list[LeasedPart]:
    """Lease up to ``limit`` pending batches that are searched; no attempt is recorded.

    The oldest change comes first. Single rows come last, of these the ones refused alone in the fewest passes first, and then
    the one that was posted least recently: a row that was refused alone holds up none of which less is known.

    :param largest: first the batch with the most rows.
    :param most: as for :func:`claim`, like the other parameters.
    """
    last_posted = sa.select(sa.func.max(attempt.c.id)).where(attempt.c.batch_id == batch.c.id).scalar_subquery()
    turn = [sa.case((batch.c.rows == 1, known), else_=0) for known in (batch.c.strikes, sa.func.coalesce(last_posted, 0))]
    order = [batch.c.rows == 1, *([-batch.c.rows] if largest else []), *turn, batch.c.place, batch.c.id]
    with writing(engine) as connection:
        search = _Search(connection, windows, holder, now, is_searched(), order)
        ids = search.first(limit, None, partial(cut_to_size, connection, most=most, by_service=by_service, zone=zone))
        if not ids:
            return []
        _lease(connection, ids, holder, now)
        histories, changes = _histories(connection, ids), rows_of(connection, ids)
        return [LeasedPart(identity, changes[identity], histories[identity]) for identity in ids]


#: Batches looked at together where many must wait.
_LARGEST_PAGE = 200


class _Search(NamedTuple):
    """Where to look for batches that this worker may take.

    :ivar which: a condition.
    :ivar order: unique.
    """

    connection: Connection
    windows: Collection[Window]
    holder: Leaseholder
    now: datetime | None
    which: sa.ColumnElement[bool]
    order: Sequence[sa.ColumnElement[Any]]

    def first(self, limit: int, after: Sequence[Any] | None, cut: Callable[[Sequence[Any]], list[Any]]) -> list[int]:
        """The ids of the first batches that wait for none but those before them in this list.

        :param after: only batches behind this position in the order.
        :param cut: replaces batches that are too large by their parts.
        """
        found: list[int] = []
        size = limit
        while len(found) < limit:
            page = self._page(size, after)
            candidates = cut(page) if page else []
            waits = blockers(self.connection, candidates, pending_in(self.windows), ~self._is_being_posted())
            for row in candidates:
                # A part of a batch that was cut is behind that batch, and so on the next page again.
                if row.id not in found and waits.get(row.id, set()).issubset(found):
                    found.append(row.id)
            if len(page) < size:
                break
            size = min(2 * size, _LARGEST_PAGE)
            after = [getattr(page[-1], f"order_{number}") for number in range(len(self.order))]
        return found[:limit]

    def _page(self, limit: int, after: Sequence[Any] | None) -> Sequence[Any]:
        behind: sa.ColumnElement[bool] = sa.true()
        if after is not None:
            position = [sa.literal(value, each.type) for value, each in zip(after, self.order, strict=True)]
            behind = sa.tuple_(*self.order) > sa.tuple_(*position)
        query = (
            sa.select(*batches.COLUMNS, *(each.label(f"order_{number}") for number, each in enumerate(self.order)))
            .where(
                pending_in(self.windows),
                sa.or_(batch.c.claimed_until.is_(None), batch.c.claimed_until <= from_now(self.connection, self.now)),
                batch.c.claimed_by.is_distinct_from(self.holder.worker),
                self.which,
                behind,
                first_in_line(),
            )
            .order_by(*self.order)
            .limit(limit)
            .with_for_update(skip_locked=True, of=batch)
        )
        page = self.connection.execute(query).all()
        if page:
            attempts.give_up(self.connection, [row.id for row in page])
        return page

    def _is_being_posted(self) -> sa.ColumnElement[bool]:
        """A condition: this worker has claimed the batch, and its answer is not on record."""
        return sa.func.coalesce(
            sa.and_(batch.c.claimed_by == self.holder.worker, batch.c.claimed_until > from_now(self.connection, self.now)),
            sa.false(),
        )


def begin(engine: Engine, ids: Sequence[int], holder: Leaseholder, *, now: datetime | None = None) -> list[Claim]:
    """Record an attempt for each of these batches that this worker still holds, in this order; others may have been claimed
    elsewhere.
    """
    with writing(engine) as connection:
        still = sa.select(batch.c.id).where(
            batch.c.id.in_(ids),
            batch.c.state == "pending",
            batch.c.claimed_by == holder.worker,
            first_in_line(),
        )
        held = set(connection.scalars(still.with_for_update(of=batch)))
        return _begin_held(connection, [identity for identity in ids if identity in held], holder, now)


def _begin_held(connection: Connection, ids: Sequence[int], holder: Leaseholder, now: datetime | None) -> list[Claim]:
    if not ids:
        return []
    _lease(connection, ids, holder, now)
    begun = attempts.begin(connection, ids, holder, now)
    changes, histories = rows_of(connection, ids), _histories(connection, ids)
    return [Claim(identity, *begun[identity], holder.worker, changes[identity], histories[identity]) for identity in ids]


def _lease(connection: Connection, ids: Sequence[int], holder: Leaseholder, now: datetime | None) -> None:
    until = from_now(connection, now, holder.seconds)
    connection.execute(sa.update(batch).where(batch.c.id.in_(ids)).values(claimed_by=holder.worker, claimed_until=until))


def _histories(connection: Connection, ids: Sequence[int]) -> dict[int, History]:
    found = connection.execute(sa.select(*_HISTORY).where(batch.c.id.in_(ids)))
    return {row.id: History(**{name: getattr(row, name) for name in History._fields}) for row in found}
