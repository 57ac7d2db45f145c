"""Sending what is pending: order, refusals, failures, and what a worker leaves behind."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from math import ceil, log2
from random import Random
from typing import Any

import orjson
import pytest
from pytest_mock import MockerFixture
from sqlalchemy.engine import Engine
from tablero.contract.packing import pack
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Attempt, Outcome
from tablero.dashboard.judging import Received, judge
from tablero.delivery import sending
from tablero.delivery.posting import leased_client, pump, recorder
from tablero.delivery.posting.throttle import Throttle
from tablero.delivery.run import Run
from tablero.delivery.sending import GIVE_UP_AFTER, Delivery, send
from tablero.errors import (
    DashboardBusy,
    DashboardError,
    DashboardUnavailable,
    OutboxUnavailable,
    OutsideHours,
    RowsLeased,
    SetupError,
    TableroError,
    WindowBusy,
)
from tablero.outbox import adoption, requeue
from tablero.outbox.batches import Lease, LeasedBatch
from tablero.outbox.queue import claiming, recording
from tablero.outbox.queue.claims import Claim, Leaseholder
from tablero.texts import delivery as texts

from tests.integration.fake_dashboard import (
    CRASHED,
    DELIVERED,
    FORBIDDEN,
    LOST,
    UNAVAILABLE,
    Dashboard,
    Entry,
    crashing,
    in_turn,
    refused,
    refusing,
)
from tests.integration.samples import (
    FEBRUARY,
    NOW,
    ZONE,
    all_batches,
    attempts,
    begin,
    change,
    changes,
    check_books,
    clock,
    day,
    finish,
    month,
    settings,
    stage,
    states,
)
from tests.waiting import PATIENCE, wait_for


def deliver(engine: Engine, dashboard: Dashboard, *windows: Window, concurrency: int = 4) -> Delivery:
    try:
        return send(
            engine,
            lambda: dashboard,
            settings(concurrency=concurrency),
            windows or [FEBRUARY],
            Run("run", clock),
        )
    finally:
        check_books(engine)


def names(numbers: range | list[int]) -> list[str]:
    return [change(number).request_id for number in numbers]


def test_delivers_each_row_once(outbox: Engine) -> None:
    """Every pending row is posted exactly once, and nothing is left."""
    stage(outbox, changes(2500))
    dashboard = Dashboard()
    delivery = deliver(outbox, dashboard)
    assert delivery.rows == 2500
    assert dashboard.accepted == Counter(names(range(2500)))
    assert states(outbox) == {"delivered": 2500}
    assert sorted(map(len, dashboard.calls)) == [500, 1000, 1000]


def test_sends_nothing_twice(outbox: Engine) -> None:
    """A second pass over a delivered window makes no call."""
    stage(outbox, changes(10))
    deliver(outbox, Dashboard())
    second = Dashboard()
    assert deliver(outbox, second).rows == 0
    assert second.calls == []


def test_connects_only_where_there_is_something_to_send(outbox: Engine) -> None:
    """It connects once, and before claiming the first batch, so that a failed connection leaves no attempt behind."""
    made = 0

    def connect() -> Dashboard:
        nonlocal made
        made += 1
        return Dashboard()

    def deliver_with(connect: Callable[[], Dashboard]) -> Delivery:
        return send(outbox, connect, settings(), [FEBRUARY], Run("run", clock))

    def fail() -> Dashboard:
        raise SetupError("There is no connection tablero_api.")

    assert deliver_with(fail).rows == 0
    stage(outbox, changes(3), size=1)
    with pytest.raises(SetupError):
        deliver_with(fail)
    assert attempts(outbox) == []
    assert deliver_with(connect).rows == 3
    assert made == 1


def test_sends_only_what_touches_its_windows(outbox: Engine) -> None:
    """Batches of other windows stay pending."""
    stage(outbox, changes(3))
    march = month("2020-03")
    stage(outbox, [change(9, at=march.start)], march)
    deliver(outbox, Dashboard(), march)
    assert states(outbox) == {"pending": 3, "delivered": 1}


def test_every_attempt_has_its_own_message_id(outbox: Engine) -> None:
    """X-Road evidence is looked up by message id, so no two attempts share one, whether of one batch or of several."""
    stage(outbox, changes(4), size=1)
    for _ in range(3):
        with pytest.raises(DashboardUnavailable):
            deliver(outbox, dashboard := Dashboard(lambda _: UNAVAILABLE))
        assert len(set(dashboard.message_ids)) == len(dashboard.message_ids)
    assert len({row.message_id for row in attempts(outbox)}) == len(attempts(outbox)) == 12


# -- refusals --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad_rows", [1, 5, 12])
def test_bad_rows_are_found_by_halving(outbox: Engine, bad_rows: int) -> None:
    """k bad rows of 1000 are found in k(log2(1000/k)+3) calls and a few more; the others are delivered."""
    stage(outbox, changes(1000))
    bad = names(Random(bad_rows).sample(range(1000), bad_rows))
    dashboard = Dashboard(refusing(bad))
    delivery = deliver(outbox, dashboard)
    assert delivery.refused == bad_rows
    assert dashboard.accepted == Counter(names(range(1000))) - Counter(bad)
    assert states(outbox) == {"delivered": 1000 - bad_rows, "refused": bad_rows}
    assert len(dashboard.calls) <= ceil(bad_rows * (log2(1000 / bad_rows) + 3)) + (0 if bad_rows == 1 else 9)


def test_named_rows_are_cut_out_at_once(outbox: Engine) -> None:
    """Entries that the answer names are split off at once, without a search."""
    stage(outbox, changes(1000))
    bad = names([0, 7, 8, 500, 999])
    dashboard = Dashboard(refusing(bad, names=True))
    assert deliver(outbox, dashboard).refused == 5
    assert dashboard.accepted == Counter(names(range(1000))) - Counter(bad)
    assert len(dashboard.calls) == 1 + 5 + 3  # the whole batch, the five, the three parts between them


def test_more_than_five_named_rows_are_not_everything(outbox: Engine) -> None:
    """Many named rows refused before any acceptance are still bad rows, and the rest is delivered."""
    stage(outbox, changes(100))
    bad = names(range(20))
    dashboard = Dashboard(refusing(bad, names=True))
    assert deliver(outbox, dashboard, concurrency=1).refused == 20
    assert states(outbox) == {"delivered": 80, "refused": 20}


def test_refused_rows_keep_the_dashboards_words(outbox: Engine) -> None:
    """The dashboard's explanation of a refusal is kept for the operator."""
    stage(outbox, changes(8))
    deliver(outbox, Dashboard(refusing(names([3]))))
    (refusal,) = [row for row in all_batches(outbox) if row.state == "refused"]
    assert "service_id is wrong" in refusal.words


def test_positions_beyond_the_batch_are_ignored(outbox: Engine) -> None:
    """An answer that names entry 5000 of 8 is a refusal like any other."""
    bad = names([3])

    def decide(entries: list[Entry]) -> Answer:
        return refused(5000) if any(entry["request_id"] in bad for entry in entries) else DELIVERED

    stage(outbox, changes(8))
    assert deliver(outbox, Dashboard(decide)).refused == 1


