"""The evidence for and against a single row that was refused, or failed, in a call of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Outcome, clean
from tablero.outbox.engine import Instant, now_of, reading, writing
from tablero.outbox.queue.claims import Claim
from tablero.outbox.queue.leasing import LEASED, NOW, clock
from tablero.outbox.queue.pending import pending_in
from tablero.outbox.schema import attempt, batch


class Proof(NamedTuple):
    """The evidence about a single row that was refused, or failed, in a call of its own.

    :ivar accepted_since: whether the dashboard accepted a call, from any worker, that was begun after the row was first
        refused or failed, and answered before this attempt was begun.
    :ivar strikes: earlier passes that count against the row; the current pass is not included.
    """

    accepted_since: bool
    strikes: int


class BatchTotals(NamedTuple):
    """Totals of the batch that a row was split off, over all of its parts.

    :ivar batch_id: the batch as it was staged.
    :ivar rows: rows in all parts that are delivered or pending; a refused row was no repeat.
    :ivar delivered: delivered rows among them.
    :ivar failed_alone: single rows on which the dashboard failed.
    :ivar answerless: whether some attempt got no answer from the dashboard itself.
    """

    batch_id: int
    rows: int
    delivered: int
    failed_alone: int
    answerless: bool


def proof(engine: Engine, claimed: Claim, *, until_now: bool = False) -> Proof:
    """The evidence about the single row of this attempt.

    :param until_now: count what was accepted up to now instead of up to the start of the attempt.
    """
    began = None if until_now else sa.select(attempt.c.started_at).where(attempt.c.id == claimed.attempt_id).scalar_subquery()
    since = _accepted_after(batch.c.first_refused_at, began)
    strikes = sa.case((batch.c.struck_by == claimed.worker, batch.c.strikes - 1), else_=batch.c.strikes)
    with reading(engine) as connection:
        row = connection.execute(sa.select(since, strikes).where(batch.c.id == claimed.batch_id)).one()
    return Proof(bool(row[0]), int(row[1]))


def accepted_between(engine: Engine, since: datetime, attempt_id: int) -> bool:
    """Whether the dashboard accepted a call that was begun after an instant, and answered before this attempt began.

    :param since: by the outbox's clock, as :func:`current_time` returns it.
    """
    began = sa.select(attempt.c.started_at).where(attempt.c.id == attempt_id).scalar_subquery()
    with reading(engine) as connection:
        return bool(connection.scalar(sa.select(_accepted_after(sa.literal(since, Instant), began))))


def current_time(engine: Engine) -> datetime:
    """The current time by the outbox's clock: what was recorded before this call is not later."""
    with reading(engine) as connection:
        return now_of(connection)


def _accepted_after(moment: sa.ColumnElement[Any], until: sa.ColumnElement[Any] | None = None) -> sa.Exists:
    """A condition: the dashboard accepted a call that was begun after this moment, and answered by the other one.

    A call that was in flight at that moment proves nothing: the dashboard may have accepted it before.
    """
    accepted, call = batch.alias("accepted"), attempt.alias("call")
    begun_after = sa.exists().where(
        # An answer that excepts some rows belongs to the batch that the accepted ones were part of.
        call.c.batch_id.in_((accepted.c.id, accepted.c.parent_id)),
        call.c.outcome == Outcome.DELIVERED.value,
        call.c.started_at >= moment,
    )
    condition = sa.exists().where(
        accepted.c.state == "delivered",
        accepted.c.settled_how == "acknowledged",
        accepted.c.settled_at > moment,
        sa.true() if until is None else accepted.c.settled_at <= until,
        # The batch of ``moment`` is two queries up, where SQLAlchemy does not look by itself: it would take any batch.
        begun_after.correlate_except(call),
    )
    return condition.correlate_except(accepted)


