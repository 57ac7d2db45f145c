"""Batches on their way: claimed under a lease, recorded, split, refused, resent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Outcome
from tablero.outbox import requeue
from tablero.outbox.batches import LeasedBatch
from tablero.outbox.queue import claiming, cutting, leasing, pending, recording, suspects
from tablero.outbox.queue.attempts import LATE
from tablero.outbox.queue.claims import Claim, Leaseholder

from tests.integration.fake_dashboard import CRASHED, DELIVERED, FORBIDDEN, LOST, UNAVAILABLE, refused
from tests.integration.samples import (
    AWKWARD,
    FEBRUARY,
    NOW,
    ZONE,
    all_batches,
    attempts,
    change,
    changes,
    check_books,
    day,
    month,
    rows_in,
    stage,
    staged,
    states,
)

LEASE = timedelta(seconds=100)


def claim(
    engine: Engine,
    worker: str = "one",
    *windows: Window,
    limit: int = 10,
    at: timedelta = timedelta(),
    run_id: str = "run",
) -> list[Claim]:
    holder = Leaseholder(worker, run_id, LEASE.total_seconds())
    found = claiming.claim(engine, windows or [FEBRUARY], holder, limit=limit, zone=ZONE, now=NOW + at)
    return found + searched(engine, holder, *windows, limit=limit, now=NOW + at)


def searched(engine: Engine, holder: Leaseholder, *windows: Window, limit: int = 10, now: datetime = NOW) -> list[Claim]:
    parts = claiming.lease_parts(engine, windows or [FEBRUARY], holder, limit=limit, zone=ZONE, now=now)
    return claiming.begin(engine, [part.batch_id for part in parts], holder, now=now)


def record(engine: Engine, *answers: tuple[Claim, Answer]) -> None:
    """Record answers as the pump does: a refused batch stays with its worker."""
    keep = [taken.batch_id for taken, answer in answers if answer.outcome is Outcome.REFUSED]
    recording.record(engine, answers, keep=keep, now=NOW)
    check_books(engine)


def holder_of(taken: Claim) -> Leaseholder:
    return Leaseholder(taken.worker, "run", LEASE.total_seconds())


def split(engine: Engine, taken: Claim, cuts: list[int]) -> list[int]:
    parts = cutting.cut(engine, LeasedBatch(taken.batch_id, taken.changes), cuts, worker=taken.worker, zone=ZONE)
    leasing.hand_back(engine, [part.batch_id for part in parts], taken.worker)
    check_books(engine)
    return [part.batch_id for part in parts]


# -- claims ----------------------------------------------------------------------------------------------------------------


def test_a_claim_has_the_rows_in_the_order_of_posting(outbox: Engine) -> None:
    """A claim has its rows in the order in which they were packed, by request and then by date."""
    rows = [
        change(2, at=FEBRUARY.start + timedelta(hours=1)),
        change(1, at=FEBRUARY.start + timedelta(hours=3), status=2),
        change(1, at=FEBRUARY.start + timedelta(hours=2), status=7),
    ]
    stage(outbox, rows)
    (taken,) = claim(outbox)
    assert taken.changes == [rows[2], rows[1], rows[0]]


def test_two_workers_never_hold_the_same_batch(outbox: Engine) -> None:
    """A batch held by one worker is not given to another."""
    stage(outbox, changes(6), size=1)
    first = claim(outbox, "one", limit=4)
    second = claim(outbox, "two", limit=4)
    assert len(first) == 4
    assert len(second) == 2
    assert not {taken.batch_id for taken in first} & {taken.batch_id for taken in second}
    assert claim(outbox, "three") == []


def test_a_worker_does_not_take_a_batch_twice(outbox: Engine) -> None:
    """A worker does not claim a batch twice: a failed one is left to the task's next try, which is another worker."""
    stage(outbox, changes(1))
    (taken,) = claim(outbox, "one")
    record(outbox, (taken, UNAVAILABLE))
    assert claim(outbox, "one") == []
    assert [again.batch_id for again in claim(outbox, "two")] == [taken.batch_id]


