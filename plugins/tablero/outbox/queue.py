"""Batches on their way: claimed under a lease, posted, their attempts recorded.

A claim and the record of its attempt are one transaction, made before the POST; the outcome is another, made after it. So
whatever dies in between leaves an attempt without an outcome, which the next claim of that batch records as *unknown*.

Leases, and what proves a row bad, run on one clock, the outbox's: the database's own, or this machine's where the outbox is a
file of it. ``now`` is only ever given by tests.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Outcome, clean
from tablero.outbox import batches
from tablero.outbox.batches import Fresh, Lease, Part, rows_of
from tablero.outbox.engine import Instant, now_of, reading, writing
from tablero.outbox.schema import attempt, batch
from tablero.texts import outbox as texts


class History(NamedTuple):
    """What is on record of the rows of a batch, before an attempt.

    :ivar cuts: how often they were cut out of another batch; 0 is a batch as it was staged.
    :ivar unknown_in_a_row: attempts without a known outcome since the last known one.
    :ivar ever_unknown: the dashboard may have them: once posted with an unknown outcome, or sent again on purpose.
    :ivar strikes: passes that count against a single row.
    """

    cuts: int = 0
    unknown_in_a_row: int = 0
    ever_unknown: bool = False
    strikes: int = 0


class Claim(NamedTuple):
    """A batch that this worker alone may post until its lease ends.

    :ivar batch_id: the same for all attempts of the batch.
    :ivar attempt_id: this attempt's record.
    :ivar message_id: fresh for each attempt; sent as ``X-Road-Id``.
    :ivar worker: who claimed it.
    :ivar changes: in order.
    :ivar history: before this attempt.
    """

    batch_id: int
    attempt_id: int
    message_id: str
    worker: str
    changes: Sequence[StatusChange]
    history: History = History()


class Hold(NamedTuple):
    """How a worker holds batches.

    :ivar worker: names one try of one task, and no other.
    :ivar run_id: of the task's run.
    :ivar seconds: how long a lease lasts, from each transaction on.
    """

    worker: str
    run_id: str
    seconds: float


class Backlog(NamedTuple):
    """What is pending in some windows.

    :ivar batches: how many batches.
    :ivar rows: how many rows in them.
    :ivar wait: seconds until the last lease of a worker ends, if any holds one.
    :ivar waiting: batches that wait for earlier changes of the same request.
    """

    batches: int
    rows: int
    wait: float | None
    waiting: int


class Proof(NamedTuple):
    """What is on record about a single row that was refused, or failed, alone.

    :ivar accepted_since: the dashboard accepted something after the row was first refused, or failed, and before this attempt
        was begun; from whichever worker.
    :ivar strikes: earlier passes that count against it; this one does not.
    """

    accepted_since: bool
    strikes: int


class Kin(NamedTuple):
    """What became of the batch that a row was cut out of: all its parts together.

    :ivar batch_id: the batch as it was staged.
    :ivar rows: in all of its parts.
    :ivar delivered: of them.
    :ivar failed_alone: single rows that the dashboard failed on.
    :ivar answerless: it was once posted, and no answer of the dashboard itself came back.
    """

    batch_id: int
    rows: int
    delivered: int
    failed_alone: int
    answerless: bool


#: Now, by the database's clock; by this machine's, which is given then, where the outbox is a file.
_NOW = sa.func.coalesce(sa.bindparam("now", type_=Instant), sa.func.now(), type_=Instant)


def _clock(connection: Connection, now: datetime | None) -> datetime | None:
    """The value of ``now`` in a statement: none on PostgreSQL, which knows it."""
    return now if now is not None or connection.dialect.name == "postgresql" else datetime.now(timezone.utc)


def _moment(connection: Connection, now: datetime | None, seconds: float = 0.0) -> Any:
    """So many seconds from now, as an expression."""
    known, later = _clock(connection, now), timedelta(seconds=seconds)
    return sa.func.now() + later if known is None else sa.literal(known + later, Instant)


def lease(engine: Engine, hold: Hold, now: datetime | None = None) -> Lease:
    """A lease that begins now, for batches that are about to be staged."""
    with reading(engine) as connection:
        return Lease(hold.worker, (now or now_of(connection)) + timedelta(seconds=hold.seconds))


# Built once, for what every batch goes through: building them took a fifth of the time of an exchange.
_OF_THESE = sa.and_(batch.c.id.in_(sa.bindparam("ids", expanding=True)), batch.c.state == "pending")
_LEASED = sa.and_(_OF_THESE, batch.c.claimed_by == sa.bindparam("worker"))
_HAND_BACK = sa.update(batch).where(_LEASED).values(claimed_by=None, claimed_until=None)
_RELEASE = sa.update(batch).where(_LEASED).values(claimed_until=None)
_DELIVER = (
    sa.update(batch)
    .where(_OF_THESE)
    .values(state="delivered", settled_at=_NOW, settled_how=sa.bindparam("how"), claimed_until=None, unknown_in_a_row=0)
)
_REFUSE = (
    sa.update(batch)
    .where(_OF_THESE)
    .values(first_refused_at=sa.func.coalesce(batch.c.first_refused_at, _NOW), unknown_in_a_row=0)
)
_DOUBT = (
    sa.update(batch)
    .where(_OF_THESE)
    .values(
        first_refused_at=sa.func.coalesce(batch.c.first_refused_at, _NOW),
        unknown_in_a_row=batch.c.unknown_in_a_row + 1,
        ever_unknown=sa.true(),
    )
)
_HISTORY = (
    batch.c.cuts,
    batch.c.unknown_in_a_row,
    sa.or_(batch.c.ever_unknown, batch.c.resend_run_id.is_not(None)),
    batch.c.strikes,
)
_BEGIN_ATTEMPT = sa.insert(attempt).returning(attempt.c.id, sort_by_parameter_order=True)
#: The same at a moment that the server knows; asking it for the moment would be another round trip.
_BEGIN_ATTEMPT_NOW = _BEGIN_ATTEMPT.values(started_at=sa.func.now())


def claim(
    engine: Engine,
    windows: Collection[Window],
    hold: Hold,
    *,
    limit: int,
    parts: bool = False,
    most: int = 1000,
    by_service: bool = False,
    zone: tzinfo = timezone.utc,
    now: datetime | None = None,
) -> list[Claim]:
    """Take up to ``limit`` pending batches which touch one of ``windows``, and put their attempts on record.

    Not taken: batches that another worker holds, those that this worker has had before (its retries are the task's), and
    those that wait for earlier changes of the same request. The oldest change comes first, so that the last one to arrive is
    the last one; batches that were refused come after what is new.

    :param parts: take what was cut in the search, and nothing else; else only whole batches.
    :param most: rows in a call; a batch with more, staged while it was more, is cut.
    :param by_service: one service a call.
    :param zone: the institution's, whose civil days rows are counted by.
    """
    with writing(engine) as connection:
        moment = _moment(connection, now)
        refused = sa.and_(batch.c.first_refused_at.is_not(None), batch.c.unknown_in_a_row == 0)
        query = (
            sa.select(*batches.COLUMNS)
            .where(
                _pending_in(windows),
                sa.or_(batch.c.claimed_until.is_(None), batch.c.claimed_until <= moment),
                batch.c.claimed_by.is_distinct_from(hold.worker),
                batch.c.cuts > 0 if parts else batch.c.cuts == 0,
                _first_in_line(),
            )
            .order_by(refused, batch.c.first_change, batch.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=batch)
        )
        found = connection.execute(query).all()
        if not found:
            return []
        give_up_attempts(connection, [row.id for row in found])
        ids = _cut_to_size(connection, found, most, by_service=by_service, zone=zone)[:limit]
        return _begin_held(connection, ids, hold, now)


def begin(engine: Engine, ids: Sequence[int], hold: Hold, *, now: datetime | None = None) -> list[Claim]:
    """Put the attempts of batches on record which this worker holds, or did hold: others may have taken some meanwhile."""
    with writing(engine) as connection:
        still = sa.select(batch.c.id).where(
            batch.c.id.in_(ids),
            batch.c.state == "pending",
            batch.c.claimed_by == hold.worker,
            _first_in_line(),
        )
        return _begin_held(connection, list(connection.scalars(still.with_for_update(of=batch))), hold, now)


def _begin_held(connection: Connection, ids: Sequence[int], hold: Hold, now: datetime | None) -> list[Claim]:
    if not ids:
        return []
    until = _moment(connection, now, hold.seconds)
    connection.execute(sa.update(batch).where(batch.c.id.in_(ids)).values(claimed_by=hold.worker, claimed_until=until))
    attempts = dict(_begin_attempts(connection, ids, hold.run_id, now))
    changes = rows_of(connection, ids)
    query = sa.select(batch.c.id, *_HISTORY).where(batch.c.id.in_(ids))
    histories = {row.id: History(*row[1:]) for row in connection.execute(query)}
    return [Claim(identity, *attempts[identity], hold.worker, changes[identity], histories[identity]) for identity in ids]


def give_up_attempts(connection: Connection, ids: Collection[int]) -> None:
    """Attempts that are still without an outcome become unknown ones: whoever began them is no more."""
    given_up = connection.scalars(
        sa.update(attempt)
        .where(attempt.c.batch_id.in_(ids), attempt.c.outcome.is_(None))
        .values(outcome=Outcome.UNKNOWN.value, error=str(texts.NO_ANSWER_RECORDED))
        .returning(attempt.c.batch_id)
    ).all()
    if given_up:
        connection.execute(sa.update(batch).where(batch.c.id.in_(given_up)).values(ever_unknown=sa.true()))


def _cut_to_size(connection: Connection, found: Sequence[Any], most: int, *, by_service: bool, zone: tzinfo) -> list[int]:
    """The batches, those that are larger than a call may be now replaced by several; none of them counts as refused."""
    ids: list[int] = []
    for row in found:
        pieces: list[list[StatusChange]] = []
        if row.rows > most or (by_service and row.service_id is None):
            pieces = _pieces(rows_of(connection, [row.id])[row.id], most, by_service=by_service)
        if len(pieces) > 1:
            fresh = connection.execute(sa.select(*batches.COLUMNS).where(batch.c.id == row.id)).one()
            made = batches.replace(connection, fresh, [Part(piece) for piece in pieces], zone)
            first_in_line = sa.select(batch.c.id).where(batch.c.id.in_(made), _first_in_line()).order_by(batch.c.id)
            ids += connection.scalars(first_in_line)
        else:
            ids.append(row.id)
    return ids


def _pieces(changes: Sequence[StatusChange], most: int, *, by_service: bool) -> list[list[StatusChange]]:
    """Calls that hold these rows, of one service each if so wished, a request in one call where it fits."""
    services: dict[str, list[StatusChange]] = {}
    for change in changes:
        services.setdefault(change.service_id if by_service else "", []).append(change)
    pieces: list[list[StatusChange]] = []
    for rows in services.values():
        start = 0
        while start < len(rows):
            end = min(start + most, len(rows))
            edge = end
            while start < edge < len(rows) and rows[edge].request_id == rows[edge - 1].request_id:
                edge -= 1
            end = edge if edge > start else end
            pieces.append(rows[start:end])
            start = end
    return pieces


def exchange(
    engine: Engine,
    answers: Sequence[tuple[Claim, Answer]],
    fresh: Sequence[Fresh],
    hold: Hold,
    *,
    keep: Collection[int] = (),
    after_outage: bool = False,
    now: datetime | None = None,
) -> list[Claim]:
    """:func:`record` what has ended and put on record what is posted next, in one transaction: half the waiting for the disk.

    :param fresh: batches which this worker has just staged; one which another worker took, because the lease it was staged
        under had ended, is left to it.
    :param after_outage: whether attempts of ``fresh`` may be on record that were never made: the outbox took them and could not
        say so.
    """
    if not answers and not fresh:
        return []
    with writing(engine) as connection:
        if answers:
            _record(connection, answers, keep, now)
        if not fresh:
            return []
        changes = dict(fresh)
        until = _moment(connection, now, hold.seconds)
        held = sorted(
            connection.scalars(
                sa.update(batch).where(_LEASED).values(claimed_until=until).returning(batch.c.id),
                {"ids": list(changes), "worker": hold.worker},
            )
        )
        if after_outage:
            never_made = sa.update(attempt).where(attempt.c.batch_id.in_(held), attempt.c.outcome.is_(None))
            connection.execute(never_made.values(outcome=Outcome.TRANSIENT.value, error=str(texts.NEVER_MADE)))
        attempts = dict(_begin_attempts(connection, held, hold.run_id, now)) if held else {}
        return [Claim(identity, *attempts[identity], hold.worker, changes[identity]) for identity in held]


def _begin_attempts(
    connection: Connection, ids: Sequence[int], run_id: str, now: datetime | None
) -> list[tuple[int, tuple[int, str]]]:
    """By batch the id of the attempt's record, and its message id."""
    started = _clock(connection, now)
    values = [{"batch_id": identity, "run_id": run_id, "message_id": str(uuid4())} for identity in ids]
    if started is None:
        attempts = connection.scalars(_BEGIN_ATTEMPT_NOW, values)
    else:
        attempts = connection.scalars(_BEGIN_ATTEMPT, [{**value, "started_at": started} for value in values])
    return [
        (identity, (attempt_id, str(value["message_id"])))
        for identity, attempt_id, value in zip(ids, attempts, values, strict=True)
    ]


def renew(engine: Engine, ids: Collection[int], hold: Hold, *, now: datetime | None = None) -> set[int]:
    """Prolong the leases of batches that are still to be posted, or being posted; returns those that are this worker's."""
    with writing(engine) as connection:
        until = _moment(connection, now, hold.seconds)
        held = sa.update(batch).where(_LEASED).values(claimed_until=until).returning(batch.c.id)
        return set(connection.scalars(held, {"ids": list(ids), "worker": hold.worker}))


def hand_back(engine: Engine, ids: Collection[int], worker: str) -> None:
    """Leave to others what this worker has not posted; as if it had never been claimed."""
    if ids:
        with writing(engine) as connection:
            connection.execute(_HAND_BACK, {"ids": list(ids), "worker": worker})


def release(engine: Engine, ids: Collection[int], worker: str) -> None:
    """Give up the leases of batches that stay pending."""
    if ids:
        with writing(engine) as connection:
            connection.execute(_RELEASE, {"ids": list(ids), "worker": worker})


def record(
    engine: Engine, answers: Sequence[tuple[Claim, Answer]], *, keep: Collection[int] = (), now: datetime | None = None
) -> None:
    """Make the outcomes of attempts durable, and give up the leases of batches that stay pending.

    An acknowledgement counts whoever holds the lease by now: the dashboard has the rows.

    :param keep: batches which stay leased, since they are searched next.
    """
    if answers:
        with writing(engine) as connection:
            _record(connection, answers, keep, now)


def _record(
    connection: Connection, answers: Sequence[tuple[Claim, Answer]], keep: Collection[int], now: datetime | None
) -> None:
    clock = _clock(connection, now)
    connection.execute(_END_ATTEMPT, [_ending(claimed, answer) for claimed, answer in answers])
    how = {
        "acknowledged": _ids(answers, Outcome.DELIVERED, repeat=False),
        "recognised": _ids(answers, Outcome.DELIVERED, repeat=True),
    }
    for settled_how, ids in how.items():
        if ids:
            connection.execute(_DELIVER, {"ids": ids, "now": clock, "how": settled_how})
    for outcome, statement in ((Outcome.REFUSED, _REFUSE), (Outcome.UNKNOWN, _DOUBT)):
        if ids := _ids(answers, outcome):
            connection.execute(statement, {"ids": ids, "now": clock})
    for claimed, answer in answers:
        if answer.outcome is not Outcome.DELIVERED and claimed.batch_id not in keep:
            connection.execute(_RELEASE, {"ids": [claimed.batch_id], "worker": claimed.worker})


def _ids(answers: Sequence[tuple[Claim, Answer]], outcome: Outcome, *, repeat: bool | None = None) -> list[int]:
    return [
        claimed.batch_id
        for claimed, answer in answers
        if answer.outcome is outcome and (repeat is None or answer.is_repeat is repeat)
    ]


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
        "ended": (Outcome.DELIVERED if answer.partial else answer.outcome).value,
        "told": clean(answer.error, 1000) or None,
        "told_late": clean(f"{LATE}{answer.outcome.value}. {answer.error}", 1000),
        "seconds": answer.seconds,
        "http_status": answer.status,
        "message": clean(answer.message) or None,
        "xroad_request_id": answer.xroad_request_id,
        "xroad_error": answer.xroad_error,
        "xroad_detail": answer.xroad_detail,
    }