@pytest.mark.parametrize("answer", [refused(), refused(0), refused(*range(1000))], ids=["unnamed", "first", "all"])
@pytest.mark.parametrize("rows", [1000, 40_000])
def test_a_dashboard_that_refuses_everything_is_recognised_soon(outbox: Engine, answer: Answer, rows: int) -> None:
    """If every batch is refused, there is a permanent error after one call for each, and no row is refused for good."""
    stage(outbox, changes(rows))
    calls = 0

    def decide(entries: list[Entry]) -> Answer:
        nonlocal calls
        calls += 1
        assert calls <= rows / 1000 + 25, "it goes on and on"
        return refused(*(index for index in answer.named if index < len(entries)))

    with pytest.raises(DashboardError, match="service_id"):
        deliver(outbox, Dashboard(decide))
    assert states(outbox) == {"pending": rows}


def test_nothing_is_set_aside_while_it_is_open_whether_everything_is_refused(outbox: Engine) -> None:
    """Rows refused before anything was accepted are not proved bad if the dashboard then goes down."""
    stage(outbox, changes(20), size=1)
    dashboard = Dashboard(in_turn(refused(), refused(), *[UNAVAILABLE] * 30))
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, dashboard, concurrency=1)
    assert states(outbox) == {"pending": 20}


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_small_window_of_which_every_row_is_refused(outbox: Engine, rows: int) -> None:
    """Until the dashboard has accepted anything, a refusal of every row is a permanent error, however few rows there are."""
    stage(outbox, changes(rows))
    dashboard = Dashboard(lambda _: refused())
    with pytest.raises(DashboardError, match=rf"rechazó todo lo que se le envió.*filas pendientes: {rows}\)"):
        deliver(outbox, dashboard)
    assert states(outbox) == {"pending": rows}
    assert len(dashboard.calls) <= 2 * rows
    assert deliver(outbox, Dashboard()).rows == rows, "they are free for the next try at once"


@pytest.mark.parametrize("rows", [1, 4])
def test_bad_rows_alone_once_the_dashboard_is_known_to_accept(outbox: Engine, rows: int) -> None:
    """If others were delivered before, a day of nothing but bad rows is refused for good in the second pass, without proof."""
    march = month("2020-03")
    stage(outbox, [change(99, at=march.start)], march)
    deliver(outbox, Dashboard(), march)
    stage(outbox, changes(rows))
    with pytest.raises(DashboardUnavailable, match="una vez más"):
        deliver(outbox, Dashboard(lambda _: refused()))
    delivery = deliver(outbox, Dashboard(lambda _: refused()))
    assert (delivery.refused, delivery.unproved) == (rows, rows)
    assert states(outbox) == {"delivered": 1, "refused": rows}


def test_many_bad_rows_alone_stay_pending(outbox: Engine) -> None:
    """More than four refused rows may be due to the dashboard, so they stay pending until a later acceptance."""
    march = month("2020-03")
    stage(outbox, [change(99, at=march.start)], march)
    deliver(outbox, Dashboard(), march)
    stage(outbox, changes(6))
    bad = names(range(6))
    for _ in range(3):
        with pytest.raises(DashboardError, match="no aceptó nada"):
            deliver(outbox, Dashboard(refusing(bad)))
    assert states(outbox) == {"delivered": 1, "pending": 6}
    stage(outbox, [*changes(6), change(50)])
    assert deliver(outbox, Dashboard(refusing(bad))).refused == 6
    assert states(outbox) == {"delivered": 2, "refused": 6}


def test_a_later_acceptance_proves_rows_bad(outbox: Engine) -> None:
    """Rows refused alone before any acceptance are refused for good as soon as something is accepted."""
    stage(outbox, changes(10), size=1)
    bad = names([0, 1, 2])
    assert deliver(outbox, Dashboard(refusing(bad)), concurrency=1).refused == 3
    assert states(outbox) == {"delivered": 7, "refused": 3}


def test_too_large_is_split_down_to_what_passes(outbox: Engine) -> None:
    """A 413 says nothing about rows: all are delivered in smaller calls."""
    stage(outbox, changes(1000))
    dashboard = Dashboard(lambda entries: refused(too_large=True) if len(entries) > 100 else DELIVERED)
    assert deliver(outbox, dashboard).rows == 1000
    assert states(outbox) == {"delivered": 1000}
    assert len(dashboard.calls) <= 31


def test_halving_keeps_requests_whole_where_it_can(outbox: Engine) -> None:
    """All changes of a request stay in one call unless the request alone is refused."""
    rows = [
        change(number, status=status, at=FEBRUARY.start + timedelta(hours=status))
        for number in range(50)
        for status in (1, 2, 7)
    ]
    stage(outbox, rows)
    dashboard = Dashboard(refusing(names([30])))
    delivery = deliver(outbox, dashboard)
    assert delivery.refused == 3
    whole = [call for call in dashboard.calls if len(call) > 3]
    assert all(len(set(call)) * 3 == len(call) for call in whole[2:])


def test_changes_of_a_torn_request_arrive_in_order(outbox: Engine) -> None:
    """A request split between two calls is posted in date order, also if the first part is refused."""
    rows = [change(1, status=1 + n % 21, at=FEBRUARY.start + timedelta(minutes=n)) for n in range(64)]
    stage(outbox, rows)
    order: list[str] = []
    bad = "2020-02-01T04:05:00Z"

    def decide(entries: list[Entry]) -> Answer:
        if any(entry["last_modified_date"] == bad for entry in entries):
            return refused()
        order.extend(entry["last_modified_date"] for entry in entries)
        return DELIVERED

    assert deliver(outbox, Dashboard(decide)).refused == 1
    assert order == sorted(order)
    assert len(order) == 63


# -- failures --------------------------------------------------------------------------------------------------------------


def test_stops_after_five_failures_in_a_row(outbox: Engine) -> None:
    """If the dashboard is down, the pass stops after five failures in a row."""
    stage(outbox, changes(50), size=1)
    dashboard = Dashboard(lambda _: UNAVAILABLE)
    with pytest.raises(DashboardUnavailable, match="50 rows in 50 batches are still pending"):
        deliver(outbox, dashboard)
    assert len(dashboard.calls) == GIVE_UP_AFTER


@pytest.mark.parametrize("bad_rows", [5, 30])
def test_the_oldest_batches_that_fail_hold_up_no_other(outbox: Engine, bad_rows: int) -> None:
    """More oldest batches fail than a pass endures in a row, for good: the others are delivered, and these are decided."""
    stage(outbox, changes(60), size=1)
    bad = names(range(bad_rows))
    dashboard = Dashboard(crashing(bad))
    assert passes_until_all_is_settled(outbox, dashboard, most=9) <= 3 + bad_rows // 6
    assert states(outbox) == {"delivered": 60 - bad_rows, "refused": bad_rows}
    assert dashboard.accepted == Counter(names(range(bad_rows, 60)))


def test_batches_that_all_fail_on_a_row_are_searched(outbox: Engine) -> None:
    """Each batch has a row on which the dashboard fails, so none is accepted as a whole: the search still begins."""
    stage(outbox, changes(100), size=10)
    bad = names(range(0, 100, 10))
    dashboard = Dashboard(crashing(bad))
    passes_until_all_is_settled(outbox, dashboard, most=6)
    assert states(outbox) == {"delivered": 90, "refused": 10}
    assert dashboard.accepted == Counter(names(range(100))) - Counter(bad)


