"""The search on an outbox: a good row is delivered, a bad one set aside, each in few passes, whatever the dashboard refuses."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import chain, count, repeat
from math import ceil, log2
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Attempt, Outcome
from tablero.dashboard.judging import Received, judge
from tablero.delivery.planning import EVERYTHING
from tablero.delivery.posting.rules import GIVE_UP_SEARCH_AFTER
from tablero.delivery.run import Run
from tablero.delivery.sending import Delivery, send
from tablero.errors import DashboardError, DashboardUnavailable, TransientError
from tablero.outbox.schema import batch

from tests.integration.fake_dashboard import DELIVERED, LOST, Dashboard, Entry, refused, refusing
from tests.integration.samples import (
    FEBRUARY,
    NOW,
    all_batches,
    change,
    changes,
    check_books,
    clock,
    day,
    month,
    settings,
    stage,
    states,
)


def deliver(engine: Engine, dashboard: Dashboard, *windows: Window, concurrency: int = 4) -> Delivery:
    try:
        return send(engine, lambda: dashboard, settings(concurrency=concurrency), windows or [FEBRUARY], Run("run", clock))
    finally:
        check_books(engine)


def names(numbers: range | list[int]) -> list[str]:
    return [change(number).request_id for number in numbers]


def requests_in(engine: Engine, state: str) -> list[str]:
    return sorted(row.first_request for row in all_batches(engine) if row.state == state)


class Limited(Dashboard):
    """Asks to wait after so many calls."""

    def __init__(self, decide: Callable[[list[Entry]], Answer], most: int) -> None:
        super().__init__(decide)
        self._most = most

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        if len(self.calls) >= self._most:
            return Answer(Outcome.TRANSIENT, status=429, error="busy", retry_after=60.0)
        return super().post(body, message_id=message_id, issue=issue)


# -- bad rows that are neighbours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad_rows", [2, 5, 30])
@pytest.mark.parametrize("place", ["first", "last", "both ends"])
def test_bad_rows_whose_ids_are_neighbours(quick_outbox: Engine, bad_rows: int, place: str) -> None:
    """A service that the dashboard does not know, whose ids sort first, or last: all others are delivered in the same pass."""
    stage(quick_outbox, changes(1000))
    half = bad_rows // 2
    bad = names(
        {
            "first": range(bad_rows),
            "last": range(1000 - bad_rows, 1000),
            "both ends": [*range(half), *range(1000 - half, 1000)],
        }[place]
    )
    dashboard = Dashboard(refusing(bad))
    assert deliver(quick_outbox, dashboard).refused == len(bad)
    assert states(quick_outbox) == {"delivered": 1000 - len(bad), "refused": len(bad)}
    assert len(dashboard.calls) <= ceil(len(bad) * (log2(1000 / len(bad)) + 3)) + 9


# -- a dashboard that begins to refuse everything --------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [1, 3, 4])
@pytest.mark.parametrize("answer", [refused(), refused(may_be_content=True)])
def test_a_dashboard_that_refuses_everything_from_some_call_on(quick_outbox: Engine, accepted: int, answer: Answer) -> None:
    """It accepts some calls, and then refuses all: the pass ends after a bounded number of calls, no row is set aside, and once
    it accepts again everything is delivered.
    """
    stage(quick_outbox, changes(3000), size=500)
    left = iter([DELIVERED] * accepted)
    dashboard = Dashboard(lambda _: next(left, answer))
    with pytest.raises(DashboardUnavailable, match="refused all that was posted"):
        deliver(quick_outbox, dashboard)
    assert len(dashboard.calls) <= 120
    assert states(quick_outbox) == {"delivered": 500 * accepted, "pending": 3000 - 500 * accepted}
    deliver(quick_outbox, Dashboard())
    assert states(quick_outbox) == {"delivered": 3000}


@pytest.mark.parametrize("bad", [[70], [5], [60, 90], [10, 11, 12, 70]], ids=str)
@pytest.mark.parametrize("accepted", [3, 4, 6, 10])
def test_a_dashboard_that_refuses_everything_in_the_midst_of_a_search(
    quick_outbox: Engine, bad: list[int], accepted: int
) -> None:
    """Only an acceptance after its refusal shows that a row is at fault: else rows stay pending while others are left."""
    stage(quick_outbox, changes(900), size=300)
    wrong = names(bad)
    answers = chain([refusing(wrong)] * accepted, repeat(lambda _: refused()))
    dashboard = Dashboard(lambda entries: next(answers)(entries))
    with pytest.raises(DashboardUnavailable):
        deliver(quick_outbox, dashboard)
    assert set(requests_in(quick_outbox, "refused")) <= set(wrong)
    deliver(quick_outbox, Dashboard(refusing(wrong)))
    assert set(requests_in(quick_outbox, "refused")) == set(wrong)
    assert states(quick_outbox) == {"delivered": 900 - len(bad), "refused": len(bad)}


@pytest.mark.parametrize(("rows", "bad"), [(105, 1), (105, 5), (12, 6)])
def test_rows_that_are_refused_last(quick_outbox: Engine, rows: int, bad: int) -> None:
    """Nothing is left that could show that the dashboard accepts others: they are refused for good, which is told. An
    acceptance afterwards proves it.
    """
    stage(quick_outbox, changes(rows))
    delivery = deliver(quick_outbox, Dashboard(refusing(names(range(rows - bad, rows)))))
    assert (delivery.refused, delivery.unproved) == (bad, bad)
    stage(quick_outbox, [*changes(rows), *changes(100, first=200)])
    delivery = deliver(quick_outbox, Dashboard(refusing(names(range(200, 200 + bad)))))
    assert (delivery.refused, delivery.unproved) == (bad, 0)


@pytest.mark.parametrize("size", [1, 10, 25])
@pytest.mark.parametrize("later", [2, 0])
def test_a_dashboard_that_refuses_everything_after_a_few_calls_of_each_pass(
    quick_outbox: Engine, size: int, later: int
) -> None:
    """Like a quota that is answered 400, or a dashboard that accepts nothing for some passes: no row is refused for good in a
    pass that accepted nothing, and none without being told.
    """
    stage(quick_outbox, changes(100), size=size)
    for number in range(3):
        answers = iter([DELIVERED] * (later if number else 2))
        with contextlib.suppress(DashboardError, DashboardUnavailable):
            deliver(quick_outbox, Dashboard(lambda _, answers=answers: next(answers, refused())))
    assert all(row.settled_how == "unproved" for row in all_batches(quick_outbox) if row.state == "refused")
    if not later:
        assert "refused" not in states(quick_outbox)
    deliver(quick_outbox, Dashboard())
    assert "pending" not in states(quick_outbox)


def test_an_acceptance_of_a_call_that_was_in_flight_proves_nothing(quick_outbox: Engine) -> None:
    """The dashboard begins to refuse everything while it still works on a call, whose acceptance arrives in the midst of the
    search.
    """
    stage(quick_outbox, changes(2000), size=500)
    in_the_search = threading.Event()
    number = count(1)

    class Turning(Dashboard):
        def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
            call = next(number)
            if call == 2:
                assert in_the_search.wait(60)
            elif call == 6:
                in_the_search.set()
            return super().post(body, message_id=message_id, issue=issue) if call <= 2 else refused()

    with pytest.raises(DashboardUnavailable):
        deliver(quick_outbox, Turning())
    assert states(quick_outbox) == {"delivered": 1000, "pending": 1000}
    deliver(quick_outbox, Dashboard())
    assert states(quick_outbox) == {"delivered": 2000}


def test_stopped_in_the_midst_of_a_search(quick_outbox: Engine) -> None:
    """A row that was refused since the last acceptance stays pending if the task is told to end before the next one."""
    stage(quick_outbox, changes(20))

    class Stopped(BaseException):
        """The task is told to end."""

    alone = 0

    def observe(attempt: Attempt) -> None:
        nonlocal alone
        if alone:
            assert states(quick_outbox)["refused"] == 1
            raise Stopped
        alone += attempt.rows == 1 and attempt.answer.outcome is Outcome.REFUSED

    dashboard = Dashboard(lambda entries: refused() if alone else refusing(names([1]))(entries))
    with pytest.raises(Stopped):
        send(quick_outbox, lambda: dashboard, settings(concurrency=1), [FEBRUARY], Run("run", clock), observe=observe)
    assert "refused" not in states(quick_outbox)


def test_good_rows_are_found_among_many_bad_ones(quick_outbox: Engine) -> None:
    """A batch begins with a hundred bad rows, after others were accepted: the search looks elsewhere, and ends in this pass."""
    stage(quick_outbox, changes(2000), size=500)
    bad = names(range(1000, 1100))
    dashboard = Dashboard(refusing(bad))
    assert deliver(quick_outbox, dashboard).refused == 100
    assert states(quick_outbox) == {"delivered": 1900, "refused": 100}
    assert len(dashboard.calls) <= 100 * (log2(2000 / 100) + 3) + 9


def test_nights_that_all_begin_with_bad_rows(outbox: Engine) -> None:
    """Every night has rows of a service that the dashboard does not know: each night ends with nothing pending."""

    def decide(entries: list[Entry]) -> Answer:
        return refused() if any(entry["service_id"] == "unknown" for entry in entries) else DELIVERED

    for number in range(1, 4):
        night = day(f"2020-02-{number:02}")
        rows = [change(n, at=night.start + timedelta(minutes=n)) for n in range(1000 * number, 1000 * number + 188)]
        unknown = [
            StatusChange("unknown", f"A-{number}-{n:03}", night.start, 2, night.start + timedelta(minutes=n)) for n in range(12)
        ]
        stage(outbox, [*rows, *unknown], night)
        assert deliver(outbox, Dashboard(decide), EVERYTHING).refused == 12
        assert states(outbox) == {"delivered": 188 * number, "refused": 12 * number}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_dashboard_refuses(quick_outbox: Engine, seed: int) -> None:
    """Bad rows at any place of several batches, and calls that are limited or not: no good row is set aside, none is pending
    after a number of passes that depends on the bad rows alone, and no pass is without end.
    """
    random = Random(seed)
    rows = random.choice([30, 100, 200])
    size = random.choice([1, 7, 50, rows])
    bad_rows = random.randint(1, rows // random.choice([2, 3, 10]))
    places = {
        "first": list(range(bad_rows)),
        "last": list(range(rows - bad_rows, rows)),
        "first of each batch": [n for n in range(rows) if n % size < max(1, bad_rows * size // rows)][: rows - 1],
        "anywhere": random.sample(range(rows), bad_rows),
    }
    bad = names(random.choice(list(places.values())))
    most = random.choice([3, 15, 10_000])
    stage(quick_outbox, changes(rows), size=size)
    accepted: Counter[str] = Counter()
    batches = ceil(rows / size)
    # A pass that ends before the next acceptance leaves a row to be refused once more.
    allowed = 3 + len(bad) // 5 + (14 * len(bad) + 6 * batches) // most
    for number in range(1, allowed + 1):
        dashboard = Limited(refusing(bad), most)
        with contextlib.suppress(TransientError, DashboardError):
            deliver(quick_outbox, dashboard)
        accepted += dashboard.accepted
        assert len(dashboard.calls) <= 2 * batches + GIVE_UP_SEARCH_AFTER + len(bad) * (log2(rows / len(bad)) + 6) + 20
        if "pending" not in states(quick_outbox):
            break
        # The next night has a row that the dashboard accepts, without which nothing proves that the last ones are bad.
        stage(quick_outbox, [*changes(rows), *changes(number, first=9000)])
    assert set(states(quick_outbox)) <= {"delivered", "refused"}, f"after {allowed} passes"
    assert requests_in(quick_outbox, "refused") == sorted(bad)
    assert max(accepted.values()) == 1


# -- passes that end early -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 4, 10])
def test_refused_batches_and_a_dashboard_that_limits_its_calls(outbox: Engine, most: int) -> None:
    """Each pass gets further than the one before, however few calls it has: none begins by repeating what was refused."""
    stage(outbox, changes(40), size=10)
    bad = names(range(0, 40, 10))
    for _ in range(60 // most + 5):
        with contextlib.suppress(TransientError):
            deliver(outbox, Limited(refusing(bad), most), concurrency=1)
    assert states(outbox) == {"delivered": 36, "refused": 4}


@pytest.mark.parametrize("answer", [refused(), LOST], ids=["refused", "lost"])
def test_a_whole_batch_is_posted_once_more_after_a_bad_night(outbox: Engine, answer: Answer) -> None:
    """The night may have been bad, and not the batch: it is not split before it was posted again."""
    stage(outbox, changes(20), size=10)
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Limited(lambda _: answer, 1))
    dashboard = Dashboard()
    deliver(outbox, dashboard)
    assert [len(call) for call in dashboard.calls] == [10, 10]


def test_rows_that_were_refused_alone_go_last(outbox: Engine) -> None:
    """What is known least is posted first: a row that an earlier pass has isolated holds up none."""
    stage(outbox, changes(40))
    bad = names(range(10))
    with pytest.raises(TransientError):
        deliver(outbox, Limited(refusing(bad), 8))
    alone = [row.first_request for row in all_batches(outbox) if row.state == "pending" and row.rows == 1]
    assert alone
    dashboard = Dashboard(refusing(bad))
    deliver(outbox, dashboard)
    assert dashboard.calls[0][0] not in alone
    assert states(outbox) == {"delivered": 30, "refused": 10}


def test_only_what_is_being_posted_is_held(outbox: Engine) -> None:
    """Refused batches wait in the outbox for their search, and not in memory under a lease."""
    stage(outbox, changes(300), size=10)
    bad = names(range(0, 300, 10))
    most = 0
    leased = sa.select(sa.func.count()).where(batch.c.state == "pending", batch.c.claimed_until.is_not(None))

    def decide(entries: list[Entry]) -> Answer:
        nonlocal most
        with outbox.connect() as connection:
            most = max(most, connection.scalar(leased) or 0)
        return refusing(bad)(entries)

    assert deliver(outbox, Dashboard(decide)).refused == 30
    assert most <= 2 * 4 + 2  # a head and a tail for each call in flight, and rows of which nothing is proved yet


# -- answers that may be about the access ----------------------------------------------------------------------------------

#: What a guard of the application says when a key has expired, and what it may say about one service.
GUARDED = judge(Received(403, {}, '{"message":"Forbidden resource","error":"Forbidden","statusCode":403}'), NOW, str)


@pytest.mark.parametrize("rows", [1, 4])
def test_an_expired_key_sets_nothing_aside(outbox: Engine, rows: int) -> None:
    """On a night with few rows, all answered 403 by the application: an error for a person, and all of them stay pending."""
    stage(outbox, changes(2))
    deliver(outbox, Dashboard())
    march = month("2020-03")
    stage(outbox, [change(9 + n, at=march.start) for n in range(rows)], march)
    for _ in range(3):
        with pytest.raises(DashboardError, match="403"):
            deliver(outbox, Dashboard(lambda _: GUARDED), march)
    assert states(outbox) == {"delivered": 2, "pending": rows}
    assert deliver(outbox, Dashboard(), march).rows == rows


def test_a_row_that_is_forbidden_while_others_are_accepted(outbox: Engine) -> None:
    """The same answer about one row is about that row, once another one was accepted in the pass, and not before."""
    march = month("2020-03")
    stage(outbox, changes(2))
    (bad,) = names([9])
    stage(outbox, [change(9, at=march.start)], march)

    def decide(entries: list[Entry]) -> Answer:
        return GUARDED if any(entry["request_id"] == bad for entry in entries) else DELIVERED

    with pytest.raises(DashboardError):
        deliver(outbox, Dashboard(decide), march)
    deliver(outbox, Dashboard(decide))
    with pytest.raises((DashboardError, DashboardUnavailable)):
        deliver(outbox, Dashboard(decide), march)
    assert states(outbox) == {"delivered": 2, "pending": 1}
    stage(outbox, [change(9, at=march.start), change(10, at=march.start)], march)
    assert deliver(outbox, Dashboard(decide), march).refused == 1
    assert states(outbox) == {"delivered": 3, "refused": 1}