def proof(engine: Engine, claimed: Claim, *, until_now: bool = False) -> Proof:
    """What speaks against the single row of this attempt.

    :param until_now: what would speak against it if it were posted again.
    """
    accepted = batch.alias("accepted")
    began = sa.select(attempt.c.started_at).where(attempt.c.id == claimed.attempt_id).scalar_subquery()
    since = sa.exists().where(
        accepted.c.state == "delivered",
        accepted.c.settled_how == "acknowledged",
        accepted.c.settled_at > batch.c.first_refused_at,
        sa.true() if until_now else accepted.c.settled_at <= began,
    )
    strikes = sa.case((batch.c.struck_by == claimed.worker, batch.c.strikes - 1), else_=batch.c.strikes)
    with reading(engine) as connection:
        row = connection.execute(sa.select(since, strikes).where(batch.c.id == claimed.batch_id)).one()
    return Proof(bool(row[0]), int(row[1]))


def strike(engine: Engine, claimed: Claim) -> None:
    """Count this pass against a single row."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(batch)
            .where(batch.c.id == claimed.batch_id, batch.c.struck_by.is_distinct_from(claimed.worker))
            .values(strikes=batch.c.strikes + 1, struck_by=claimed.worker)
        )


def refuse(engine: Engine, refused: Sequence[tuple[Claim, str]], *, now: datetime | None = None) -> None:
    """Record single rows which the dashboard refuses for good, each with its words. They hold up nothing any more."""
    with writing(engine) as connection:
        for claimed, words in refused:
            connection.execute(
                sa.update(batch)
                .where(_LEASED)
                .values(state="refused", words=clean(words), settled_at=_NOW, claimed_until=None),
                {"ids": [claimed.batch_id], "worker": claimed.worker, "now": _clock(connection, now)},
            )


def kin(engine: Engine, batch_id: int) -> Kin:
    """The whole batch that this one is a part of, with all its parts."""
    up = sa.select(batch.c.id, batch.c.parent_id).where(batch.c.id == batch_id).cte("up", recursive=True)
    parent = batch.alias("parent")
    up = up.union_all(sa.select(parent.c.id, parent.c.parent_id).join(up, parent.c.id == up.c.parent_id))
    whole = sa.select(up.c.id).where(up.c.parent_id.is_(None)).scalar_subquery()
    down = sa.select(batch.c.id).where(batch.c.id == whole).cte("down", recursive=True)
    part = batch.alias("part")
    down = down.union_all(sa.select(part.c.id).join(down, part.c.parent_id == down.c.id))
    alone = sa.and_(batch.c.state == "pending", batch.c.rows == 1, batch.c.unknown_in_a_row > 0)
    # Posted, and not answered by the dashboard itself: it may hold the rows, though nobody heard of it.
    answerless = sa.exists().where(
        attempt.c.batch_id.in_(sa.select(down.c.id)),
        attempt.c.outcome == Outcome.UNKNOWN.value,
        sa.or_(attempt.c.http_status.is_(None), attempt.c.http_status != 500, attempt.c.xroad_error.is_not(None)),
    )
    query = sa.select(
        sa.func.min(batch.c.id),
        sa.func.sum(batch.c.rows),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(batch.c.state == "delivered"), 0),
        sa.func.count().filter(alone),
        answerless,
    ).where(batch.c.id.in_(sa.select(down.c.id)))
    with reading(engine) as connection:
        row = connection.execute(query).one()
    return Kin(int(row[0]), int(row[1]), int(row[2]), int(row[3]), bool(row[4]))


def backlog(engine: Engine, windows: Collection[Window], *, now: datetime | None = None) -> Backlog:
    """What is pending in batches which touch one of ``windows``."""
    with reading(engine) as connection:
        at = now or now_of(connection)
        query = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(batch.c.rows), 0),
            sa.func.max(sa.case((batch.c.claimed_until > at, batch.c.claimed_until)), type_=batch.c.claimed_until.type),
            sa.func.count().filter(~_first_in_line()),
        ).where(_pending_in(windows))
        count, rows, leased_until, waiting = connection.execute(query).one()
    wait = (leased_until - at).total_seconds() if leased_until else None
    return Backlog(int(count), int(rows), wait, int(waiting))


def ever_delivered(engine: Engine) -> bool:
    """Whether the dashboard has accepted anything, ever."""
    with reading(engine) as connection:
        return connection.scalar(sa.select(batch.c.id).where(batch.c.state == "delivered").limit(1)) is not None


def _pending_in(windows: Collection[Window]) -> sa.ColumnElement[bool]:
    # The literal, not a bound value: only so does SQLite use the index of pending batches.
    return sa.and_(sa.text("batch.state = 'pending'"), sa.or_(sa.false(), *map(batches.touching, windows)))


def _first_in_line() -> sa.ColumnElement[bool]:
    earlier = batch.alias("earlier")
    waits = sa.exists().where(earlier.c.id == batch.c.after_id, earlier.c.state == "pending")
    return sa.or_(batch.c.after_id.is_(None), ~waits)