def test_a_new_batch_is_tried_while_the_oldest_ones_fail(outbox: Engine) -> None:
    """What a pass has just staged goes first; if it fails, one by one, what was pending before still gets its turn."""
    stage(outbox, [change(1)])
    march = month("2020-03")
    dashboard = Dashboard(crashing(names(range(100, 106))))

    def staging(lease: Callable[[], Lease | None]) -> Iterator[list[LeasedBatch]]:
        extraction = begin(outbox, march)
        rows = [change(n, at=march.start + timedelta(minutes=n)) for n in range(100, 106)]
        yield extraction.stage(list(pack(rows, 1, by_service=False)), lease()).leased
        finish(extraction, valid=6, new=6)

    with pytest.raises(DashboardUnavailable):
        send(outbox, lambda: dashboard, settings(), [FEBRUARY, march], Run("run", clock), staging=staging)
    assert states(outbox) == {"delivered": 1, "pending": 6}


def test_one_failing_batch_holds_up_no_other(outbox: Engine) -> None:
    """Other batches are delivered in the same pass; the failing one was tried once and stays pending."""
    stage(outbox, changes(30), size=1)
    (unlucky,) = names([3])
    dashboard = Dashboard(lambda entries: UNAVAILABLE if entries[0]["request_id"] == unlucky else DELIVERED)
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, dashboard)
    assert states(outbox) == {"pending": 1, "delivered": 29}
    assert sum(call == [unlucky] for call in dashboard.calls) == 1


def test_a_failed_batch_is_tried_again_by_the_next_pass(outbox: Engine) -> None:
    """Retries belong to the task, and its next try can claim the batch at once."""
    stage(outbox, changes(1))
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Dashboard(lambda _: UNAVAILABLE))
    assert deliver(outbox, Dashboard()).rows == 1


def test_a_permanent_error_ends_it_at_once(outbox: Engine) -> None:
    """A permanent error stops further calls, and the error says why."""
    stage(outbox, changes(50), size=1)
    dashboard = Dashboard(lambda _: FORBIDDEN)
    with pytest.raises(DashboardError, match="HTTP 403 «no access»"):
        deliver(outbox, dashboard)
    assert len(dashboard.calls) <= 4
    assert states(outbox) == {"pending": 50}


def test_an_unknown_outcome_is_recorded_and_posted_again(outbox: Engine) -> None:
    """The attempt stays recorded as unknown, and the next pass posts only that batch again."""
    stage(outbox, changes(2), size=1)
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Dashboard(in_turn(LOST)))
    again = Dashboard()
    deliver(outbox, again)
    assert len(again.calls) == 1
    assert sorted(row.outcome for row in attempts(outbox)) == ["delivered", "delivered", "unknown"]


# -- a dashboard that fails on a row ---------------------------------------------------------------------------------------


def passes_until_all_is_settled(outbox: Engine, dashboard: Dashboard, most: int) -> int:
    """The number of passes, tries of a task, until all is settled; each but the last ends in DashboardUnavailable."""
    for number in range(1, most + 1):
        with contextlib.suppress(DashboardUnavailable):
            deliver(outbox, dashboard)
            return number
    pytest.fail(f"not settled after {most} passes: {states(outbox)}")


@pytest.mark.parametrize("bad_rows", [1, 3])
def test_rows_that_the_dashboard_fails_on_hold_up_no_other(outbox: Engine, bad_rows: int) -> None:
    """HTTP 500 for each call with a certain row: the batch is tried twice more, then searched for the row, which is refused
    with an explanation. The others are delivered, though no other batch is left to show that the dashboard works."""
    stage(outbox, changes(1000))
    bad = names(Random(bad_rows).sample(range(1000), bad_rows))
    dashboard = Dashboard(crashing(bad))
    assert passes_until_all_is_settled(outbox, dashboard, most=10) <= 7
    assert dashboard.accepted == Counter(names(range(1000))) - Counter(bad)
    assert states(outbox) == {"delivered": 1000 - bad_rows, "refused": bad_rows}
    words = {row.words for row in all_batches(outbox) if row.state == "refused"}
    assert all("falla con esta fila" in one and "fails on this row" in one for one in words)
    assert all(one.endswith("«Internal server error»") for one in words)


def test_a_row_that_fails_among_refused_ones_is_decided(outbox: Engine) -> None:
    """Refused rows were no repeats, so the one of their batch that fails is not taken for one: it is refused in two passes
    more, and posted twice at most in each."""
    rows = changes(3, first=50)
    failing, *others = names([50, 51, 52])
    stage(outbox, rows)

    def decide(entries: list[Entry]) -> Answer:
        ids = {entry["request_id"] for entry in entries}
        return CRASHED if failing in ids else refused() if ids & set(others) else DELIVERED

    for number in range(1, 7):
        stage(outbox, [*rows, *changes(number, first=100)], size=1)
        dashboard = Dashboard(decide)
        with contextlib.suppress(DashboardUnavailable):
            deliver(outbox, dashboard)
        assert sum(call == [failing] for call in dashboard.calls) <= 2
    assert states(outbox) == {"delivered": 6, "refused": 3}


def test_repeats_prove_nothing_about_a_row(outbox: Engine) -> None:
    """Repeats that the dashboard recognises let a pass continue, and prove nothing about a refused row: it waits for the next
    pass."""
    stage(outbox, changes(6), size=1)
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Dashboard(lambda _: LOST))
    (bad,) = names([0])
    dashboard = Dashboard(lambda entries: refused() if entries[0]["request_id"] == bad else EXISTS)
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, dashboard, concurrency=1)
    assert sum(call == [bad] for call in dashboard.calls) == 1
    assert states(outbox) == {"delivered": 5, "pending": 1}


def test_one_failure_of_the_dashboard_is_the_moments(outbox: Engine) -> None:
    """After one failure a batch is posted whole again; it is split after the second in a row, and no row is refused."""
    stage(outbox, changes(100))
    dashboard = Dashboard(in_turn(CRASHED, CRASHED))
    assert passes_until_all_is_settled(outbox, dashboard, most=3) == 2
    assert [len(call) for call in dashboard.calls[:3]] == [100, 100, 50]
    assert states(outbox) == {"delivered": 100}


def test_no_row_is_set_aside_while_the_dashboard_fails_on_everything(outbox: Engine) -> None:
    """In an outage with HTTP 500 batches become smaller, and all rows are delivered when it is over."""
    stage(outbox, changes(8))
    down = Dashboard(lambda _: CRASHED)
    for _ in range(20):
        with pytest.raises(DashboardUnavailable):
            deliver(outbox, down)
    assert states(outbox) == {"pending": 8}
    up = Dashboard()
    deliver(outbox, up)
    assert up.accepted == Counter(names(range(8)))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Outcome.UNKNOWN, status=504, error="gateway"),
        Answer(Outcome.UNKNOWN, status=500, xroad_error="Server.ServerProxy.NetworkError", error="X-Road"),
        LOST,
    ],
)
def test_what_takes_too_long_on_the_way_is_halved(outbox: Engine, answer: Answer) -> None:
    """If large calls time out in a gateway or X-Road, they are split from the second time on, and all rows are delivered."""
    stage(outbox, changes(1000))
    dashboard = Dashboard(lambda entries: answer if len(entries) > 250 else DELIVERED)
    assert passes_until_all_is_settled(outbox, dashboard, most=3) == 2
    assert states(outbox) == {"delivered": 1000}
    assert [len(call) for call in dashboard.calls] == [1000, 1000, 500, 250, 250, 250, 250]


