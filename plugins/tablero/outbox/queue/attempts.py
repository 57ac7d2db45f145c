"""The record of attempts: begun before the POST, ended by its answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.dashboard.answer import Answer, Outcome, clean
from tablero.outbox.queue.claims import Claim, Leaseholder
from tablero.outbox.queue.leasing import NOW, clock
from tablero.outbox.queue.statement import Execution, Rows, Statement, execute
from tablero.outbox.schema import attempt, batch
from tablero.texts import outbox as texts

#: One attempt, if the worker still holds the batch.
_BEGIN = Statement(
    sa.insert(attempt)
    .from_select(
        ["batch_id", "run_id", "message_id", "started_at"],
        sa.select(batch.c.id, sa.bindparam("run_id", type_=sa.String), sa.bindparam("message_id", type_=sa.String), NOW).where(
            batch.c.id == sa.bindparam("batch_id"), batch.c.state == "pending", batch.c.claimed_by == sa.bindparam("worker")
        ),
    )
    .returning(attempt.c.batch_id, attempt.c.id, attempt.c.message_id)
)


def begin(connection: Connection, ids: Sequence[int], holder: Leaseholder, now: datetime | None) -> dict[int, tuple[int, str]]:
    """Begin an attempt of each of these batches that the worker still holds.

    :returns: the id and the message id of the new attempt, by batch.
    """
    return begun(*execute(connection, beginnings(ids, holder, clock(connection, now))))


def beginnings(ids: Sequence[int], holder: Leaseholder, at: datetime | None) -> Execution:
    """:func:`begin`, to be executed together with other statements.

    :param at: the value of :func:`~tablero.outbox.queue.leasing.clock`.
    """
    same = {"run_id": holder.run_id, "worker": holder.worker, "now": at}
    return _BEGIN.each({**same, "batch_id": identity, "message_id": str(uuid4())} for identity in ids)


def begun(returned: Rows) -> dict[int, tuple[int, str]]:
    """What :func:`begin` returns, from what :func:`beginnings` returned."""
    return {identity: (attempt_id, message_id) for identity, attempt_id, message_id in returned}


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

#: What is kept of an answer as it is.
_KEPT = ("seconds", "http_status", "message", "xroad_request_id", "xroad_error", "xroad_detail")

#: A recorded outcome never changes: an "unknown" explains why the batch was posted again, whatever arrived later.
_END = Statement(
    sa.update(attempt)
    .where(attempt.c.id == sa.bindparam("attempt_id"))
    .values(
        outcome=sa.func.coalesce(attempt.c.outcome, sa.bindparam("ended", type_=sa.String)),
        error=sa.case(
            (_NO_OUTCOME_YET, sa.bindparam("given_error", type_=sa.String)),
            (_GIVEN_UP, sa.bindparam("late_error", type_=sa.String)),
            else_=attempt.c.error,
        ),
        **{name: sa.bindparam(name) for name in _KEPT},
    )
)


def endings(answers: Sequence[tuple[Claim, Answer]]) -> Execution:
    """Record how attempts ended; to be executed together with other statements."""
    return _END.each(_ending(claimed, answer) for claimed, answer in answers)


def _ending(claimed: Claim, answer: Answer) -> dict[str, Any]:
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