def test_an_expired_lease_comes_back(outbox: Engine) -> None:
    """A dead worker's batch can be claimed when its lease has ended, and not a microsecond earlier."""
    stage(outbox, changes(1))
    (lost,) = claim(outbox, "dead")
    assert claim(outbox, "two", at=LEASE - timedelta(microseconds=1)) == []
    (found,) = claim(outbox, "two", at=LEASE)
    assert found.batch_id == lost.batch_id
    assert found.message_id != lost.message_id
    first, second = attempts(outbox)
    assert (first.outcome, second.outcome) == ("unknown", None)
    assert "ended without recording an answer" in first.error
    assert all_batches(outbox)[0].ever_unknown


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_worker_whose_clock_is_wrong(outbox: Engine, minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server the machine's clock is irrelevant: a worker with a wrong clock takes no leased batch and keeps its own."""
    if outbox.dialect.name != "postgresql":
        pytest.skip("the outbox is a file of one machine, which has one clock")
    stage(outbox, changes(2), size=1)
    holder = Leaseholder("one", "run", LEASE.total_seconds())
    (right,) = claiming.claim(outbox, [FEBRUARY], holder, limit=1)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Wrong:
            return cls.fromtimestamp(datetime.now(tz).timestamp() + 60 * minutes, tz)

    for module in (leasing, claiming, recording):
        monkeypatch.setattr(module, "datetime", Wrong, raising=False)
    (wrong,) = claiming.claim(outbox, [FEBRUARY], holder._replace(worker="two"), limit=5)
    assert wrong.batch_id != right.batch_id
    assert claiming.claim(outbox, [FEBRUARY], holder._replace(worker="three"), limit=5) == []
    monkeypatch.undo()
    assert claiming.claim(outbox, [FEBRUARY], holder._replace(worker="four"), limit=5) == []


def test_a_renewed_lease_lasts(outbox: Engine) -> None:
    """A worker that renews its lease keeps its batch."""
    stage(outbox, changes(1))
    taken = claim(outbox, "one")
    held = leasing.renew(outbox, [taken[0].batch_id], holder_of(taken[0]), now=NOW + LEASE)
    assert held == {taken[0].batch_id}
    assert claim(outbox, "two", at=LEASE) == []
    assert len(claim(outbox, "two", at=2 * LEASE)) == 1


def test_a_lost_lease_is_not_renewed(outbox: Engine) -> None:
    """A worker that renews too late does not get back a batch that another worker holds."""
    stage(outbox, changes(1))
    taken = claim(outbox, "slow")
    claim(outbox, "two", at=LEASE)
    assert leasing.renew(outbox, [taken[0].batch_id], holder_of(taken[0]), now=NOW + 10 * LEASE) == set()
    assert len(claim(outbox, "three", at=2 * LEASE)) == 1


def test_an_acknowledgement_counts_whoever_holds_the_lease(outbox: Engine) -> None:
    """An acknowledgement counts even after the lease has ended: the dashboard has the rows."""
    stage(outbox, changes(1))
    (late,) = claim(outbox, "slow")
    (other,) = claim(outbox, "two", at=LEASE)
    record(outbox, (late, DELIVERED))
    record(outbox, (other, UNAVAILABLE))
    assert states(outbox) == {"delivered": 1}
    assert claim(outbox, "three", at=3 * LEASE) == []


def test_an_acknowledgement_of_a_batch_that_was_split_meanwhile(outbox: Engine) -> None:
    """An acknowledgement that arrives after another worker has split the batch, and a part of it, counts for all its parts."""
    stage(outbox, changes(8))
    (late,) = claim(outbox, "slow")
    for most, times in ((4, 2), (2, 4)):
        holder = Leaseholder("two", "run", LEASE.total_seconds())
        claiming.claim(outbox, [FEBRUARY], holder, limit=1, most=most, zone=ZONE, now=NOW + times * LEASE)
    assert len(claim(outbox, "three", at=8 * LEASE)) == 3
    record(outbox, (late, DELIVERED))
    assert states(outbox) == {"delivered": 8}
    check_books(outbox)


def test_an_acknowledgement_that_excepts_rows_counts_whoever_holds_the_lease(outbox: Engine) -> None:
    """The accepted rows are delivered although another worker posts the batch again; the others stay with that worker."""
    stage(outbox, changes(5))
    (late,) = claim(outbox)
    claim(outbox, "two", at=2 * LEASE)
    excepting = refused(1, 2, partial=True)
    for _ in range(2):
        recording.record(outbox, [(late, excepting)], keep=[late.batch_id], zone=ZONE, now=NOW + 2 * LEASE)
        check_books(outbox)
    assert states(outbox) == {"delivered": 3, "pending": 2}
    assert claim(outbox, "one", at=2 * LEASE) == []
    assert len(claim(outbox, "one", at=4 * LEASE)) == 2


def test_what_came_late_does_not_hide_why_the_batch_was_posted_again(outbox: Engine) -> None:
    """An attempt recorded as unknown stays unknown; an answer that arrives later is recorded beside it."""
    stage(outbox, changes(1))
    (late,) = claim(outbox, "stopped")
    (other,) = claim(outbox, "two", at=LEASE)
    record(outbox, (other, DELIVERED))
    record(outbox, (late, DELIVERED))
    first, second = attempts(outbox)
    assert (first.outcome, second.outcome) == ("unknown", "delivered")
    assert first.error.startswith(f"{LATE}delivered")
    assert first.http_status == DELIVERED.status
    assert second.error is None


def test_a_late_failure_does_not_free_what_another_worker_holds(outbox: Engine) -> None:
    """A slow worker's failure is recorded, but the batch stays with the worker that now holds it."""
    stage(outbox, changes(1))
    (late,) = claim(outbox, "slow")
    claim(outbox, "two", at=LEASE)
    record(outbox, (late, LOST))
    assert claim(outbox, "three", at=LEASE) == []


def test_a_part_waits_for_the_one_before_it(outbox: Engine) -> None:
    """The second batch of a request can be claimed once the first is delivered or refused for good."""
    rows = [change(1, status=1 + n % 21, at=FEBRUARY.start + timedelta(minutes=n)) for n in range(5)]
    stage(outbox, rows, size=2)
    (first,) = claim(outbox)
    assert first.changes == rows[:2]
    assert claim(outbox, "two") == []
    record(outbox, (first, DELIVERED))
    (second,) = claim(outbox, "two")
    assert second.changes == rows[2:4]
    record(outbox, (second, DELIVERED))
    assert [taken.changes for taken in claim(outbox, "three")] == [rows[4:]]


def test_only_batches_that_touch_a_window(outbox: Engine) -> None:
    """Windows are half-open: a batch that ends where the window begins, or begins where it ends, is not included."""
    march = month("2020-03")
    stage(outbox, [change(1, at=FEBRUARY.start), change(2, at=FEBRUARY.end - timedelta(microseconds=1))], size=1)
    stage(outbox, [change(3, at=march.start)], march)
    assert len(claim(outbox, "one", day("2020-02-01"), day("2020-02-29"), day("2020-02-15"))) == 2
    assert len(claim(outbox, "two", day("2020-03-01"))) == 1


def test_no_windows_nothing_to_do(outbox: Engine) -> None:
    """An empty list of windows selects nothing."""
    stage(outbox, changes(1))
    assert claiming.claim(outbox, [], Leaseholder("w", "r", 9.0), limit=5) == []


# -- outcomes of attempts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "state"),
    [(DELIVERED, "delivered"), (UNAVAILABLE, "pending"), (FORBIDDEN, "pending"), (LOST, "pending"), (refused(), "pending")],
    ids=lambda value: value.outcome.value if isinstance(value, Answer) else value,
)
def test_the_outcome_is_on_record(outbox: Engine, answer: Answer, state: str) -> None:
    """Only an acknowledgement settles a batch, and every attempt keeps its outcome."""
    stage(outbox, changes(2))
    (taken,) = claim(outbox)
    record(outbox, (taken, answer))
    assert states(outbox) == {state: 2}
    assert [row.outcome for row in attempts(outbox)] == [answer.outcome.value]


