"""Batches on their way: claimed under a lease, posted, their attempts recorded, refused ones taken apart.

A claim and the record of its attempt are one transaction, made before the POST; the outcome is another, made after it. So
whatever dies in between leaves an attempt without an outcome, which the next claim of that batch records as *unknown*.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Outcome, clean
from tablero.outbox import batches
from tablero.outbox.batches import Fresh, Lease, Part, rows_of
from tablero.outbox.engine import reading, writing
from tablero.outbox.schema import attempt, batch


class Claim(NamedTuple):
    """A batch that this worker alone may post until its lease ends.

    :ivar batch_id: the same for all attempts of the batch.
    :ivar attempt_id: this attempt's record.
    :ivar message_id: fresh for each attempt; sent as ``X-Road-Id``.
    :ivar worker: who claimed it.
    :ivar changes: in order.
    """

    batch_id: int
    attempt_id: int
    message_id: str
    worker: str
    changes: Sequence[StatusChange]


# Built once, for what every batch goes through: building them took a fifth of the time of an exchange.
_OF_THESE = sa.and_(batch.c.id.in_(sa.bindparam("ids", expanding=True)), batch.c.state == "pending")
_LEASED = sa.and_(_OF_THESE, batch.c.claimed_by == sa.bindparam("worker"))
_HOLD = sa.update(batch).where(_LEASED).values(claimed_until=sa.bindparam("until")).returning(batch.c.id)
_HAND_BACK = sa.update(batch).where(_LEASED).values(claimed_by=None, claimed_until=None)
_DELIVER = sa.update(batch).where(_OF_THESE).values(state="delivered", settled_at=sa.bindparam("now"), claimed_until=None)
_BEGIN_ATTEMPT = sa.insert(attempt).returning(attempt.c.id, sort_by_parameter_order=True)


class Backlog(NamedTuple):
    """What is pending in some windows.

    :ivar batches: how many batches.
    :ivar rows: how many rows in them.
    :ivar leased_until: when the last lease of another worker ends, if any holds one.
    :ivar waiting: batches that wait for earlier changes of the same request.
    """

    batches: int
    rows: int
    leased_until: datetime | None
    waiting: int


def claim(
    engine: Engine,
    windows: Collection[Window],
    *,
    worker: str,
    run_id: str,
    limit: int,
    now: datetime,
    lease: timedelta,
    largest_first: bool = False,
) -> list[Claim]:
    """Take up to ``limit`` pending batches which touch one of ``windows``, and put their attempts on record.

    Not taken: batches that another worker holds, those that this worker has had before (its retries are the task's), and
    those that wait for earlier changes of the same request. Parts of a refused batch come before whole batches, so that what
    is wrong is known before more is posted.

    :param worker: names this try of this task, and no other.
    :param largest_first: of the parts, take the largest; else the smallest.
    """
    size = -batch.c.rows if largest_first else batch.c.rows
    with writing(engine) as connection:
        query = (
            sa.select(batch.c.id)
            .where(_pending_in(windows), _free(now), batch.c.claimed_by.is_distinct_from(worker), _first_in_line())
            # Fresh ones first: a batch that keeps failing holds up no other, whatever ends the pass early.
            .order_by(
                batch.c.claimed_by.is_not(None),
                batch.c.parent_id.is_(None),
                sa.case((batch.c.parent_id.is_not(None), size)),
                batch.c.id,
            )
            .limit(limit)
            .with_for_update(skip_locked=True, of=batch)
        )
        ids = list(connection.scalars(query))
        if not ids:
            return []
        connection.execute(give_up_attempts(ids))
        connection.execute(sa.update(batch).where(batch.c.id.in_(ids)).values(claimed_by=worker, claimed_until=now + lease))
        attempts = _begin_attempts(connection, ids, run_id, now)
        changes = rows_of(connection, ids)
        return [
            Claim(identity, attempt_id, message_id, worker, changes[identity])
            for identity, (attempt_id, message_id) in zip(ids, attempts, strict=True)
        ]


def give_up_attempts(ids: Collection[int]) -> sa.Update:
    """Attempts of these batches that are still without an outcome become unknown ones."""
    return (
        sa.update(attempt)
        .where(attempt.c.batch_id.in_(ids), attempt.c.outcome.is_(None))
        .values(outcome=Outcome.UNKNOWN.value, error="The worker ended without recording an answer.")
    )


def exchange(
    engine: Engine,
    answers: Sequence[tuple[Claim, Answer]],
    fresh: Sequence[Fresh],
    *,
    run_id: str,
    now: datetime,
    lease: Lease,
) -> list[Claim]:
    """:func:`record` what has ended and put on record what is posted next, in one transaction: half the waiting for the disk.

    :param fresh: batches which this worker has just staged.
    :param lease: from now on; a batch which another worker took, because the lease it was staged under had ended, is left
        to it.
    """
    if not answers and not fresh:
        return []
    with writing(engine) as connection:
        if answers:
            _record(connection, answers, now)
        return _begin(connection, fresh, run_id, now, lease) if fresh else []


def _begin(connection: Connection, fresh: Sequence[Fresh], run_id: str, now: datetime, lease: Lease) -> list[Claim]:
    changes = dict(fresh)
    held = connection.scalars(_HOLD, {"ids": list(changes), **lease._asdict()})
    ids = sorted(held)
    attempts = _begin_attempts(connection, ids, run_id, now) if ids else []
    return [
        Claim(batch_id, attempt_id, message_id, lease.worker, changes[batch_id])
        for batch_id, (attempt_id, message_id) in zip(ids, attempts, strict=True)
    ]


def _begin_attempts(connection: Connection, ids: Sequence[int], run_id: str, now: datetime) -> list[tuple[int, str]]:
    """Ids of the attempts' records, and their message ids."""
    values = [{"batch_id": identity, "run_id": run_id, "message_id": str(uuid4()), "started_at": now} for identity in ids]
    attempts = connection.scalars(_BEGIN_ATTEMPT, values)
    return [(attempt_id, str(value["message_id"])) for attempt_id, value in zip(attempts, values, strict=True)]


def renew(engine: Engine, ids: Collection[int], lease: Lease) -> None:
    """Prolong the lease of batches that are still to be posted, or being posted."""
    with writing(engine) as connection:
        connection.execute(_HOLD, {"ids": list(ids), **lease._asdict()})


def hand_back(engine: Engine, fresh: Collection[Fresh], worker: str) -> None:
    """Leave to others what this worker has staged and not posted; as if it had never been claimed."""
    if not fresh:
        return
    with writing(engine) as connection:
        connection.execute(_HAND_BACK, {"ids": [batch_id for batch_id, _ in fresh], "worker": worker})


def record(engine: Engine, answers: Sequence[tuple[Claim, Answer]], now: datetime) -> None:
    """Make the outcomes of attempts durable, and give up the leases of batches that were not delivered.

    An acknowledgement counts whoever holds the lease by now: the dashboard has the rows. Refused batches stay leased, for
    :func:`split`, :func:`set_aside` or :func:`release` to follow.
    """
    if not answers:
        return
    with writing(engine) as connection:
        _record(connection, answers, now)


def _record(connection: Connection, answers: Sequence[tuple[Claim, Answer]], now: datetime) -> None:
    connection.execute(_END_ATTEMPT, [_ending(claimed, answer) for claimed, answer in answers])
    delivered = [claimed.batch_id for claimed, answer in answers if answer.outcome is Outcome.DELIVERED]
    if delivered:
        connection.execute(_DELIVER, {"ids": delivered, "now": now})
    _release(
        connection,
        [claimed for claimed, answer in answers if answer.outcome not in (Outcome.DELIVERED, Outcome.REFUSED)],
    )


def release(engine: Engine, claims: Collection[Claim]) -> None:
    """Give up the leases of batches that stay pending."""
    with writing(engine) as connection:
        _release(connection, claims)


def _release(connection: Connection, claims: Collection[Claim]) -> None:
    for claimed in claims:
        connection.execute(sa.update(batch).where(_held(claimed)).values(claimed_until=None))


def _held(claimed: Claim) -> sa.ColumnElement[bool]:
    """That the batch is still this worker's: a late one must not touch what another has claimed since."""
    return sa.and_(batch.c.id == claimed.batch_id, batch.c.state == "pending", batch.c.claimed_by == claimed.worker)


#: Begins what is kept of an answer that came when the attempt was on record as unknown already.
LATE = "Another worker took over before this answer was on record: "

_NO_OUTCOME_YET = attempt.c.outcome.is_(None)

#: Only an answer brings the seconds that it took.
_GIVEN_UP = sa.and_(attempt.c.outcome == Outcome.UNKNOWN.value, attempt.c.seconds.is_(None))

#: An outcome on record stays. Where it is "unknown", it is why the batch was posted again, whatever was learnt later.
_END_ATTEMPT = (
    sa.update(attempt)
    .where(attempt.c.id == sa.bindparam("attempt_id"))
    .values(
        outcome=sa.func.coalesce(attempt.c.outcome, sa.bindparam("ended", type_=sa.String)),
        error=sa.case(
            (_NO_OUTCOME_YET, sa.bindparam("told", type_=sa.String)),
            (_GIVEN_UP, sa.bindparam("told_late", type_=sa.String)),
            else_=attempt.c.error,
        ),
    )
)


def _ending(claimed: Claim, answer: Answer) -> dict[str, Any]:
    return {
        "attempt_id": claimed.attempt_id,
        "ended": answer.outcome.value,
        "told": clean(answer.error, 1000) or None,
        "told_late": clean(f"{LATE}{answer.outcome.value}. {answer.error}", 1000),
        "seconds": answer.seconds,
        "http_status": answer.status,
        "message": clean(answer.message) or None,
        "xroad_request_id": answer.xroad_request_id,
        "xroad_error": answer.xroad_error,
        "xroad_detail": answer.xroad_detail,
    }


def split(engine: Engine, claimed: Claim, cuts: Sequence[int], *, zone: tzinfo) -> list[int]:
    """Replace a batch by its parts, and return their ids in order; none if another worker has claimed it since.

    :param cuts: positions at which a part begins, ascending, without 0. Where a cut falls between two changes of one
        request, the later part waits for the earlier one.
    """
    edges = [0, *cuts, len(claimed.changes)]
    with writing(engine) as connection:
        whole = connection.execute(sa.select(*batches.COLUMNS).where(_held(claimed)).with_for_update()).one_or_none()
        if whole is None:
            return []
        cut = {"cuts": whole.cuts + 1}
        parts = [Part(claimed.changes[start:end], cut) for start, end in pairwise(edges)]
        return batches.replace(connection, whole, parts, zone)


def set_aside(engine: Engine, refused: Sequence[tuple[Claim, str]], now: datetime) -> None:
    """Record single rows which the dashboard refuses for good, each with its words. They hold up nothing any more."""
    with writing(engine) as connection:
        for claimed, words in refused:
            connection.execute(
                sa.update(batch)
                .where(_held(claimed))
                .values(state="refused", words=words[:500], settled_at=now, claimed_until=None)
            )


def backlog(engine: Engine, windows: Collection[Window], now: datetime) -> Backlog:
    """What is pending in batches which touch one of ``windows``."""
    query = sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(batch.c.rows), 0),
        sa.func.max(sa.case((batch.c.claimed_until > now, batch.c.claimed_until)), type_=batch.c.claimed_until.type),
        sa.func.count().filter(~_first_in_line()),
    ).where(_pending_in(windows))
    with reading(engine) as connection:
        batches, rows, leased_until, waiting = connection.execute(query).one()
    return Backlog(int(batches), int(rows), leased_until, int(waiting))