def test_the_longest_wait_asked_for_is_passed_on(outbox: Engine) -> None:
    """The error carries Retry-After for the retry policy, and nothing more is posted before that time."""
    stage(outbox, changes(10), size=1)
    dashboard = Dashboard(lambda _: Answer(Outcome.TRANSIENT, status=429, retry_after=77.0))
    with pytest.raises(DashboardUnavailable) as caught:
        deliver(outbox, dashboard)
    assert caught.value.retry_after == 77.0
    assert len(dashboard.calls) == 1


@pytest.mark.parametrize(("lease", "waits"), [(50, timedelta(seconds=50)), (300, timedelta(minutes=1))])
def test_rows_leased_to_another_worker(outbox: Engine, lease: float, waits: timedelta) -> None:
    """A batch that another worker holds is not posted. The task is deferred until the lease ends, for a minute at most: the
    other worker may be done long before."""
    stage(outbox, changes(1))
    claiming.claim(outbox, [FEBRUARY], Leaseholder("other", "run", lease), limit=1)
    dashboard = Dashboard()
    with pytest.raises(RowsLeased, match="another task is sending 1 row in 1 batch") as caught:
        deliver(outbox, dashboard)
    assert dashboard.calls == []
    assert NOW < caught.value.resume_at <= NOW + waits


def test_a_client_that_breaks_does_not_lose_what_others_brought(outbox: Engine) -> None:
    """If posting one batch raises, its outcome is unknown, and the acknowledgements of others are still recorded. The text of
    the exception is only logged, since it may contain anything."""
    stage(outbox, changes(30), size=1)
    (broken,) = names([20])

    def decide(entries: list[Entry]) -> Answer:
        if entries[0]["request_id"] == broken:
            raise RuntimeError("a bug\x00in the client")
        return DELIVERED

    with pytest.raises(DashboardUnavailable, match="First failure: RuntimeError, an error of this package"):
        deliver(outbox, Dashboard(decide))
    assert states(outbox) == {"delivered": 29, "pending": 1}
    assert [row.outcome for row in attempts(outbox) if row.outcome != "delivered"] == ["unknown"]


def test_no_more_calls_in_flight_than_allowed(outbox: Engine) -> None:
    """Calls in flight never exceed ``concurrency``, however fast the answers."""
    stage(outbox, changes(20), size=1)
    lock, three = threading.Lock(), threading.Event()
    now = most = 0

    class Slow(Dashboard):
        def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
                if now == 3:
                    three.set()
            if len(self.calls) >= 3:  # the number allowed begins with one
                assert three.wait(PATIENCE)
                time.sleep(0.05)  # in case of a fourth one
            answer = super().post(body, message_id=message_id, issue=issue)
            with lock:
                now -= 1
            return answer

    deliver(outbox, Slow(), concurrency=3)
    assert most == 3


def test_changes_of_a_request_wait_for_those_of_another_window(outbox: Engine) -> None:
    """A part that waits for an earlier one outside the given windows is not reported as held by another worker."""
    rows = [change(1, status=1 + n % 21, at=FEBRUARY.start + timedelta(hours=n)) for n in range(40)]
    stage(outbox, rows, size=20)
    dashboard = Dashboard()
    second_day = day("2020-02-02")
    with pytest.raises(WindowBusy) as caught:
        deliver(outbox, dashboard, second_day)
    assert "another worker" not in str(caught.value)


def test_an_outbox_that_fails_says_so(outbox: Engine, mocker: MockerFixture) -> None:
    """If the outbox fails while nothing is in flight, its own error is reported."""
    stage(outbox, changes(1))

    def fail(*_: object, **__: object) -> None:
        raise OutboxUnavailable("the disk is full")

    mocker.patch.object(claiming, "claim", fail)
    with pytest.raises(OutboxUnavailable, match="the disk is full"):
        deliver(outbox, Dashboard())


def test_stopped_while_calls_are_under_way(outbox: Engine) -> None:
    """A task stopped by its time limit records the answers of the calls in flight, and ends."""
    stage(outbox, changes(8), size=1)

    class Stopped(BaseException):
        pass

    seen = 0

    def observe(_: Attempt) -> None:
        nonlocal seen
        seen += 1
        if seen == 3:
            raise Stopped

    dashboard = Dashboard()
    with pytest.raises(Stopped):
        send(outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock), observe=observe)
    assert {row.outcome for row in attempts(outbox)} == {"delivered"}
    assert states(outbox)["delivered"] == len(dashboard.calls)
    check_books(outbox)


def test_the_observer_receives_each_attempt(outbox: Engine) -> None:
    """The observer receives each attempt once it is recorded, with its batch, window and outcome."""
    stage(outbox, changes(3), size=2)
    march = month("2020-03")
    stage(outbox, [change(9, at=march.start)], march)
    seen: list[Attempt] = []
    send(outbox, Dashboard, settings(), [FEBRUARY, march], Run("run", clock), observe=seen.append)
    observed = [(one.rows, one.window, one.answer.outcome.value) for one in seen]
    assert sorted(observed) == [(1, "2020-02", "delivered"), (1, "2020-03", "delivered"), (2, "2020-02", "delivered")]
    assert {one.message_id for one in seen} == {row.message_id for row in attempts(outbox)}
    assert {one.batch for one in seen} == {row.batch_id for row in attempts(outbox)}


# -- send hours ------------------------------------------------------------------------------------------------------------

OPEN, CLOSED = NOW.replace(hour=6), NOW.replace(hour=16)  # 02:00 and 12:00 in Santo Domingo
OPENS = NOW.replace(day=25, hour=0)  # 20:00


def at_night(engine: Engine, dashboard: Dashboard, now: Callable[[], datetime]) -> Delivery:
    chosen = settings(send_hours="20:00-06:00", concurrency=1)
    return send(engine, lambda: dashboard, chosen, [FEBRUARY], Run("run", now))


def test_closed_hours(outbox: Engine) -> None:
    """Outside the send hours no call is made; the error has the next opening for deferring the task, shown in local time."""
    stage(outbox, changes(3))
    dashboard = Dashboard()
    with pytest.raises(OutsideHours, match="3 rows in 1 batch wait until 2026-11-24 20:00") as caught:
        at_night(outbox, dashboard, lambda: CLOSED)
    assert caught.value.resume_at == OPENS
    assert dashboard.calls == []


def test_hours_that_close_on_the_way(outbox: Engine) -> None:
    """If the hours close between two batches, sent rows stay sent, and the rest is sent at the next opening."""
    stage(outbox, changes(10), size=1)
    dashboard = Dashboard()
    with pytest.raises(OutsideHours):
        at_night(outbox, dashboard, lambda: OPEN if len(dashboard.calls) < 3 else CLOSED)
    assert states(outbox) == {"delivered": 3, "pending": 7}
    assert at_night(outbox, dashboard, lambda: OPENS).rows == 7
    assert set(dashboard.accepted.values()) == {1}


def test_hours_that_close_when_all_is_sent(outbox: Engine) -> None:
    """If the hours close when everything is sent, there is nothing to wait for."""
    stage(outbox, changes(3), size=1)
    dashboard = Dashboard()
    assert at_night(outbox, dashboard, lambda: OPEN if len(dashboard.calls) < 3 else CLOSED).rows == 3