def test_all_of_the_answer_is_kept(outbox: Engine) -> None:
    """Status, text and X-Road's ids of an answer are kept; long text is cut, not refused."""
    stage(outbox, changes(1))
    (taken,) = claim(outbox)
    answer = Answer(
        Outcome.TRANSIENT,
        status=500,
        seconds=1.5,
        error="e" * 2000,
        message="m" * 2000,
        xroad_request_id="r" * 36,
        xroad_error="Server.ServerProxy.NetworkError",
        xroad_detail="d" * 36,
    )
    record(outbox, (taken, answer))
    (row,) = attempts(outbox)
    assert (row.http_status, row.seconds, row.error, row.message) == (500, 1.5, "e" * 999 + "…", "m" * 499 + "…")
    assert (row.xroad_request_id, row.xroad_error, row.xroad_detail) == ("r" * 36, "Server.ServerProxy.NetworkError", "d" * 36)
    assert (row.run_id, row.batch_id, row.message_id) == ("run", taken.batch_id, taken.message_id)


def test_words_are_kept_as_they_are(outbox: Engine) -> None:
    """Whatever the dashboard says is data."""
    stage(outbox, changes(2), size=1)
    taken = claim(outbox, limit=2)
    record(outbox, *((each, replace(UNAVAILABLE, error=AWKWARD, message=AWKWARD, xroad_detail=AWKWARD)) for each in taken))
    assert [(row.error, row.message, row.xroad_detail) for row in attempts(outbox)] == [(AWKWARD,) * 3] * 2