def strike(engine: Engine, claimed: Claim) -> None:
    """Count the current pass against a single row, once."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(batch)
            .where(batch.c.id == claimed.batch_id, batch.c.struck_by.is_distinct_from(claimed.worker))
            .values(strikes=batch.c.strikes + 1, struck_by=claimed.worker)
        )


def refuse(
    engine: Engine, refused: Sequence[tuple[Claim, str]], *, unproved: bool = False, now: datetime | None = None
) -> None:
    """Record single rows as refused for good, each with the dashboard's explanation. Nothing waits for them any more.

    :param unproved: no later acceptance proves that only these rows were at fault; :func:`confirm` and :func:`reopen` decide.
    """
    how = "unproved" if unproved else None
    with writing(engine) as connection:
        for claimed, words in refused:
            connection.execute(
                sa.update(batch)
                .where(LEASED)
                .values(state="refused", settled_how=how, words=clean(words), settled_at=NOW, claimed_until=None),
                {"ids": [claimed.batch_id], "worker": claimed.worker, "now": clock(connection, now)},
            )


def only_suspects_left(engine: Engine, windows: Collection[Window], held: Collection[int]) -> bool:
    """Whether all that is pending in these windows, if anything, are single rows that were refused alone: the ones that this
    worker holds, or others in earlier passes.
    """
    is_suspect = sa.or_(sa.and_(batch.c.rows == 1, batch.c.strikes > 0), batch.c.id.in_(held))
    with reading(engine) as connection:
        return connection.scalar(sa.select(batch.c.id).where(pending_in(windows), ~is_suspect).limit(1)) is None


def confirm(engine: Engine, unproved: Collection[int]) -> set[int]:
    """Of these rows, which were refused as ``unproved``: confirm those after whose refusal the dashboard has accepted a call,
    from whichever worker.

    :param unproved: the batches of the rows.
    :returns: those whose rows are confirmed.
    """
    with writing(engine) as connection:
        proved = _unproved(unproved).where(_accepted_after(batch.c.settled_at))
        return set(connection.scalars(proved.values(settled_how=None).returning(batch.c.id)))


def reopen(engine: Engine, unproved: Collection[int], worker: str) -> None:
    """Make these rows, which were refused as ``unproved``, pending again: it may have been the dashboard, and not the rows. The
    pass of this worker counts against them.
    """
    pending = {"state": "pending", "settled_how": None, "settled_at": None, "words": None}
    struck = {"strikes": batch.c.strikes + 1, "struck_by": worker}
    with writing(engine) as connection:
        connection.execute(_unproved(unproved).values(**pending, **struck))


def _unproved(ids: Collection[int]) -> sa.Update:
    # A person, or another reading of the source, may have changed some of them meanwhile.
    return sa.update(batch).where(batch.c.id.in_(ids), batch.c.state == "refused", batch.c.settled_how == "unproved")


def batch_totals(engine: Engine, batch_id: int) -> BatchTotals:
    """Totals of the batch as it was staged, given one of its parts."""
    up = sa.select(batch.c.id, batch.c.parent_id).where(batch.c.id == batch_id).cte("up", recursive=True)
    parent = batch.alias("parent")
    up = up.union_all(sa.select(parent.c.id, parent.c.parent_id).join(up, parent.c.id == up.c.parent_id))
    whole = sa.select(up.c.id).where(up.c.parent_id.is_(None)).scalar_subquery()
    down = sa.select(batch.c.id).where(batch.c.id == whole).cte("down", recursive=True)
    part = batch.alias("part")
    down = down.union_all(sa.select(part.c.id).join(down, part.c.parent_id == down.c.id))
    alone = sa.and_(batch.c.state == "pending", batch.c.rows == 1, batch.c.unknown_in_a_row > 0)
    # Posted, but not answered by the dashboard itself: it may have the rows.
    answerless = sa.exists().where(
        attempt.c.batch_id.in_(sa.select(down.c.id)),
        attempt.c.outcome == Outcome.UNKNOWN.value,
        sa.or_(attempt.c.http_status.is_(None), attempt.c.http_status != 500, attempt.c.xroad_error.is_not(None)),
    )
    query = sa.select(
        sa.func.min(batch.c.id),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(batch.c.state.in_(("delivered", "pending"))), 0),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(batch.c.state == "delivered"), 0),
        sa.func.count().filter(alone),
        answerless,
    ).where(batch.c.id.in_(sa.select(down.c.id)))
    with reading(engine) as connection:
        row = connection.execute(query).one()
    return BatchTotals(int(row[0]), int(row[1]), int(row[2]), int(row[3]), bool(row[4]))