def test_a_lease_is_prolonged_while_a_call_lasts(outbox: Engine, mocker: MockerFixture) -> None:
    """The lease is renewed during a call that takes longer than a lease."""
    mocker.patch.object(sending, "_LEASE_MARGIN", 10)
    stage(outbox, changes(1))
    stolen: list[Claim] = []

    class Slow(Dashboard):
        def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
            (ends,) = (row.claimed_until for row in all_batches(outbox))
            wait_for("it is renewed", lambda: all_batches(outbox)[0].claimed_until > ends)
            stolen.extend(claiming.claim(outbox, [FEBRUARY], Leaseholder("rival", "run", 1.0), limit=9))
            return super().post(body, message_id=message_id, issue=issue)

    chosen = settings(connect_timeout="1", read_timeout="1")
    assert send(outbox, Slow, chosen, [FEBRUARY], Run("run", clock)).rows == 1
    assert stolen == []


def test_a_worker_that_stood_still_posts_nothing(outbox: Engine, mocker: MockerFixture) -> None:
    """A worker suspended between claim and call for longer than its lease posts nothing, since another may hold the batch."""
    stage(outbox, changes(2), size=1)
    now = [1000.0]
    for module in (pump, leased_client):
        mocker.patch.object(module, "seconds_since_boot", side_effect=lambda: now[0])
    mocker.patch.object(pump.leasing, "renew", return_value=set())  # another one holds them by now
    begin_call = pump.Calls.begin

    def freeze(calls: pump.Calls, claim: Claim) -> None:
        now[0] += 500.0
        begin_call(calls, claim)

    mocker.patch.object(pump.Calls, "begin", freeze)
    dashboard = Dashboard()
    with pytest.raises(DashboardUnavailable, match="Not posted"):
        deliver(outbox, dashboard)
    assert dashboard.calls == []
    assert {row.outcome for row in attempts(outbox)} == {"transient"}


class SlowOnTheFirst(Dashboard):
    """Answers the first call only when all others that need not wait for it have been answered.

    :ivar events: what happened, in order; tests add to it.
    """

    def __init__(self, first: Answer) -> None:
        super().__init__(in_turn(first))
        self.events: list[str] = []

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        self.events.append(f"posted {issue}")
        is_first = not self.calls
        answer = super().post(body, message_id=message_id, issue=issue)
        if is_first:
            time.sleep(0.5)
        return answer


def stage_two_readings_of_a_request(outbox: Engine) -> tuple[int, int]:
    """Two batches with changes of one request, of two readings; returns their ids, the older one first."""
    older = changes(3)
    stage(outbox, older)
    stage(outbox, [*older, change(1, status=3, at=FEBRUARY.start + timedelta(days=2))])
    one, two = (row.id for row in all_batches(outbox))
    return one, two


@pytest.fixture
def several_at_a_time(mocker: MockerFixture) -> None:
    """The pass begins with several calls in flight."""
    mocker.patch.object(Throttle, "limit", 4)


@pytest.mark.usefixtures("several_at_a_time")
def test_what_waits_is_posted_after_the_answer_is_durable(outbox: Engine, mocker: MockerFixture) -> None:
    """A newer change of a request is not posted while the answer to the older one is only in hand."""
    older, newer = stage_two_readings_of_a_request(outbox)
    dashboard, exchange = SlowOnTheFirst(DELIVERED), recording.exchange

    def slow(engine: Engine, answers: Any, *rest: Any, **more: Any) -> list[Claim]:
        if answers:
            time.sleep(0.3)
        claims = exchange(engine, answers, *rest, **more)
        dashboard.events.extend(f"recorded {claim.batch_id}" for claim, _ in answers)
        return claims

    mocker.patch.object(recording, "exchange", slow)
    assert deliver(outbox, dashboard).rows == 4
    assert dashboard.events == [f"posted {older}", f"recorded {older}", f"posted {newer}", f"recorded {newer}"]


@pytest.mark.usefixtures("several_at_a_time")
@pytest.mark.parametrize("failure", [LOST, UNAVAILABLE, Answer(Outcome.TRANSIENT, status=503, retry_after=600.0), FORBIDDEN])
def test_a_newer_change_is_not_posted_if_the_older_one_failed(outbox: Engine, failure: Answer) -> None:
    """The claim of the newer change ends unposted, and both are delivered in date order by the next pass."""
    older, newer = stage_two_readings_of_a_request(outbox)
    dashboard = SlowOnTheFirst(failure)
    with pytest.raises(DashboardError if failure is FORBIDDEN else DashboardUnavailable):
        deliver(outbox, dashboard)
    assert dashboard.events == [f"posted {older}"]
    unposted = [(row.outcome, row.error) for row in attempts(outbox) if row.batch_id == newer]
    assert unposted == [("transient", str(texts.WAITED_IN_VAIN))]
    again = SlowOnTheFirst(DELIVERED)
    assert deliver(outbox, again).rows == 4
    assert again.events == [f"posted {older}", f"posted {newer}"]


@pytest.mark.usefixtures("several_at_a_time")
def test_a_newer_change_does_not_wait_for_a_search(outbox: Engine) -> None:
    """Behind a refused batch nothing waits, since whole batches are posted before its parts."""
    older, newer = stage_two_readings_of_a_request(outbox)
    dashboard = SlowOnTheFirst(refused())
    assert deliver(outbox, dashboard).rows == 4
    assert dashboard.events[:2] == [f"posted {older}", f"posted {newer}"]


@pytest.mark.usefixtures("several_at_a_time")
def test_what_waits_is_not_posted_after_hours(outbox: Engine) -> None:
    """If ``send_hours`` close during the call that a claim waits for, the claim ends unposted."""
    older, newer = stage_two_readings_of_a_request(outbox)
    dashboard = SlowOnTheFirst(DELIVERED)
    with pytest.raises(OutsideHours):
        at_night(outbox, dashboard, lambda: CLOSED if dashboard.events else OPEN)
    assert dashboard.events == [f"posted {older}"]
    assert [row.outcome for row in attempts(outbox)] == ["delivered", "transient"]
    assert newer in {row.id for row in all_batches(outbox) if row.state == "pending"}


@pytest.mark.usefixtures("several_at_a_time")
def test_what_waits_is_not_posted_when_the_task_stops(outbox: Engine, mocker: MockerFixture) -> None:
    """A task that is stopped records the answer in flight, and ends what waited for it unposted."""
    older, _ = stage_two_readings_of_a_request(outbox)

    class Stopped(BaseException):
        pass

    dashboard, wait, told = SlowOnTheFirst(DELIVERED), pump.Calls.wait, [False]

    def stop_once(calls: pump.Calls, seconds: float) -> None:
        if not told[0]:
            told[0] = True
            raise Stopped
        wait(calls, seconds)

    mocker.patch.object(pump.Calls, "wait", stop_once)
    with pytest.raises(Stopped):
        deliver(outbox, dashboard)
    assert dashboard.events == [f"posted {older}"]
    assert [row.outcome for row in attempts(outbox)] == ["delivered", "transient"]


@pytest.mark.parametrize("error", [OutboxUnavailable("the connection is lost"), SetupError("the login is refused")])
def test_answers_in_hand_are_written_until_the_outbox_takes_them(
    outbox: Engine, mocker: MockerFixture, error: TableroError
) -> None:
    """During an outage of the outbox answers are retained, nothing else is posted, and nothing is posted again; also if a
    server that is being restarted says something that seems permanent."""
    stage(outbox, changes(20), size=1)
    exchange, away = recording.exchange, [6]
    calls_then: list[int] = []
    dashboard = Dashboard()

    def sometimes(engine: Engine, answers: Any, *rest: Any, **more: Any) -> recording.Exchanged:
        if answers and away[0] and len(dashboard.calls) > 2:
            away[0] -= 1
            calls_then.append(len(dashboard.calls))
            raise error
        return exchange(engine, answers, *rest, **more)

    mocker.patch.object(recording, "exchange", sometimes)
    mocker.patch.object(recorder, "TRY_AGAIN_AFTER", 0.05)
    assert deliver(outbox, dashboard, concurrency=1).rows == 20
    assert set(dashboard.accepted.values()) == {1}
    assert len(set(calls_then)) == 1