# -- splitting -------------------------------------------------------------------------------------------------------------


def test_parts_hold_all_rows_in_order(outbox: Engine) -> None:
    """Splitting keeps all rows in order and updates the counts by day."""
    stage(outbox, [change(number, at=FEBRUARY.start + timedelta(hours=5 * number)) for number in range(10)])
    before = staged(outbox)
    (taken,) = claim(outbox)
    record(outbox, (taken, refused()))
    parts = split(outbox, taken, [3, 7])
    check_books(outbox)
    assert staged(outbox) == before
    found = {part.batch_id: part.changes for part in claim(outbox, "two")}
    assert [found[part] for part in parts] == [taken.changes[:3], taken.changes[3:7], taken.changes[7:]]
    assert {row.parent_id for row in all_batches(outbox) if row.id in parts} == {taken.batch_id}


def test_a_torn_request_is_kept_in_order(outbox: Engine) -> None:
    """If a split divides a request, the later part waits for the earlier one; otherwise it does not."""
    rows = [
        change(1, at=FEBRUARY.start),
        change(1, at=FEBRUARY.start + timedelta(hours=1), status=3),
        change(2, at=FEBRUARY.start),
        change(3, at=FEBRUARY.start),
    ]
    stage(outbox, rows)
    (taken,) = claim(outbox)
    record(outbox, (taken, refused()))
    parts = split(outbox, taken, [1, 3])
    waiting = {row.id: row.after_id for row in all_batches(outbox) if row.id in parts}
    assert waiting == {parts[0]: None, parts[1]: parts[0], parts[2]: None}


def test_what_waited_for_the_whole_waits_for_its_last_part(outbox: Engine) -> None:
    """When the first batch of a chain is split, its first part and the next batch wait as before."""
    rows = [change(1, status=1 + n % 21, at=FEBRUARY.start + timedelta(minutes=n)) for n in range(12)]
    stage(outbox, rows, size=4)
    order = []
    for worker in ("a", "b", "c", "d", "e", "f", "g"):
        taken = claim(outbox, worker)
        assert len(taken) <= 1
        for one in taken:
            if len(one.changes) == 4 and one.changes[0] == rows[4]:
                record(outbox, (one, refused()))
                split(outbox, one, [2])
            else:
                record(outbox, (one, DELIVERED))
                order += one.changes
    assert order == rows


def test_a_batch_that_is_settled_is_not_split(outbox: Engine) -> None:
    """A batch that another worker has settled is not split."""
    stage(outbox, changes(4))
    (taken,) = claim(outbox)
    record(outbox, (taken, DELIVERED))
    assert split(outbox, taken, [2]) == []
    assert states(outbox) == {"delivered": 4}


