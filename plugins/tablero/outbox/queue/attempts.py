"""The record of attempts: begun before the POST, ended by its answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.dashboard.answer import Answer, Outcome, clean
from tablero.outbox.queue.claims import Claim
from tablero.outbox.queue.leasing import clock
from tablero.outbox.schema import attempt, batch
from tablero.texts import outbox as texts

_BEGIN = sa.insert(attempt).returning(attempt.c.id, sort_by_parameter_order=True)
#: The same with the server's own time, which saves the round trip of asking for it.
_BEGIN_NOW = _BEGIN.values(started_at=sa.func.now())


def begin(connection: Connection, ids: Sequence[int], run_id: str, now: datetime | None) -> list[tuple[int, tuple[int, str]]]:
    """The id and the message id of the new attempt, by batch."""
    started = clock(connection, now)
    values = [{"batch_id": identity, "run_id": run_id, "message_id": str(uuid4())} for identity in ids]
    if started is None:
        attempts = connection.scalars(_BEGIN_NOW, values)
    else:
        attempts = connection.scalars(_BEGIN, [{**value, "started_at": started} for value in values])
    return [
        (identity, (attempt_id, str(value["message_id"])))
        for identity, attempt_id, value in zip(ids, attempts, values, strict=True)
    ]


def give_up(connection: Connection, ids: Collection[int]) -> None:
    """Record attempts without an outcome as *unknown*: the worker that began them no longer exists."""
    given_up = connection.scalars(
        sa.update(attempt)
        .where(attempt.c.batch_id.in_(ids), attempt.c.outcome.is_(None))
        .values(outcome=Outcome.UNKNOWN.value, error=str(texts.NO_ANSWER_RECORDED))
        .returning(attempt.c.batch_id)
    ).all()
    if given_up:
        connection.execute(sa.update(batch).where(batch.c.id.in_(given_up)).values(ever_unknown=sa.true()))


#: Prefix of an answer that arrived after its attempt had been recorded as unknown.
LATE = "Another worker took over before this answer was on record: "

_NO_OUTCOME_YET = attempt.c.outcome.is_(None)

#: Only a real answer has a duration.
_GIVEN_UP = sa.and_(attempt.c.outcome == Outcome.UNKNOWN.value, attempt.c.seconds.is_(None))

#: A recorded outcome never changes: an "unknown" explains why the batch was posted again, whatever arrived later.
END = (
    sa.update(attempt)
    .where(attempt.c.id == sa.bindparam("attempt_id"))
    .values(
        outcome=sa.func.coalesce(attempt.c.outcome, sa.bindparam("ended", type_=sa.String)),
        error=sa.case(
            (_NO_OUTCOME_YET, sa.bindparam("given_error", type_=sa.String)),
            (_GIVEN_UP, sa.bindparam("late_error", type_=sa.String)),
            else_=attempt.c.error,
        ),
    )
)


def ending(claimed: Claim, answer: Answer) -> dict[str, Any]:
    """The parameters of :data:`END` for one attempt."""
    return {
        "attempt_id": claimed.attempt_id,
        "ended": (Outcome.DELIVERED if answer.partial else answer.outcome).value,
        "given_error": clean(answer.error, 1000) or None,
        "late_error": clean(f"{LATE}{answer.outcome.value}. {answer.error}", 1000),
        "seconds": answer.seconds,
        "http_status": answer.status,
        "message": clean(answer.message) or None,
        "xroad_request_id": answer.xroad_request_id,
        "xroad_error": answer.xroad_error,
        "xroad_detail": answer.xroad_detail,
    }