def test_stopped_with_an_answer_that_is_not_on_record(outbox: Engine, mocker: MockerFixture) -> None:
    """A signal may come at any moment: an answer that has been taken, and is not on record yet, is recorded."""
    stage(outbox, changes(1))
    interpret, told = pump.interpret, [False]

    def once(*arguments: Any) -> Answer:
        if not told[0]:
            told[0] = True
            raise SystemExit(143)
        return interpret(*arguments)

    mocker.patch.object(pump, "interpret", once)
    with pytest.raises(SystemExit):
        deliver(outbox, Dashboard())
    assert states(outbox) == {"delivered": 1}


def test_an_attempt_that_the_outbox_took_and_never_said_so(outbox: Engine, mocker: MockerFixture) -> None:
    """If the connection breaks after the commit, the attempt is begun again, and the first record of it says that it was not
    made."""
    exchange, broken = recording.exchange, [True]

    def breaks(engine: Engine, answers: Any, fresh: Any, *rest: Any, **more: Any) -> recording.Exchanged:
        exchanged = exchange(engine, answers, fresh, *rest, **more)
        if answers and fresh and broken[0]:
            broken[0] = False
            raise OutboxUnavailable("the connection is lost")
        return exchanged

    mocker.patch.object(recording, "exchange", breaks)
    mocker.patch.object(recorder, "TRY_AGAIN_AFTER", 0.05)
    dashboard = Dashboard()

    def staging(lease: Callable[[], Lease | None]) -> Iterator[list[LeasedBatch]]:
        extraction = begin(outbox)
        packs = list(pack(changes(5), 1, by_service=False))
        yield extraction.stage(packs, lease()).leased
        finish(extraction, valid=5, new=5)

    chosen = settings(concurrency=1)
    send(outbox, lambda: dashboard, chosen, [FEBRUARY], Run("run", clock), staging=staging)
    assert set(dashboard.accepted.values()) == {1}
    assert Counter(row.outcome for row in attempts(outbox)) == {"delivered": 5, "transient": 1}


class Away:
    """An outbox that takes no answers for a time, which begins with :meth:`go`.

    :ivar refusals: how often it was asked in vain.
    """

    def __init__(self, mocker: MockerFixture) -> None:
        self.refusals = self._left = 0
        for name in ("exchange", "record"):
            mocker.patch.object(recording, name, self._unless_away(getattr(recording, name)))

    def go(self, times: int) -> None:
        """Refuse what is asked next, so many times."""
        self._left = times

    def _unless_away(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def asked(engine: Engine, answers: Any, *rest: Any, **more: Any) -> Any:
            if answers and self._left:
                self._left -= 1
                self.refusals += 1
                raise OutboxUnavailable("the connection is lost")
            return function(engine, answers, *rest, **more)

        return asked


class Gated(Dashboard):
    """Answers no call before the gate is opened.

    :ivar is_called: set when a call has arrived.
    """

    def __init__(self, decide: Callable[[list[Entry]], Answer] = lambda _: DELIVERED) -> None:
        super().__init__(decide)
        self.is_called, self.gate = threading.Event(), threading.Event()

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        self.is_called.set()
        assert self.gate.wait(PATIENCE)
        return super().post(body, message_id=message_id, issue=issue)


def answer_as_the_pass_ends(dashboard: Gated, mocker: MockerFixture) -> None:
    """The gate is opened once the pass posts nothing new, and not before."""
    close = leased_client.Deadlines.close

    def close_and_answer(deadlines: leased_client.Deadlines) -> None:
        close(deadlines)
        dashboard.gate.set()

    mocker.patch.object(leased_client.Deadlines, "close", close_and_answer)


@pytest.mark.parametrize("error", [OutboxUnavailable("the connection is lost"), SystemExit(143)], ids=["failed", "stopped"])
def test_a_pass_that_ends_early_still_writes_its_answers(outbox: Engine, mocker: MockerFixture, error: BaseException) -> None:
    """Whether staging has failed or the task is stopped: answers to calls in flight are recorded once the outbox is back,
    and nothing is posted again."""
    away, dashboard = Away(mocker), Gated()
    answer_as_the_pass_ends(dashboard, mocker)

    def staging(lease: Callable[[], Lease | None]) -> Iterator[list[LeasedBatch]]:
        yield begin(outbox).stage(list(pack(changes(4), 2, by_service=False)), lease()).leased
        assert dashboard.is_called.wait(PATIENCE)
        away.go(3)
        raise error

    with pytest.raises(type(error)):
        send(outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock), staging=staging)
    assert away.refusals == 3
    check_books(outbox)
    deliver(outbox, dashboard)
    assert dashboard.accepted == Counter(names(range(4)))
    assert {row.outcome for row in attempts(outbox)} == {"delivered"}


def test_a_stopped_task_does_not_wait_for_the_outbox_for_long(outbox: Engine, mocker: MockerFixture) -> None:
    """If the outbox stays away, the task ends nevertheless; what was in hand is then unknown, and is posted again."""
    mocker.patch.object(pump, "GRACE", 0.2)
    away, dashboard = Away(mocker), Gated()
    answer_as_the_pass_ends(dashboard, mocker)

    def staging(lease: Callable[[], Lease | None]) -> Iterator[list[LeasedBatch]]:
        yield begin(outbox).stage(list(pack(changes(1), 1, by_service=False)), lease()).leased
        assert dashboard.is_called.wait(PATIENCE)
        away.go(10**6)
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        send(outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock), staging=staging)
    assert states(outbox) == {"pending": 1}


# -- repeats, wrong paths, other servers -----------------------------------------------------------------------------------

EXISTS = Answer(Outcome.REFUSED, status=409, is_repeat=True, error="refused", message="already exists")
NOT_FOUND = Answer(Outcome.PERMANENT, status=404, may_be_content=True, error="404", message="Servicio no encontrado")
STRANGE = Answer(Outcome.UNKNOWN, status=204, unexpected=True, error="HTTP 204 is not the dashboard's answer")


def unique(*, lost: int, repeat: Answer, whole: bool = True) -> Callable[[list[Entry]], Answer]:
    """A dashboard with a unique key: the first answers are lost, and repeats get this answer."""
    stored: set[str] = set()
    left = [lost]

    def decide(entries: list[Entry]) -> Answer:
        ids = {entry["request_id"] for entry in entries}
        if ids & stored:
            return repeat
        stored.update(ids)
        if left[0]:
            left[0] -= 1
            return LOST
        return DELIVERED

    return decide


def test_a_recognised_repeat_is_the_missing_acknowledgement(outbox: Engine) -> None:
    """After an attempt with an unknown outcome, a recognised repeat counts as the acknowledgement, and is recorded as such."""
    stage(outbox, changes(10))
    dashboard = Dashboard(unique(lost=1, repeat=EXISTS))
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, dashboard)
    assert deliver(outbox, dashboard).recognised == 10
    (row,) = all_batches(outbox)
    assert (row.state, row.settled_how) == ("delivered", "recognised")