def test_a_batch_that_another_worker_holds_by_now_is_not_split(outbox: Engine) -> None:
    """A batch that another worker has claimed is not split, since its parts could be posted twice."""
    stage(outbox, changes(4))
    (late,) = claim(outbox, "slow")
    (other,) = claim(outbox, "two", at=LEASE)
    record(outbox, (late, refused()))
    assert split(outbox, late, [2]) == []
    record(outbox, (other, DELIVERED))
    assert states(outbox) == {"delivered": 4}


def test_a_refused_batch_stays_with_its_worker_until_it_is_split(outbox: Engine) -> None:
    """A refused batch stays with its worker until it is split, since another worker could post it in between."""
    stage(outbox, changes(4))
    (taken,) = claim(outbox, "one")
    record(outbox, (taken, refused()))
    assert claim(outbox, "two") == []
    split(outbox, taken, [2])
    assert [len(part.changes) for part in claim(outbox, "two")] == [2, 2]


def test_a_refused_batch_of_a_dead_worker_comes_back(outbox: Engine) -> None:
    """The lease of a refused batch ends like any other if its worker has died."""
    stage(outbox, changes(4))
    (taken,) = claim(outbox, "dead")
    record(outbox, (taken, refused()))
    assert [again.batch_id for again in claim(outbox, "two", at=LEASE)] == [taken.batch_id]


def test_a_released_batch_is_free_at_once(outbox: Engine) -> None:
    """A batch released by its worker, and by no other, can be claimed at once."""
    stage(outbox, changes(1))
    (taken,) = claim(outbox, "one")
    leasing.release(outbox, [taken.batch_id], "other")
    assert claim(outbox, "two") == []
    leasing.release(outbox, [taken.batch_id], "one")
    assert len(claim(outbox, "two")) == 1


def test_whole_batches_come_before_what_was_refused(outbox: Engine) -> None:
    """Whole batches are claimed oldest first; refused ones and parts only for a search, and of these single rows last."""
    stage(outbox, changes(30), size=10)
    (first,) = claim(outbox, "one", limit=1)
    record(outbox, (first, refused()))
    leasing.release(outbox, [first.batch_id], "one")
    holder = Leaseholder("two", "run", 9.0)
    taken = claiming.claim(outbox, [FEBRUARY], holder, limit=9, zone=ZONE, now=NOW)
    assert [one.changes[0].request_id for one in taken] == [change(n).request_id for n in (10, 20)]
    (again,) = searched(outbox, holder)
    assert again.changes == first.changes
    split(outbox, again, [1, 7])
    third = Leaseholder("three", "run", 9.0)
    assert claiming.claim(outbox, [FEBRUARY], third, limit=9, zone=ZONE, now=NOW) == []
    parts = searched(outbox, third)
    assert [len(part.changes) for part in parts] == [6, 3, 1]
    assert {part.history.cuts for part in parts} == {1}


def test_a_batch_that_fails_keeps_its_place(outbox: Engine) -> None:
    """A failed batch keeps its position, so that after an outage the oldest change still goes first."""
    stage(outbox, changes(3), size=1)
    (first,) = claim(outbox, "one", limit=1)
    record(outbox, (first, LOST))
    assert claim(outbox, "two")[0].batch_id == first.batch_id


# -- heads and tails -------------------------------------------------------------------------------------------------------


def test_a_refused_head_gives_rows_back_to_the_tail(outbox: Engine) -> None:
    """Rows of a refused head return to the tail; none is lost or moved, and the accounts match."""
    stage(outbox, [change(number, at=FEBRUARY.start + timedelta(hours=5 * number)) for number in range(12)])
    before = staged(outbox)
    (taken,) = claim(outbox, "one")
    record(outbox, (taken, refused()))
    head, tail = cutting.cut(outbox, LeasedBatch(taken.batch_id, taken.changes), [6], worker="one", zone=ZONE)
    (again,) = claiming.begin(outbox, [head.batch_id], holder_of(taken), now=NOW)
    record(outbox, (again, refused()))
    pieces = cutting.give_back(outbox, head, tail, 3, worker="one", zone=ZONE)
    assert pieces is not None
    head, grown = pieces
    check_books(outbox)
    assert (grown.batch_id, len(grown.changes), len(head.changes)) == (tail.batch_id, 9, 3)
    pieces = cutting.take(outbox, grown, 4, worker="one", zone=ZONE)
    assert pieces is not None
    check_books(outbox)
    assert [len(piece.changes) for piece in pieces] == [4, 5]
    assert staged(outbox) == before


