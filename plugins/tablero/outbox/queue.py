"""The queue of pending batches: claiming them under a lease and recording their attempts.

A claim and the record of its attempt are committed together, before the POST; the outcome is committed after it. A worker that
dies in between leaves an attempt without an outcome, which the next claim of the same batch records as *unknown*.

Leases, and the order of events that decides whether a single row is refused, use one clock: the server's on PostgreSQL,
this machine's on SQLite. Only tests pass ``now``.
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
    """What the outbox knows about the rows of a batch before an attempt.

    :ivar cuts: how many times the rows were split off another batch; 0 for a batch as it was staged.
    :ivar unknown_in_a_row: attempts with an unknown outcome since the last known outcome.
    :ivar ever_unknown: the dashboard may already have these rows: an attempt had an unknown outcome, or they are being resent.
    :ivar strikes: passes that count against a single row.
    """

    cuts: int = 0
    unknown_in_a_row: int = 0
    ever_unknown: bool = False
    strikes: int = 0


class Claim(NamedTuple):
    """A batch that only this worker may post until its lease ends.

    :ivar batch_id: the same for all attempts of the batch.
    :ivar attempt_id: the record of this attempt.
    :ivar message_id: new for each attempt; sent as ``X-Road-Id``.
    :ivar worker: the worker that claimed it.
    :ivar changes: the status changes, in the order in which they are posted.
    :ivar history: the state before this attempt.
    """

    batch_id: int
    attempt_id: int
    message_id: str
    worker: str
    changes: Sequence[StatusChange]
    history: History = History()


class Hold(NamedTuple):
    """On whose behalf batches are leased, and for how long.

    :ivar worker: identifies one try of one task.
    :ivar run_id: the DAG run of that task.
    :ivar seconds: length of a lease; each transaction that claims or renews starts it again.
    """

    worker: str
    run_id: str
    seconds: float


class Backlog(NamedTuple):
    """What is pending in some windows.

    :ivar batches: number of batches.
    :ivar rows: number of rows in them.
    :ivar wait: seconds until the last lease ends; ``None`` if no worker holds one.
    :ivar waiting: batches that wait for earlier changes of the same request.
    """

    batches: int
    rows: int
    wait: float | None
    waiting: int


class Proof(NamedTuple):
    """The evidence about a single row that was refused, or failed, in a call of its own.

    :ivar accepted_since: whether the dashboard accepted anything, from any worker, between the first time the row was refused
        or failed and the start of this attempt.
    :ivar strikes: earlier passes that count against the row; the current pass is not included.
    """

    accepted_since: bool
    strikes: int


class Kin(NamedTuple):
    """Totals of the batch that a row was split off, over all of its parts.

    :ivar batch_id: the batch as it was staged.
    :ivar rows: rows in all parts.
    :ivar delivered: delivered rows among them.
    :ivar failed_alone: single rows on which the dashboard failed.
    :ivar answerless: whether some attempt got no answer from the dashboard itself.
    """

    batch_id: int
    rows: int
    delivered: int
    failed_alone: int
    answerless: bool


#: The current time: the database's on PostgreSQL; on SQLite it is passed in as this machine's.
_NOW = sa.func.coalesce(sa.bindparam("now", type_=Instant), sa.func.now(), type_=Instant)


def _clock(connection: Connection, now: datetime | None) -> datetime | None:
    """The value to bind for ``now``: ``None`` on PostgreSQL, where the server's clock is used."""
    return now if now is not None or connection.dialect.name == "postgresql" else datetime.now(timezone.utc)


def _moment(connection: Connection, now: datetime | None, seconds: float = 0.0) -> Any:
    """The instant that many seconds from now, as an SQL expression."""
    known, later = _clock(connection, now), timedelta(seconds=seconds)
    return sa.func.now() + later if known is None else sa.literal(known + later, Instant)


def lease(engine: Engine, hold: Hold, now: datetime | None = None) -> Lease:
    """A lease that begins now, for batches that are about to be staged."""
    with reading(engine) as connection:
        return Lease(hold.worker, (now or now_of(connection)) + timedelta(seconds=hold.seconds))


