"""Recording answers, together with the attempts that follow them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timezone, tzinfo
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.dashboard.answer import Answer, Outcome
from tablero.outbox.batches import LeasedBatch, rows_of
from tablero.outbox.engine import now_of, writing
from tablero.outbox.queue import attempts, cutting
from tablero.outbox.queue.claims import Claim, Leaseholder
from tablero.outbox.queue.leasing import LEASED, NOW, OF_THESE, RELEASE, clock
from tablero.outbox.queue.statement import Execution, Rows, Statement, execute
from tablero.outbox.schema import attempt, batch
from tablero.texts import outbox as texts

_DELIVER = Statement(
    sa.update(batch)
    .where(batch.c.id == sa.bindparam("batch_id"), batch.c.state == "pending")
    .values(state="delivered", settled_at=NOW, settled_how=sa.bindparam("how"), claimed_until=None, unknown_in_a_row=0)
    .returning(batch.c.id)
)
_REFUSE = (
    sa.update(batch)
    .where(OF_THESE)
    .values(first_refused_at=sa.func.coalesce(batch.c.first_refused_at, NOW), unknown_in_a_row=0)
)
_MARK_UNKNOWN = (
    sa.update(batch)
    .where(OF_THESE)
    .values(
        first_refused_at=sa.func.coalesce(batch.c.first_refused_at, NOW),
        unknown_in_a_row=batch.c.unknown_in_a_row + 1,
        ever_unknown=sa.true(),
    )
)


class Exchanged(NamedTuple):
    """What an exchange leaves to do.

    :ivar claims: the batches to post now.
    :ivar named: rows refused by name while all others of their call were accepted; this worker holds them.
    """

    claims: list[Claim]
    named: list[LeasedBatch]


def exchange(
    engine: Engine,
    answers: Sequence[tuple[Claim, Answer]],
    staged: Sequence[LeasedBatch],
    holder: Leaseholder,
    *,
    keep: Collection[int] = (),
    after_outage: bool = False,
    zone: tzinfo = timezone.utc,
    now: datetime | None = None,
) -> Exchanged:
    """:func:`record` finished attempts and record the next ones in one transaction, which halves the waits for the disk.

    :param staged: batches that this worker has just staged; their leases go on as they are. A batch whose lease has ended and
        which another worker has claimed is left to that worker.
    :param after_outage: attempts of ``staged`` may be on record that were never made, because the outbox committed them but the
        confirmation was lost.
    :param zone: the institution's time zone, in which rows are counted by day.
    """
    if not answers and not staged:
        return Exchanged([], [])
    with writing(engine) as connection:
        changes = dict(staged)
        if after_outage:
            _end_never_made(connection, list(changes), holder)
        next_ones = attempts.beginnings(list(changes), holder, clock(connection, now))
        named, returned = _record(connection, answers, keep, zone, now, next_ones)
    begun = attempts.begun(returned)
    return Exchanged([Claim(identity, *begun[identity], holder.worker, changes[identity]) for identity in begun], named)


def _end_never_made(connection: Connection, ids: Sequence[int], holder: Leaseholder) -> None:
    held = connection.scalars(sa.select(batch.c.id).where(LEASED), {"ids": ids, "worker": holder.worker}).all()
    never_made = sa.update(attempt).where(attempt.c.batch_id.in_(held), attempt.c.outcome.is_(None))
    connection.execute(never_made.values(outcome=Outcome.TRANSIENT.value, error=str(texts.NEVER_MADE)))


def record(
    engine: Engine,
    answers: Sequence[tuple[Claim, Answer]],
    *,
    keep: Collection[int] = (),
    zone: tzinfo = timezone.utc,
    now: datetime | None = None,
) -> None:
    """Make the outcomes of attempts durable and end the leases of batches that stay pending.

    An acknowledgement is recorded even if another worker holds the lease by now: the dashboard has the rows. The same holds for
    one that excepts rows by name: these are split off in the same transaction.

    :param keep: batches whose lease continues because a search posts their parts next.
    :param zone: the institution's time zone, in which rows are counted by day.
    """
    if answers:
        with writing(engine) as connection:
            _record(connection, answers, keep, zone, now)


def _record(
    connection: Connection,
    answers: Sequence[tuple[Claim, Answer]],
    keep: Collection[int],
    zone: tzinfo,
    now: datetime | None,
    *next_ones: Execution,
) -> tuple[list[LeasedBatch], Rows]:
    """Record answers, and execute ``next_ones`` in the same round trip.

    :returns: rows refused by name while all others of their call were accepted, and what ``next_ones`` returned.
    """
    at = clock(connection, now)
    accepted = [(claimed, answer) for claimed, answer in answers if answer.outcome is Outcome.DELIVERED]
    _, delivered, *returned = execute(connection, attempts.endings(answers), _deliveries(accepted, at), *next_ones)
    _deliver_parts(connection, accepted, {identity for (identity,) in delivered}, at)
    for outcome, statement in ((Outcome.REFUSED, _REFUSE), (Outcome.UNKNOWN, _MARK_UNKNOWN)):
        if ids := _ids(answers, outcome):
            connection.execute(statement, {"ids": ids, "now": at})
    kept: list[LeasedBatch] = []
    for claimed, answer in answers:
        named: list[LeasedBatch] = []
        if answer.partial:
            accepted_at = now or now_of(connection)  # later than the refusal of the named rows, which it proves
            named = cutting.accept_others(connection, claimed, answer.named, accepted_at, zone)
        if claimed.batch_id in keep:
            kept += named
        elif answer.outcome is not Outcome.DELIVERED:
            ids = [claimed.batch_id, *(piece.batch_id for piece in named)]
            connection.execute(RELEASE, {"ids": ids, "worker": claimed.worker})
    return kept, list(chain.from_iterable(returned))


def _deliveries(accepted: Sequence[tuple[Claim, Answer]], at: datetime | None) -> Execution:
    return _DELIVER.each(_delivery(claimed.batch_id, answer, at) for claimed, answer in accepted)


def _delivery(batch_id: int, answer: Answer, at: datetime | None) -> dict[str, Any]:
    return {"batch_id": batch_id, "how": "recognised" if answer.is_repeat else "acknowledged", "now": at}


def _deliver_parts(
    connection: Connection, accepted: Sequence[tuple[Claim, Answer]], delivered: Collection[int], at: datetime | None
) -> None:
    """Deliver the parts of batches that were accepted as a whole, but had been split meanwhile."""
    for claimed, answer in accepted:
        if claimed.batch_id not in delivered:
            parts = _posted_parts(connection, claimed)
            execute(connection, _DELIVER.each(_delivery(part, answer, at) for part in parts))


def _posted_parts(connection: Connection, claimed: Claim) -> list[int]:
    """The parts of a batch that another worker has split since this one was frozen, if all their rows were in its call: a
    search moves rows between the parts of a batch.
    """
    parts: list[int] = []
    parents = [claimed.batch_id]
    while parents:
        parents = list(connection.scalars(sa.select(batch.c.id).where(batch.c.parent_id.in_(parents))))
        parts += parents
    posted = set(claimed.changes)
    return [part for part, rows in rows_of(connection, parts).items() if rows and posted.issuperset(rows)]


def _ids(answers: Sequence[tuple[Claim, Answer]], outcome: Outcome) -> list[int]:
    return [claimed.batch_id for claimed, answer in answers if answer.outcome is outcome]