def test_rows_that_may_have_arrived_are_not_mixed_with_others(outbox: Engine) -> None:
    """Rows that may have arrived are not mixed with others, since the content of that call must stay known."""
    stage(outbox, changes(12))
    (taken,) = claim(outbox, "one")
    record(outbox, (taken, refused()))
    head, tail = cutting.cut(outbox, LeasedBatch(taken.batch_id, taken.changes), [6], worker="one", zone=ZONE)
    (again,) = claiming.begin(outbox, [head.batch_id], holder_of(taken), now=NOW)
    recording.record(outbox, [(again, LOST)], keep=[head.batch_id], now=NOW)
    assert cutting.give_back(outbox, head, tail, 3, worker="one", zone=ZONE) is None
    assert cutting.give_back(outbox, head, tail, 3, worker="other", zone=ZONE) is None


# -- evidence against a row ------------------------------------------------------------------------------------------------


def test_only_what_is_accepted_in_between_proves_a_row_bad(outbox: Engine) -> None:
    """Only an acceptance between two refusals of a row, by any worker, proves the row bad."""
    stage(outbox, changes(3), size=1)
    first, second, _ = claim(outbox, "one")
    minute = timedelta(minutes=1)
    recording.record(outbox, [(second, DELIVERED)], now=NOW)
    recording.record(outbox, [(first, refused())], keep=[first.batch_id], now=NOW + minute)
    holder = holder_of(first)
    (again,) = claiming.begin(outbox, [first.batch_id], holder, now=NOW + 2 * minute)
    assert not suspects.proof(outbox, again).accepted_since, "it was accepted before the row was refused"
    (other,) = claiming.claim(outbox, [FEBRUARY], Leaseholder("two", "run", 9.0), limit=1, zone=ZONE, now=NOW + 3 * LEASE)
    recording.record(outbox, [(other, DELIVERED)], now=NOW + 3 * LEASE)
    assert not suspects.proof(outbox, again).accepted_since, "it was accepted after this call was begun"
    assert suspects.proof(outbox, again, until_now=True).accepted_since
    (again,) = claiming.begin(outbox, [first.batch_id], holder, now=NOW + 4 * LEASE)
    assert suspects.proof(outbox, again).accepted_since


def test_a_call_that_was_in_flight_proves_nothing(outbox: Engine) -> None:
    """What was begun before a row was refused says nothing about it, also if it was begun after the refusals of others."""
    stage(outbox, changes(4), size=1)
    minute = timedelta(minutes=1)
    holder = Leaseholder("one", "run", 9000.0)

    def claim_one(minutes: int) -> Claim:
        (taken,) = claiming.claim(outbox, [FEBRUARY], holder, limit=1, zone=ZONE, now=NOW + minutes * minute)
        return taken

    def answered(taken: Claim, answer: Answer, minutes: int) -> None:
        recording.record(outbox, [(taken, answer)], keep=[taken.batch_id], now=NOW + minutes * minute)

    answered(claim_one(0), refused(), 1)
    row, in_flight = claim_one(2), claim_one(2)
    answered(row, refused(), 3)
    answered(in_flight, DELIVERED, 4)
    (again,) = claiming.begin(outbox, [row.batch_id], holder, now=NOW + 5 * minute)
    assert not suspects.proof(outbox, again).accepted_since
    assert not suspects.accepted_between(outbox, NOW + 3 * minute, again.attempt_id)
    assert suspects.accepted_between(outbox, NOW + minute, again.attempt_id)
    suspects.refuse(outbox, [(again, "no")], unproved=True, now=NOW + 7 * minute)
    answered(claim_one(6), DELIVERED, 8)
    assert suspects.confirm(outbox, [row.batch_id]) == set()


