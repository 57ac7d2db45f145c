"""Splitting batches during the search: the *head* is posted next, the *tail* has not been posted.

The worker that searches holds these batches; a batch that another worker has claimed since is left to that worker.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.outbox import batches
from tablero.outbox.batches import LeasedBatch, Origin, Part
from tablero.outbox.engine import writing
from tablero.outbox.queue.claims import Claim
from tablero.outbox.schema import attempt, batch


def cut(engine: Engine, whole: LeasedBatch, at: Sequence[int], *, worker: str, zone: tzinfo) -> list[LeasedBatch]:
    """Replace a batch that was posted by its parts.

    :param at: positions at which a part begins, ascending, without 0.
    :returns: the parts; empty if another worker holds the batch by now.
    """
    with writing(engine) as connection:
        row = _held(connection, whole.batch_id, worker)
        if row is None:
            return []
        edges = [0, *at, len(whole.changes)]
        values = _still_held(row) | {"cuts": row.cuts + 1}
        parts = [Part(whole.changes[start:end], values) for start, end in pairwise(edges)]
        ids = batches.replace(connection, row, parts, zone)
        return [LeasedBatch(identity, part.changes) for identity, part in zip(ids, parts, strict=True)]


def accept_others(
    connection: Connection, claimed: Claim, named: Collection[int], now: datetime, zone: tzinfo
) -> list[LeasedBatch]:
    """Split a batch of which the dashboard accepted all rows but those it named: the others are delivered, by the same commit.

    That is recorded even if another worker holds the lease by now: the dashboard has the rows. To repeat it changes nothing.

    :param named: positions of the refused rows; each becomes a batch of its own, which stays pending.
    :param now: when the others were accepted.
    :returns: the refused rows that the worker of this claim still holds.
    """
    changes = claimed.changes
    refused = {position for position in named if position < len(changes)}
    query = sa.select(*batches.COLUMNS).where(batch.c.id == claimed.batch_id, batch.c.state == "pending").with_for_update()
    row = connection.execute(query).one_or_none()
    if row is not None and 0 < len(refused) < len(changes):
        taken = {"state": "delivered", "settled_at": now, "settled_how": "acknowledged", "cuts": row.cuts + 1}
        began = connection.scalar(sa.select(attempt.c.started_at).where(attempt.c.id == claimed.attempt_id))
        # That the same call was accepted for the others speaks against these rows.
        left = _still_held(row) | {"cuts": row.cuts + 1, "first_refused_at": min(row.first_refused_at, began)}
        edges = sorted({0, len(changes)} | refused | {position + 1 for position in refused})
        parts = [Part(changes[start:end], left if start in refused else taken) for start, end in pairwise(edges)]
        batches.replace(connection, row, parts, zone)
    held = sa.select(batch.c.id).where(
        batch.c.parent_id == claimed.batch_id, batch.c.state == "pending", batch.c.claimed_by == claimed.worker
    )
    ids = list(connection.scalars(held.order_by(batch.c.id)))
    return [LeasedBatch(identity, rows) for identity, rows in batches.rows_of(connection, ids).items()] if ids else []


def take(engine: Engine, tail: LeasedBatch, rows: int, *, worker: str, zone: tzinfo) -> tuple[LeasedBatch, LeasedBatch] | None:
    """Split the first ``rows`` rows off a tail, which keeps its id; ``None`` if another worker holds it by now."""
    with writing(engine) as connection:
        row = _held(connection, tail.batch_id, worker)
        if row is None:
            return None
        head, rest = tail.changes[:rows], tail.changes[rows:]
        values = _still_held(row) | {"after_id": row.after_id}
        (identity,) = batches.make(connection, _origin(row, row.parent_id, row.cuts), [head], zone, **values)
        after = identity if head[-1].request_id == rest[0].request_id else None
        batches.refill(connection, row.id, rest, zone, after_id=after)
        return LeasedBatch(identity, head), LeasedBatch(tail.batch_id, rest)


def give_back(
    engine: Engine, head: LeasedBatch, tail: LeasedBatch, rows: int, *, worker: str, zone: tzinfo
) -> tuple[LeasedBatch, LeasedBatch] | None:
    """Shorten a refused head: its first ``rows`` rows are posted next, the others return to the tail, which keeps its id.

    Rows of an attempt that may have arrived are never mixed with others, since it must stay known what that call contained.

    :returns: the new head and tail; ``None`` if they may not be mixed, or if another worker holds one of them by now.
    """
    with writing(engine) as connection:
        row, rest = _held(connection, head.batch_id, worker), _held(connection, tail.batch_id, worker)
        if (
            row is None
            or rest is None
            or row.unknown_in_a_row
            or row.ever_unknown != rest.ever_unknown
            or _is_in_doubt(connection, row.id)
        ):
            return None
        kept, given = head.changes[:rows], [*head.changes[rows:], *tail.changes]
        values = _still_held(row) | {"after_id": row.after_id}
        (identity,) = batches.make(connection, _origin(row, row.id, row.cuts + 1), [kept], zone, **values)
        after = identity if kept[-1].request_id == given[0].request_id else None
        batches.refill(connection, rest.id, given, zone, after_id=after)
        batches.empty(connection, row.id)
        return LeasedBatch(identity, kept), LeasedBatch(tail.batch_id, given)


def _is_in_doubt(connection: Connection, identity: int) -> bool:
    """Whether an attempt of this batch may have arrived."""
    open_ones = sa.select(attempt.c.id).where(
        attempt.c.batch_id == identity, sa.or_(attempt.c.outcome.is_(None), attempt.c.outcome == "unknown")
    )
    return connection.scalar(open_ones.limit(1)) is not None


def _held(connection: Connection, identity: int, worker: str) -> Any:
    query = sa.select(*batches.COLUMNS).where(batch.c.id == identity, batch.c.state == "pending", batch.c.claimed_by == worker)
    return connection.execute(query.with_for_update()).one_or_none()


def _still_held(row: Any) -> dict[str, Any]:
    return {"claimed_by": row.claimed_by, "claimed_until": row.claimed_until}


def _origin(row: Any, parent_id: int | None, cuts: int) -> Origin:
    return Origin(row.extraction_id, parent_id, row.resend_run_id, cuts, row.first_refused_at, row.ever_unknown, row.place)