def test_a_repeat_without_an_unknown_attempt_is_a_refusal(outbox: Engine) -> None:
    """Without an earlier attempt, a dashboard that claims to have the rows is not believed."""
    stage(outbox, changes(4))
    with pytest.raises(DashboardError):
        deliver(outbox, Dashboard(lambda _: EXISTS))
    assert states(outbox) == {"pending": 4}


def test_a_repeat_that_is_named_is_recognised_once_it_is_posted_alone(outbox: Engine) -> None:
    """A dashboard that had stored one row of a lost call, and names it as a repeat, acknowledges that row and no other."""
    stage(outbox, changes(5))
    stored = names([2])

    class Stores(Dashboard):
        def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
            answer = super().post(body, message_id=message_id, issue=issue)
            repeats = [f"requests.{n} already exists" for n, request_id in enumerate(self.calls[-1]) if request_id in stored]
            if answer == LOST or not repeats:
                return answer
            return judge(Received(400, {}, orjson.dumps({"message": repeats}).decode()), NOW, str, body)

    dashboard = Stores(in_turn(LOST))
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, dashboard)
    delivery = deliver(outbox, dashboard)
    assert (delivery.rows, delivery.refused, delivery.recognised) == (5, 0, 1)


def test_an_ordinary_refusal_after_an_unknown_attempt_acknowledges_nothing(outbox: Engine) -> None:
    """A refusal that is not about repeats, though it says "ya está", is searched for its row; the others are delivered."""
    stage(outbox, changes(20))
    words = {"statusCode": 400, "message": "El servicio 17 ya está inactivo", "error": "Bad Request"}
    inactive = judge(Received(400, {}, orjson.dumps(words).decode()), NOW, str)
    (bad,) = names([7])
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Dashboard(in_turn(LOST)))
    dashboard = Dashboard(lambda entries: inactive if any(entry["request_id"] == bad for entry in entries) else DELIVERED)
    delivery = deliver(outbox, dashboard)
    assert (delivery.rows, delivery.refused, delivery.recognised) == (19, 1, 0)
    assert states(outbox) == {"delivered": 19, "refused": 1}


def test_a_dashboard_that_fails_on_every_repeat(outbox: Engine) -> None:
    """If every repeat gets a bare 500, the search ends, no row is called bad, and the message names both ways out."""
    stage(outbox, changes(100))
    dashboard = Dashboard(unique(lost=1, repeat=CRASHED))
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, dashboard)
    for number in range(6):
        stage(outbox, [*changes(100), *changes(number + 1, first=500)])
        with pytest.raises(DashboardUnavailable) as caught:
            deliver(outbox, dashboard)
    assert states(outbox) == {"pending": 100, "delivered": 6}
    assert "adopt --batch 1" in str(caught.value)
    assert "each run tries it again" in str(caught.value)


def test_not_found_for_some_rows_is_about_these_rows(outbox: Engine) -> None:
    """The application's own 404 for some rows is about these rows if others are delivered on the same path."""
    stage(outbox, changes(1506))
    bad = names([3, 700, 701, 900, 1200, 1505])
    dashboard = Dashboard(lambda entries: NOT_FOUND if any(entry["request_id"] in bad for entry in entries) else DELIVERED)
    assert deliver(outbox, dashboard).refused == 6
    assert states(outbox) == {"delivered": 1500, "refused": 6}


def test_not_found_for_everything_is_about_the_path(outbox: Engine) -> None:
    """If nothing was ever delivered on the path, 404 soon becomes a permanent error, and everything stays pending."""
    stage(outbox, changes(100), size=1)
    dashboard = Dashboard(lambda _: NOT_FOUND)
    with pytest.raises(DashboardError, match="404"):
        deliver(outbox, dashboard)
    assert len(dashboard.calls) <= 20
    assert states(outbox) == {"pending": 100}


def test_another_server_is_recognised(outbox: Engine) -> None:
    """Two answers from something other than the dashboard, before any acknowledgement, stop the pass with an explanation."""
    stage(outbox, changes(1))
    dashboard = Dashboard(lambda _: STRANGE)
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, dashboard)
    with pytest.raises(DashboardError, match="another server answers"):
        deliver(outbox, dashboard)
    assert len(dashboard.calls) == 2


def excepting(bad: list[str]) -> Callable[[list[Entry]], Answer]:
    """Accepts every call, except for the rows of these requests, which it names."""

    def decide(entries: list[Entry]) -> Answer:
        named = tuple(n for n, entry in enumerate(entries) if entry["request_id"] in bad)
        if not named:
            return DELIVERED
        partial = len(named) < len(entries)
        return Answer(Outcome.REFUSED, status=201, named=named, partial=partial, error="refused", message="wrong")

    return decide


def test_partial_acceptance(outbox: Engine) -> None:
    """Named rows are refused and all others acknowledged; the named ones are refused for good after a call of their own."""
    stage(outbox, changes(100))
    dashboard = Dashboard(excepting(names([3, 50])))
    delivery = deliver(outbox, dashboard)
    assert (delivery.rows, delivery.refused) == (98, 2)
    assert [len(call) for call in dashboard.calls] == [100, 1, 1]
    assert states(outbox) == {"delivered": 98, "refused": 2}


def test_an_error_that_names_no_entry_of_the_call_acknowledges_nothing(outbox: Engine) -> None:
    """If a service that counts from 1 names a position after the last row, no row counts as accepted."""
    stage(outbox, changes(5))
    (bad,) = names([4])

    class CountsFromOne(Dashboard):
        def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
            ids = [entry["request_id"] for entry in orjson.loads(body)["requests"]]
            wrong = [f"requests.{n}.status_id is wrong" for n, request_id in enumerate(ids, start=1) if request_id == bad]
            return judge(Received(201, {}, orjson.dumps({"success": True, "errors": wrong}).decode()), NOW, str, body)

    assert deliver(outbox, CountsFromOne()).refused == 1
    assert states(outbox) == {"delivered": 4, "refused": 1}


def test_a_partial_acceptance_is_one_record(outbox: Engine) -> None:
    """Whatever ends the pass once the answer is on record: the accepted rows are delivered, and only the others pending."""
    stage(outbox, changes(10))

    def observe(_: Attempt) -> None:
        raise RuntimeError("the observer is broken")

    dashboard = Dashboard(excepting(names([3, 4])))
    with pytest.raises(RuntimeError):
        send(outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock), observe=observe)
    check_books(outbox)
    assert states(outbox) == {"delivered": 8, "pending": 2}
    deliver(outbox, dashboard)
    assert sorted(dashboard.calls[1:]) == [[name] for name in names([3, 4])]


def test_a_partial_acceptance_that_arrives_when_the_task_ends(outbox: Engine, mocker: MockerFixture) -> None:
    """The accepted rows are not posted again by the next try, which claims the others at once."""
    dashboard = Gated(excepting(names([3])))
    answer_as_the_pass_ends(dashboard, mocker)

    def staging(lease: Callable[[], Lease | None]) -> Iterator[list[LeasedBatch]]:
        yield begin(outbox).stage(list(pack(changes(10), 10, by_service=False)), lease()).leased
        assert dashboard.is_called.wait(PATIENCE)
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        send(outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock), staging=staging)
    check_books(outbox)
    assert states(outbox) == {"delivered": 9, "pending": 1}
    assert deliver(outbox, dashboard).refused == 1
    assert dashboard.calls[1:] == [names([3])]