def test_a_pass_counts_once_against_a_row(outbox: Engine) -> None:
    """A pass counts once against a row, and not as evidence for itself."""
    stage(outbox, changes(1))
    (taken,) = claim(outbox, "one")
    for _ in range(2):
        suspects.strike(outbox, taken)
    assert suspects.proof(outbox, taken).strikes == 0
    leasing.release(outbox, [taken.batch_id], "one")
    (again,) = claim(outbox, "two")
    assert suspects.proof(outbox, again).strikes == 1


def test_kin_is_the_whole_batch_as_it_was_staged(outbox: Engine) -> None:
    """The totals of a batch include all of its parts, however often it was split."""
    stage(outbox, changes(10))
    (taken,) = claim(outbox, "one")
    recording.record(outbox, [(taken, LOST)], keep=[taken.batch_id], now=NOW)
    parts = split(outbox, taken, [1, 5])
    held = {one.batch_id: one for one in claim(outbox, "two")}
    record(outbox, (held[parts[0]], CRASHED), (held[parts[1]], DELIVERED))
    assert suspects.batch_totals(outbox, parts[2]) == (taken.batch_id, 10, 4, 1, True)


# -- rows that are refused for good ----------------------------------------------------------------------------------------


def test_a_refused_row_is_settled_with_words(outbox: Engine) -> None:
    """A row refused for good is settled with an explanation, delays nothing, and is not posted again."""
    stage(outbox, changes(1))
    (taken,) = claim(outbox)
    record(outbox, (taken, refused()))
    suspects.refuse(outbox, [(taken, "w" * 2000)], now=NOW)
    check_books(outbox)
    (row,) = all_batches(outbox)
    assert (row.state, row.words, row.settled_at) == ("refused", "w" * 499 + "…", NOW)
    assert claim(outbox, "two") == []


def test_a_delivered_row_is_not_set_aside(outbox: Engine) -> None:
    """A row that another worker delivered meanwhile is not refused."""
    stage(outbox, changes(1))
    (taken,) = claim(outbox)
    record(outbox, (taken, DELIVERED))
    suspects.refuse(outbox, [(taken, "no")], now=NOW)
    assert states(outbox) == {"delivered": 1}


# -- backlog ---------------------------------------------------------------------------------------------------------------


def test_backlog_counts_what_is_pending(outbox: Engine) -> None:
    """The backlog has the batches, the rows, and the end of the last lease."""
    stage(outbox, changes(5), size=2)
    assert pending.backlog(outbox, [FEBRUARY], now=NOW)[:2] == (3, 5)
    claim(outbox, "two", limit=1)
    assert pending.backlog(outbox, [FEBRUARY], now=NOW).wait == LEASE.total_seconds()
    assert pending.backlog(outbox, [FEBRUARY], now=NOW + LEASE).wait is None
    assert pending.backlog(outbox, [month("2020-03")], now=NOW) == (0, 0, None, 0)


def test_backlog_tells_what_waits(outbox: Engine) -> None:
    """Batches that wait for earlier changes of the same request do not count as held by another worker."""
    stage(outbox, [change(1, status=1 + n % 21, at=FEBRUARY.start + timedelta(hours=n)) for n in range(6)], size=2)
    assert pending.backlog(outbox, [FEBRUARY], now=NOW) == (3, 6, None, 2)


# -- resending -------------------------------------------------------------------------------------------------------------


def deliver_all(engine: Engine, worker: str, *windows: Window) -> list[Any]:
    taken = claim(engine, worker, *windows, limit=1000)
    record(engine, *((one, DELIVERED) for one in taken))
    return [change for one in taken for change in one.changes]


def test_resend_once_for_each_run(outbox: Engine) -> None:
    """A retried or cleared task resends a batch once, and another run resends it again."""
    stage(outbox, changes(4), size=2)
    deliver_all(outbox, "one")
    assert requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE) == 4
    assert len(deliver_all(outbox, "two")) == 4
    assert requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE) == 0
    assert requeue.resend(outbox, FEBRUARY, run_id="another", zone=ZONE) == 4
    check_books(outbox)


