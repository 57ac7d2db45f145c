"""Claiming pending batches and recording their attempts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timezone, tzinfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.outbox import batches
from tablero.outbox.batches import rows_of
from tablero.outbox.engine import writing
from tablero.outbox.queue import attempts
from tablero.outbox.queue.claims import Claim, History, Hold
from tablero.outbox.queue.leasing import moment
from tablero.outbox.queue.pending import first_in_line, pending_in
from tablero.outbox.queue.resizing import cut_to_size
from tablero.outbox.schema import batch

_HISTORY = (
    batch.c.cuts,
    batch.c.unknown_in_a_row,
    sa.or_(batch.c.ever_unknown, batch.c.resend_run_id.is_not(None)),
    batch.c.strikes,
)


def claim(
    engine: Engine,
    windows: Collection[Window],
    hold: Hold,
    *,
    limit: int,
    parts: bool = False,
    least_failed: bool = False,
    most: int = 1000,
    by_service: bool = False,
    zone: tzinfo = timezone.utc,
    now: datetime | None = None,
) -> list[Claim]:
    """Claim up to ``limit`` pending batches that touch one of ``windows``, and record an attempt for each.

    Skipped are batches leased to another worker, batches that this worker has already posted (retries belong to the task), and
    batches that wait for earlier changes of the same request. The batch with the oldest change comes first, so that the latest
    status of a request arrives last; batches that were refused before come after new ones.

    :param parts: claim only parts that a search has split off; otherwise only whole batches.
    :param least_failed: first those with the fewest failures in a row, and of these the oldest.
    :param most: rows in one call; a larger batch, staged under a larger ``batch_size``, is split.
    :param by_service: only rows of one service in a call.
    :param zone: the institution's time zone, in which rows are counted by day.
    """
    with writing(engine) as connection:
        now_there = moment(connection, now)
        refused = sa.and_(batch.c.first_refused_at.is_not(None), batch.c.unknown_in_a_row == 0)
        query = (
            sa.select(*batches.COLUMNS)
            .where(
                pending_in(windows),
                sa.or_(batch.c.claimed_until.is_(None), batch.c.claimed_until <= now_there),
                batch.c.claimed_by.is_distinct_from(hold.worker),
                batch.c.cuts > 0 if parts else batch.c.cuts == 0,
                first_in_line(),
            )
            .order_by(refused, *([batch.c.unknown_in_a_row] if least_failed else []), batch.c.first_change, batch.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=batch)
        )
        found = connection.execute(query).all()
        if not found:
            return []
        attempts.give_up(connection, [row.id for row in found])
        ids = cut_to_size(connection, found, most, by_service=by_service, zone=zone)[:limit]
        return _begin_held(connection, ids, hold, now)


def begin(engine: Engine, ids: Sequence[int], hold: Hold, *, now: datetime | None = None) -> list[Claim]:
    """Record an attempt for each of these batches that this worker still holds; others may have been claimed elsewhere."""
    with writing(engine) as connection:
        still = sa.select(batch.c.id).where(
            batch.c.id.in_(ids),
            batch.c.state == "pending",
            batch.c.claimed_by == hold.worker,
            first_in_line(),
        )
        return _begin_held(connection, list(connection.scalars(still.with_for_update(of=batch))), hold, now)


def _begin_held(connection: Connection, ids: Sequence[int], hold: Hold, now: datetime | None) -> list[Claim]:
    if not ids:
        return []
    until = moment(connection, now, hold.seconds)
    connection.execute(sa.update(batch).where(batch.c.id.in_(ids)).values(claimed_by=hold.worker, claimed_until=until))
    begun = attempts.begin(connection, ids, hold, now)
    changes = rows_of(connection, ids)
    query = sa.select(batch.c.id, *_HISTORY).where(batch.c.id.in_(ids))
    histories = {row.id: History(*row[1:]) for row in connection.execute(query)}
    return [Claim(identity, *begun[identity], hold.worker, changes[identity], histories[identity]) for identity in ids]