def times_failed(engine: Engine, batch_id: int) -> int:
    """How often the dashboard itself has failed on a batch: its own HTTP 500, not one that X-Road made."""
    query = sa.select(sa.func.count()).where(
        attempt.c.batch_id == batch_id,
        attempt.c.outcome == Outcome.UNKNOWN.value,
        attempt.c.http_status == 500,
        attempt.c.xroad_error.is_(None),
    )
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)


def ever_delivered(engine: Engine) -> bool:
    """Whether the dashboard has accepted anything, ever."""
    with reading(engine) as connection:
        return connection.scalar(sa.select(batch.c.id).where(batch.c.state == "delivered").limit(1)) is not None


def _pending_in(windows: Collection[Window]) -> sa.ColumnElement[bool]:
    touches = [sa.and_(batch.c.first_change < window.end, batch.c.last_change >= window.start) for window in windows]
    # The literal, not a bound value: only so does SQLite use the index of pending batches.
    return sa.and_(sa.text("batch.state = 'pending'"), sa.or_(sa.false(), *touches))


def _free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(batch.c.claimed_until.is_(None), batch.c.claimed_until <= now)


def _first_in_line() -> sa.ColumnElement[bool]:
    earlier = batch.alias("earlier")
    waits = sa.exists().where(earlier.c.id == batch.c.after_id, earlier.c.state == "pending")
    return sa.or_(batch.c.after_id.is_(None), ~waits)