def test_resend_interrupted(outbox: Engine) -> None:
    """If a try resent only half, the next one resends only the other half."""
    stage(outbox, changes(2), size=1)
    deliver_all(outbox, "one")
    requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE)
    (half,) = claim(outbox, "two", limit=1)
    record(outbox, (half, DELIVERED))
    assert requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE) == 0
    assert len(deliver_all(outbox, "three")) == 1


def test_resend_leaves_what_the_run_itself_delivered(outbox: Engine) -> None:
    """Rows that a resending run delivered for the first time are not resent by it."""
    stage(outbox, changes(4), size=2)
    (half,) = claim(outbox, "one", limit=1, run_id="again")
    record(outbox, (half, DELIVERED))
    assert requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE) == 0
    assert requeue.resend(outbox, FEBRUARY, run_id="another", zone=ZONE) == 2


def test_an_answer_that_is_recorded_twice_keeps_its_words(outbox: Engine) -> None:
    """An answer recorded twice, by a task stopped after the commit, keeps its text."""
    stage(outbox, changes(2), size=1)
    one, other = claim(outbox, "one", limit=2)
    for _ in range(2):
        record(outbox, (one, DELIVERED), (other, LOST))
    assert [(row.outcome, row.error) for row in attempts(outbox)] == [("delivered", None), ("unknown", LOST.error)]


def test_resend_only_rows_of_the_window(outbox: Engine) -> None:
    """Only the rows of a batch that lie in the window are resent, whichever windows are requested in turn."""
    rows = [change(number, at=FEBRUARY.start + timedelta(hours=6 * number)) for number in range(12)]
    stage(outbox, rows)
    deliver_all(outbox, "one")
    second = day("2020-02-02")
    assert requeue.resend(outbox, second, run_id="again", zone=ZONE) == 4
    check_books(outbox)
    assert requeue.resend(outbox, second, run_id="again", zone=ZONE) == 0
    assert sorted(deliver_all(outbox, "two")) == rows[4:8]
    assert requeue.resend(outbox, day("2020-02-01"), run_id="again", zone=ZONE) == 4
    assert sorted(deliver_all(outbox, "three")) == rows[:4]
    assert requeue.resend(outbox, FEBRUARY, run_id="whole", zone=ZONE) == 12
    check_books(outbox)
    assert staged(outbox) == set(rows)


def test_resend_keeps_the_order_of_a_request(outbox: Engine) -> None:
    """If only some rows of a middle batch are resent, the batches after it wait for these."""
    first, second = day("2020-02-01"), day("2020-02-02")
    rows = [change(1, at=(first if n < 4 else second).start + timedelta(minutes=n)) for n in range(8)]
    stage(outbox, rows, size=3)
    for worker in ("a", "b", "c"):
        deliver_all(outbox, worker)
    requeue.resend(outbox, second, run_id="again", zone=ZONE)
    assert rows_in(outbox, "pending") == set(rows[4:])
    assert [list(taken.changes) for taken in claim(outbox, "d")] == [rows[4:6]]


def test_resend_leaves_what_was_refused(outbox: Engine) -> None:
    """Only acknowledged rows are resent, not refused ones."""
    stage(outbox, changes(2), size=1)
    first, second = claim(outbox)
    record(outbox, (first, DELIVERED), (second, refused()))
    suspects.refuse(outbox, [(second, "no")], now=NOW)
    assert requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE) == 1
    assert states(outbox) == {"pending": 1, "refused": 1}


def test_parts_of_a_resent_batch_belong_to_its_run(outbox: Engine) -> None:
    """Parts of a resent batch that was refused and split are not resent again by the same run."""
    stage(outbox, changes(4))
    deliver_all(outbox, "one")
    requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE)
    (taken,) = claim(outbox, "two")
    record(outbox, (taken, refused()))
    split(outbox, taken, [2])
    assert len(deliver_all(outbox, "three")) == 4
    assert requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE) == 0
