"""The fate of a run's rows where an acknowledgement alone does not tell it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer
from tablero.outbox.batches import LeasedBatch
from tablero.outbox.queue import claiming, cutting, recording
from tablero.outbox.queue.claims import Claim, Leaseholder
from tablero.outbox.reports import outcomes
from tablero.outbox.reports.activity import progress_of
from tablero.outbox.reports.batches import of_kind
from tablero.outbox.reports.outcomes import Outcomes
from tablero.outbox.schema import attempt

from tests.integration.fake_dashboard import DELIVERED, LOST, refused
from tests.integration.samples import FEBRUARY, NOW, ZONE, changes, stage

#: The dashboard recognises a repeat: an earlier call was accepted.
REPEAT = replace(DELIVERED, is_repeat=True)


def claim(engine: Engine, run_id: str) -> list[Claim]:
    """Claim everything pending."""
    return claiming.claim(engine, [FEBRUARY], Leaseholder(f"worker of {run_id}", run_id, 3600.0), limit=100, zone=ZONE, now=NOW)


def post(engine: Engine, run_id: str, answer: Answer) -> None:
    """A pass in which every call gets the same answer."""
    record(engine, *((taken, answer) for taken in claim(engine, run_id)))


def record(engine: Engine, *answers: tuple[Claim, Answer]) -> None:
    recording.record(engine, answers, now=NOW + timedelta(minutes=1))


def of_run(engine: Engine, run_id: str) -> Outcomes:
    with engine.connect() as connection:
        return outcomes.of_run(connection, run_id)


def test_what_is_acknowledged_at_once_is_beyond_doubt(outbox: Engine) -> None:
    """Rows acknowledged at the first attempt have arrived exactly once."""
    stage(outbox, changes(3))
    post(outbox, "run", DELIVERED)
    assert of_run(outbox, "run") == Outcomes(delivered=3)


def test_what_was_posted_without_an_outcome_may_be_there_twice(outbox: Engine) -> None:
    """Rows posted earlier with an unknown outcome may have arrived twice; they count for the run that delivered them."""
    stage(outbox, changes(3))
    post(outbox, "lost", LOST)
    post(outbox, "run", DELIVERED)
    assert of_run(outbox, "lost") == Outcomes()
    assert of_run(outbox, "run") == Outcomes(delivered=3, unknown=3)


def test_what_is_called_a_repeat_is_there_once(outbox: Engine) -> None:
    """Rows that the dashboard recognises as a repeat have arrived once."""
    stage(outbox, changes(3))
    post(outbox, "lost", LOST)
    post(outbox, "run", REPEAT)
    assert of_run(outbox, "run") == Outcomes(delivered=3, recognised=3)


def test_parts_inherit_the_doubt(outbox: Engine) -> None:
    """The parts of a batch with an unknown attempt may have arrived as well, although they have no such attempt themselves."""
    stage(outbox, changes(4))
    post(outbox, "lost", LOST)
    (taken,) = claim(outbox, "cut")
    recording.record(outbox, [(taken, refused())], keep=[taken.batch_id], now=NOW)
    parts = cutting.cut(outbox, LeasedBatch(taken.batch_id, taken.changes), [1], worker=taken.worker, zone=ZONE)
    held = claiming.begin(outbox, [part.batch_id for part in parts], Leaseholder(taken.worker, "run", 3600.0), now=NOW)
    record(outbox, *((part, DELIVERED) for part in held))
    assert of_run(outbox, "run").unknown == of_run(outbox, "run").delivered == sum(len(part.changes) for part in held) > 0


def test_what_an_answer_accepts_but_for_some_rows(outbox: Engine) -> None:
    """Rows of a call of which the answer names others count for its run, and so does their doubt; the list of the batches in
    doubt, to which the alert leads, has them.
    """
    stage(outbox, changes(10))
    post(outbox, "lost", LOST)
    post(outbox, "run", replace(refused(3, 4), partial=True))
    assert of_run(outbox, "run") == Outcomes(delivered=8, unknown=8)
    with outbox.connect() as connection:
        assert progress_of(connection, "run", since=NOW).delivered == 8
        for run_id, rows in (("run", 8), ("lost", 8), ("another", 0)):
            listed = of_kind(connection, "unknown", NOW, run_id=run_id, skip=0, limit=50)
            assert sum(one.rows for one in listed if one.state == "delivered") == rows


def test_only_attempts_of_the_run_itself_are_read(outbox: Engine) -> None:
    """Only the run's own attempts are read, so that the cost does not grow with the age of a batch."""
    stage(outbox, changes(3))
    post(outbox, "lost", LOST)
    post(outbox, "run", DELIVERED)
    with outbox.begin() as connection:
        connection.execute(sa.delete(attempt).where(attempt.c.run_id != "run"))
    assert of_run(outbox, "run") == Outcomes(delivered=3, unknown=3)