def test_a_partial_acceptance_that_the_outbox_took_and_never_said_so(outbox: Engine, mocker: MockerFixture) -> None:
    """If the connection breaks after the commit, the refused rows are still posted in this pass."""
    exchange, broken = recording.exchange, [True]

    def breaks(engine: Engine, answers: Any, *rest: Any, **more: Any) -> recording.Exchanged:
        exchanged = exchange(engine, answers, *rest, **more)
        if answers and broken[0]:
            broken[0] = False
            raise OutboxUnavailable("the connection is lost")
        return exchanged

    mocker.patch.object(recording, "exchange", breaks)
    mocker.patch.object(recorder, "TRY_AGAIN_AFTER", 0.05)
    stage(outbox, changes(10))
    dashboard = Dashboard(excepting(names([3])))
    assert deliver(outbox, dashboard).refused == 1
    assert [len(call) for call in dashboard.calls] == [10, 1]


# -- order, size, and waiting ----------------------------------------------------------------------------------------------


def test_a_row_that_failed_before_the_dashboard_came_back_is_tried_again(outbox: Engine) -> None:
    """A batch of one row that fails just before the dashboard recovers, after three failed tries, is tried again."""
    stage(outbox, changes(3), size=1)
    dashboard = Dashboard(in_turn(*[CRASHED] * 3, *[CRASHED] * 3, CRASHED))
    for _ in range(4):
        with contextlib.suppress(DashboardUnavailable):
            deliver(outbox, dashboard, concurrency=1)
    assert states(outbox) == {"delivered": 3}


def test_two_rows_that_are_failed_on_while_other_months_are_fine(outbox: Engine) -> None:
    """Rows that fail are refused for good on evidence of the same run: what another worker delivered meanwhile."""
    stage(outbox, changes(2))
    march = month("2020-03")
    bad = Dashboard(crashing(names([0, 1])))
    for number in range(4):
        stage(outbox, [change(90 + n, at=march.start + timedelta(minutes=n)) for n in range(number + 1)], march)
        with contextlib.suppress(DashboardUnavailable):
            deliver(outbox, bad)
        deliver(outbox, Dashboard(), march)
    assert states(outbox) == {"refused": 2, "delivered": 4}
    assert len(bad.calls) <= 8


def test_the_oldest_change_goes_first(outbox: Engine) -> None:
    """After an outage the latest status arrives last, in whatever order the days were staged."""
    days = [day(f"2020-02-{number:02}") for number in (5, 3, 1, 4, 2)]
    for one in days:
        stage(outbox, [change(one.start.day, at=one.start + timedelta(hours=1))], one)
    dashboard = Dashboard()
    deliver(outbox, dashboard, *days, concurrency=1)
    assert dashboard.calls == sorted(dashboard.calls)


def test_what_is_new_goes_before_what_was_refused(outbox: Engine) -> None:
    """Batches refused earlier do not delay new ones."""
    stage(outbox, changes(20))
    with pytest.raises(DashboardError):
        deliver(outbox, Dashboard(lambda _: refused()))
    stage(outbox, [*changes(20), change(9000)])
    dashboard = Dashboard()
    deliver(outbox, dashboard, concurrency=1)
    assert dashboard.calls[0] == names([9000])
    assert states(outbox) == {"delivered": 21}


def test_a_smaller_batch_size_cuts_what_is_pending(outbox: Engine) -> None:
    """Pending batches, also those already posted, are split to a smaller batch size, and by service if required."""
    stage(outbox, [*changes(10), *(change(n, service="2") for n in range(10, 20))])
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Dashboard(lambda _: LOST))
    dashboard = Dashboard()
    chosen = settings(batch_size="4", group_by_service="true")
    send(outbox, lambda: dashboard, chosen, [FEBRUARY], Run("run", clock))
    check_books(outbox)
    assert sorted(map(len, dashboard.calls)) == [2, 2, 4, 4, 4, 4]
    assert states(outbox) == {"delivered": 20}


def test_a_busy_dashboard_that_takes_rows_defers_the_task(outbox: Engine) -> None:
    """A dashboard that asks to wait after accepting some rows defers the task until then, without using up a try."""
    stage(outbox, changes(10), size=1)
    wait = Answer(Outcome.TRANSIENT, status=429, retry_after=60.0, error="slow down")
    with pytest.raises(DashboardBusy, match="asks to wait") as caught:
        deliver(outbox, Dashboard(in_turn(DELIVERED, DELIVERED, wait)), concurrency=1)
    assert caught.value.resume_at == NOW + timedelta(seconds=60)


def test_rows_that_the_dashboard_quotes_are_not_reported(outbox: Engine) -> None:
    """Rows quoted by the dashboard are in neither the error nor the observer's records; the outbox keeps the text unchanged."""
    stage(outbox, changes(1))
    seen: list[Attempt] = []
    quoting = Answer(Outcome.REFUSED, status=400, error="refused", message="R-0000000 of 1041 is unknown")
    with pytest.raises(DashboardError) as caught:
        send(outbox, lambda: Dashboard(lambda _: quoting), settings(), [FEBRUARY], Run("r", clock), observe=seen.append)
    assert "R-0000000" not in str(caught.value)
    assert "1041" not in seen[0].answer.message
    assert attempts(outbox)[0].message == "R-0000000 of 1041 is unknown"


def test_rows_that_are_tried_once_more_are_not_reported(outbox: Engine) -> None:
    """An error about rows that are posted once more quotes the dashboard without their values; the outbox keeps its words."""
    march = month("2020-03")
    stage(outbox, [change(99, at=march.start)], march)
    deliver(outbox, Dashboard(), march)
    stage(outbox, changes(1))
    quoting = Answer(Outcome.REFUSED, status=400, error="refused", message="The request R-0000000.")
    dashboard = Dashboard(lambda entries: quoting if entries[0]["request_id"] in names([0]) else DELIVERED)
    with pytest.raises(DashboardUnavailable, match="The request") as caught:
        deliver(outbox, dashboard)
    assert "R-0000000" not in str(caught.value)
    deliver(outbox, dashboard)
    (refusal,) = [row for row in all_batches(outbox) if row.state == "refused"]
    assert "The request R-0000000." in refusal.words


def test_adopted_rows_are_no_acceptance(outbox: Engine) -> None:
    """A wrong address is recognised after two answers although a person has adopted rows: the dashboard has accepted none."""
    stage(outbox, changes(30), size=1)
    first = Window("month", "x", FEBRUARY.start, FEBRUARY.start + timedelta(minutes=1))
    adoption.adopt(outbox, first, run_id="adopt", words="by hand", zone=ZONE, now=NOW)
    dashboard = Dashboard(lambda _: STRANGE)
    with pytest.raises(DashboardError):
        deliver(outbox, dashboard, concurrency=1)
    assert len(dashboard.calls) == 2


def test_a_resent_row_is_not_refused_on_old_evidence(outbox: Engine) -> None:
    """What was accepted before a row is sent again proves nothing about its next refusal."""
    stage(outbox, changes(1))
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Dashboard(in_turn(LOST)))
    deliver(outbox, Dashboard())
    march = month("2020-03")
    stage(outbox, [change(9, at=march.start)], march)
    send(outbox, Dashboard, settings(), [march], Run("march", clock))
    requeue.resend(outbox, FEBRUARY, run_id="again", zone=ZONE)
    with pytest.raises(TableroError):
        deliver(outbox, Dashboard(lambda _: refused()))
    assert states(outbox) == {"delivered": 1, "pending": 1}