# Compiled once because every batch uses them: building them took a fifth of the time of an exchange.
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
#: The same with the server's own time, which saves the round trip of asking for it.
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
    """Claim up to ``limit`` pending batches that touch one of ``windows``, and record an attempt for each.

    Skipped are batches leased to another worker, batches that this worker has already posted (retries belong to the task), and
    batches that wait for earlier changes of the same request. The batch with the oldest change comes first, so that the latest
    status of a request arrives last; batches that were refused before come after new ones.

    :param parts: claim only parts that a search has split off; otherwise only whole batches.
    :param most: rows in one call; a larger batch, staged under a larger ``batch_size``, is split.
    :param by_service: only rows of one service in a call.
    :param zone: the institution's time zone, in which rows are counted by day.
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
    """Record an attempt for each of these batches that this worker still holds; others may have been claimed elsewhere."""
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
    """Record attempts without an outcome as *unknown*: the worker that began them no longer exists."""
    given_up = connection.scalars(
        sa.update(attempt)
        .where(attempt.c.batch_id.in_(ids), attempt.c.outcome.is_(None))
        .values(outcome=Outcome.UNKNOWN.value, error=str(texts.NO_ANSWER_RECORDED))
        .returning(attempt.c.batch_id)
    ).all()
    if given_up:
        connection.execute(sa.update(batch).where(batch.c.id.in_(given_up)).values(ever_unknown=sa.true()))


def _cut_to_size(connection: Connection, found: Sequence[Any], most: int, *, by_service: bool, zone: tzinfo) -> list[int]:
    """The ids of the batches, where batches larger than one call are replaced by their parts; none counts as refused."""
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
    """Split rows into calls, one service each if required; changes of one request stay in one call where they fit."""
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
    """:func:`record` finished attempts and record the next ones in one transaction, which halves the waits for the disk.

    :param fresh: batches that this worker has just staged. A batch whose lease has ended and which another worker has claimed
        is left to that worker.
    :param after_outage: attempts of ``fresh`` may be on record that were never made, because the outbox committed them but the
        confirmation was lost.
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
    """The id and the message id of the new attempt, by batch."""
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
    """Renew the leases of batches that are waiting or being posted.

    :returns: the batches that this worker still holds.
    """
    with writing(engine) as connection:
        until = _moment(connection, now, hold.seconds)
        held = sa.update(batch).where(_LEASED).values(claimed_until=until).returning(batch.c.id)
        return set(connection.scalars(held, {"ids": list(ids), "worker": hold.worker}))


def hand_back(engine: Engine, ids: Collection[int], worker: str) -> None:
    """Undo the claim of batches that this worker has not posted, so that any worker may claim them."""
    if ids:
        with writing(engine) as connection:
            connection.execute(_HAND_BACK, {"ids": list(ids), "worker": worker})


def release(engine: Engine, ids: Collection[int], worker: str) -> None:
    """End the leases of batches that stay pending; this worker does not claim them again."""
    if ids:
        with writing(engine) as connection:
            connection.execute(_RELEASE, {"ids": list(ids), "worker": worker})


def record(
    engine: Engine, answers: Sequence[tuple[Claim, Answer]], *, keep: Collection[int] = (), now: datetime | None = None
) -> None:
    """Make the outcomes of attempts durable and end the leases of batches that stay pending.

    An acknowledgement is recorded even if another worker holds the lease by now: the dashboard has the rows.

    :param keep: batches whose lease continues because a search posts their parts next.
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


#: Prefix of an answer that arrived after its attempt had been recorded as unknown.
LATE = "Another worker took over before this answer was on record: "

_NO_OUTCOME_YET = attempt.c.outcome.is_(None)

#: Only a real answer has a duration.
_GIVEN_UP = sa.and_(attempt.c.outcome == Outcome.UNKNOWN.value, attempt.c.seconds.is_(None))

#: A recorded outcome never changes: an "unknown" explains why the batch was posted again, whatever arrived later.
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
    """The evidence about the single row of this attempt.

    :param until_now: count what was accepted up to now instead of up to the start of the attempt.
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
    """Count the current pass against a single row, once."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(batch)
            .where(batch.c.id == claimed.batch_id, batch.c.struck_by.is_distinct_from(claimed.worker))
            .values(strikes=batch.c.strikes + 1, struck_by=claimed.worker)
        )


def refuse(engine: Engine, refused: Sequence[tuple[Claim, str]], *, now: datetime | None = None) -> None:
    """Record single rows as refused for good, each with the dashboard's explanation. Nothing waits for them any more."""
    with writing(engine) as connection:
        for claimed, words in refused:
            connection.execute(
                sa.update(batch)
                .where(_LEASED)
                .values(state="refused", words=clean(words), settled_at=_NOW, claimed_until=None),
                {"ids": [claimed.batch_id], "worker": claimed.worker, "now": _clock(connection, now)},
            )


def kin(engine: Engine, batch_id: int) -> Kin:
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
    """Whether the dashboard has ever accepted anything."""
    with reading(engine) as connection:
        return connection.scalar(sa.select(batch.c.id).where(batch.c.state == "delivered").limit(1)) is not None


def _pending_in(windows: Collection[Window]) -> sa.ColumnElement[bool]:
    # A literal instead of a bound value: SQLite uses the partial index of pending batches only for a literal.
    return sa.and_(sa.text("batch.state = 'pending'"), sa.or_(sa.false(), *map(batches.touching, windows)))


def _first_in_line() -> sa.ColumnElement[bool]:
    earlier = batch.alias("earlier")
    waits = sa.exists().where(earlier.c.id == batch.c.after_id, earlier.c.state == "pending")
    return sa.or_(batch.c.after_id.is_(None), ~waits)
