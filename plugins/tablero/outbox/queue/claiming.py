"""Claiming pending batches: to post them, with a record of the attempt, or to search them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timezone, tzinfo
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Outcome
from tablero.outbox import batches
from tablero.outbox.batches import rows_of
from tablero.outbox.engine import writing
from tablero.outbox.queue import attempts
from tablero.outbox.queue.claims import Claim, History, LeasedPart, Leaseholder
from tablero.outbox.queue.leasing import moment
from tablero.outbox.queue.pending import first_in_line, pending_in
from tablero.outbox.queue.resizing import cut_to_size
from tablero.outbox.schema import attempt, batch

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

#: Attempts with an unknown outcome in a row after which a batch is searched.
SEARCHED_AFTER = 2

#: Batches that are searched, after all others had their turn: parts, what was refused, and what fails time after time. What an
#: earlier pass has learnt about a batch is in its row, so that a pass which ends early is not repeated by the next one.
_IS_SEARCHED = sa.or_(
    batch.c.cuts > 0,
    sa.and_(batch.c.first_refused_at.is_not(None), batch.c.unknown_in_a_row == 0),
    batch.c.unknown_in_a_row >= SEARCHED_AFTER,
)


def claim(
    engine: Engine,
    windows: Collection[Window],
    holder: Leaseholder,
    *,
    limit: int,
    least_failed: bool = False,
    most: int = 1000,
    by_service: bool = False,
    zone: tzinfo = timezone.utc,
    now: datetime | None = None,
) -> list[Claim]:
    """Claim up to ``limit`` pending batches that touch one of ``windows``, and record an attempt for each.

    Skipped are batches that are searched (:func:`lease_parts`), batches leased to another worker, batches that this worker has
    already posted (retries belong to the task), and batches that wait for earlier changes of the same request. The batch with
    the oldest change comes first, so that the latest status of a request arrives last.

    :param least_failed: first those with the fewest failures in a row, and of these the oldest.
    :param most: rows in one call; a larger batch, staged under a larger ``batch_size``, is split.
    :param by_service: only rows of one service in a call.
    :param zone: the institution's time zone, in which rows are counted by day.
    """
    order = [*([batch.c.unknown_in_a_row] if least_failed else []), batch.c.first_change, batch.c.id]
    with writing(engine) as connection:
        found = _find(connection, windows, holder, ~_IS_SEARCHED, order, limit, now)
        ids = cut_to_size(connection, found, most, by_service=by_service, zone=zone)[:limit] if found else []
        return _begin_held(connection, ids, holder, now)


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

    The oldest change comes first; single rows come last, and of these the one that was posted least recently: a row that was
    refused alone holds up none of which nothing is known.

    :param largest: first the batch with the most rows.
    :param most: as for :func:`claim`, like the other parameters.
    """
    last_posted = sa.select(sa.func.max(attempt.c.id)).where(attempt.c.batch_id == batch.c.id).scalar_subquery()
    turn = sa.case((batch.c.rows == 1, sa.func.coalesce(last_posted, 0)), else_=0)
    order = [batch.c.rows == 1, *([batch.c.rows.desc()] if largest else []), turn, batch.c.first_change, batch.c.id]
    with writing(engine) as connection:
        found = _find(connection, windows, holder, _IS_SEARCHED, order, limit, now)
        ids = cut_to_size(connection, found, most, by_service=by_service, zone=zone)[:limit] if found else []
        if not ids:
            return []
        _lease(connection, ids, holder, now)
        histories, changes = _histories(connection, ids), rows_of(connection, ids)
        return [LeasedPart(identity, changes[identity], histories[identity]) for identity in ids]


def _find(
    connection: Connection,
    windows: Collection[Window],
    holder: Leaseholder,
    which: sa.ColumnElement[bool],
    order: Sequence[sa.ColumnElement[Any]],
    limit: int,
    now: datetime | None,
) -> Sequence[Any]:
    query = (
        sa.select(*batches.COLUMNS)
        .where(
            pending_in(windows),
            sa.or_(batch.c.claimed_until.is_(None), batch.c.claimed_until <= moment(connection, now)),
            batch.c.claimed_by.is_distinct_from(holder.worker),
            which,
            first_in_line(),
        )
        .order_by(*order)
        .limit(limit)
        .with_for_update(skip_locked=True, of=batch)
    )
    found = connection.execute(query).all()
    if found:
        attempts.give_up(connection, [row.id for row in found])
    return found


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
    until = moment(connection, now, holder.seconds)
    connection.execute(sa.update(batch).where(batch.c.id.in_(ids)).values(claimed_by=holder.worker, claimed_until=until))


def _histories(connection: Connection, ids: Sequence[int]) -> dict[int, History]:
    found = connection.execute(sa.select(*_HISTORY).where(batch.c.id.in_(ids)))
    return {row.id: History(**{name: getattr(row, name) for name in History._fields}) for row in found}
