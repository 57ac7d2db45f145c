"""The changes of a request arrive oldest first, in whichever readings and batches they were found."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path
from random import Random

import orjson
import pytest
from sqlalchemy.engine import Engine
from tablero.contract.packing import pack
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.contract.wire import encode
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery import staging
from tablero.delivery.loading import load
from tablero.delivery.planning import EVERYTHING
from tablero.delivery.rows import Tally
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.errors import DashboardError, DashboardUnavailable, RowsLeased, TransientError
from tablero.outbox import batches
from tablero.outbox.batches import Lease
from tablero.outbox.queue import claiming, leasing, recording
from tablero.outbox.queue.claims import Leaseholder

from tests.integration.fake_dashboard import DELIVERED, LOST, UNAVAILABLE, Dashboard, Entry, refused, refusing
from tests.integration.institution import Institution
from tests.integration.samples import FEBRUARY, NOW, ZONE, begin, check_books, clock, day, settings, stage, states

DAYS = [day(f"2020-02-{number:02}") for number in (1, 2)]


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    return Institution(tmp_path / "institution.db")


def row(request: str, hours: int, status: int = 2) -> StatusChange:
    return StatusChange("7", request, FEBRUARY.start - timedelta(days=1), status, FEBRUARY.start + timedelta(hours=hours))


class Arrivals(Dashboard):
    """Remembers what it accepted: for each request the dates of its changes, in the order of their arrival."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.of: dict[str, list[str]] = {}

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        answer = super().post(body, message_id=message_id, issue=issue)
        if answer.outcome is Outcome.DELIVERED:
            for entry in orjson.loads(body)["requests"]:
                self.of.setdefault(entry["request_id"], []).append(entry["last_modified_date"])
        return answer

    def check(self) -> None:
        for request, dates in self.of.items():
            assert dates == sorted(dates), request


def wire(change: StatusChange) -> str:
    """The date of a change as it is posted."""
    return str(orjson.loads(encode([change]))["requests"][0]["last_modified_date"])


def deliver(outbox: Engine, dashboard: Dashboard, *windows: Window, **chosen: object) -> None:
    try:
        send(outbox, lambda: dashboard, settings(**chosen), windows or [FEBRUARY], Run("run", clock))
    finally:
        check_books(outbox)


def load_february(
    outbox: Engine, institution: Institution, dashboard: Dashboard, *, resend: bool = False, **chosen: object
) -> None:
    load(
        outbox,
        institution.source,
        lambda: dashboard,
        settings(**chosen),
        [FEBRUARY],
        Run("again" if resend else "run", clock, resend=resend),
    )
    check_books(outbox)


def test_what_a_load_has_just_read_waits_for_what_is_pending(outbox: Engine, institution: Institution) -> None:
    """A load after an outage posts the older status of a request, which is pending, before the one that it has just found."""
    institution.add([row("R", 1)])
    with pytest.raises(DashboardUnavailable):
        load_february(outbox, institution, Dashboard(lambda _: UNAVAILABLE))
    institution.add([row("R", 50, 14), row("S", 1)])
    dashboard = Arrivals()
    load_february(outbox, institution, dashboard)
    dashboard.check()
    assert states(outbox) == {"delivered": 3}


def test_the_oldest_change_of_the_request_decides(outbox: Engine) -> None:
    """A batch with an old change of another request does not go before the older change of a request of its own."""
    stage(outbox, [row("R", 10)])
    stage(outbox, [row("R", 10), row("R", 50, 14), row("Q", 5)])
    dashboard = Arrivals()
    deliver(outbox, dashboard)
    dashboard.check()
    assert dashboard.calls == [["Q"], ["R"], ["R"]]


def test_what_is_staged_apart_fits_into_one_call(outbox: Engine) -> None:
    """A batch that had to be split before it is posted would let a later reading overtake the rows in its second part."""
    older = [row("Q2", 10), row("R2", 11), row("S2", 12)]
    newer = [row("Q1", 5), row("Q2", 50, 14), row("R1", 6), row("R2", 60, 14), row("S1", 7), row("S2", 70, 14)]
    newest = [row("S2", 80, 7), row("T", 55)]
    for found in (older, older + newer, older + newer + newest):
        stage(outbox, found, size=2)
    dashboard = Arrivals()
    deliver(outbox, dashboard, concurrency=1, batch_size=2)
    dashboard.check()
    assert states(outbox) == {"delivered": 11}


def test_what_is_left_of_a_batch_keeps_its_place(outbox: Engine) -> None:
    """A batch loses its oldest row at the source: it is still posted before newer changes of its requests."""
    x, y, z = row("X", 10), row("Y", 50), row("Z", 20)
    for found in ([x, y], [x, y, row("Y", 55, 14), z], [y, row("Y", 55, 14), z]):
        stage(outbox, found)
    dashboard = Arrivals()
    deliver(outbox, dashboard, concurrency=1)
    dashboard.check()
    assert states(outbox) == {"delivered": 3, "withdrawn": 1}


def test_the_parts_of_a_batch_that_is_too_large_keep_its_place(outbox: Engine) -> None:
    """``batch_size`` was lowered since the first reading: no part is posted after newer changes of its requests."""
    older = [row("X", 10), row("Y", 50)]
    stage(outbox, older)
    stage(outbox, [*older, row("Y", 55, 14), row("Z", 20)])
    dashboard = Arrivals()
    deliver(outbox, dashboard, concurrency=1, batch_size="1")
    dashboard.check()
    assert states(outbox) == {"delivered": 4}


def test_two_batches_that_wait_for_each_other(outbox: Engine) -> None:
    """Each has the older change of one of two requests: one is split, and both requests arrive in order."""
    stage(outbox, [row("R", 10), row("Q", 50, 14)])
    stage(outbox, [row("R", 10), row("Q", 50, 14), row("R", 60, 14), row("Q", 5)])
    dashboard = Arrivals()
    deliver(outbox, dashboard)
    dashboard.check()
    assert states(outbox) == {"delivered": 4}


def test_the_rest_of_a_long_request(outbox: Engine, institution: Institution) -> None:
    """A reading ends in the middle of a request that is longer than a batch: what the next one finds waits."""
    institution.add([row("R", hours, 2 + hours % 2) for hours in range(30)])
    tally = Tally(FEBRUARY)
    steps = staging.stage_in_steps(outbox, institution.source, settings(batch_size="1"), tally, Run("run", clock))
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    dashboard = Arrivals()
    load_february(outbox, institution, dashboard, batch_size="1")
    dashboard.check()
    assert states(outbox) == {"delivered": 30}


def test_the_rest_of_a_long_request_that_was_entered_late(outbox: Engine, institution: Institution) -> None:
    """It is staged in two steps; the first takes a newer row of the request along."""
    institution.add([row("R", 40, 14)])
    with pytest.raises(DashboardUnavailable):
        load_february(outbox, institution, Dashboard(lambda _: UNAVAILABLE))
    institution.add([row("R", hours, 2 + hours % 2) for hours in range(15)])
    dashboard = Arrivals()
    load_february(outbox, institution, dashboard, batch_size="1")
    dashboard.check()
    assert states(outbox) == {"delivered": 16}


def test_a_refused_batch_holds_up_no_newer_one(outbox: Engine) -> None:
    """What was refused is posted after what is new, also of the same request: a bad row must not hold up good ones."""
    stage(outbox, [row("R", 1), row("S", 1)])
    first = Dashboard(refusing(["R"]))
    stage(outbox, [row("R", 1), row("S", 1), row("R", 9, 14), row("T", 9)])
    deliver(outbox, first, concurrency=1)
    assert first.calls[:2] == [["R", "S"], ["R", "T"]]


def test_what_is_searched_waits_for_older_changes(outbox: Engine) -> None:
    """A newer batch was refused, and an older one is pending and fails: the parts of the newer one with its requests wait."""
    stage(outbox, [row("R", 9, 14), row("T", 9)])
    with contextlib.suppress(DashboardError, TransientError):
        deliver(outbox, Dashboard(lambda _: refused()))
    with outbox.begin() as connection:  # as if an older reading had ended late
        batches.make(connection, batches.Origin(1), [[row("R", 1)]], ZONE)
    oldest_fails = Dashboard(lambda entries: UNAVAILABLE if "01T05" in entries[0]["last_modified_date"] else refused())
    with contextlib.suppress(DashboardError, TransientError):
        deliver(outbox, oldest_fails, concurrency=1)
    assert [call for call in oldest_fails.calls if "R" in call] == [["R"]]
    dashboard = Arrivals(refusing(["T"]))
    with contextlib.suppress(DashboardError, TransientError):
        deliver(outbox, dashboard)
    dashboard.check()
    assert dashboard.accepted["R"] == 2


def test_nights_of_an_outage(outbox: Engine) -> None:
    """Each night left a newer status of the same requests pending. While the oldest is not accepted, no newer one is posted,
    whether in the same pass or in a later one, however many calls are in flight.
    """
    nights = [day(f"2020-02-{number:02}") for number in range(1, 6)]
    for number, night in enumerate(nights):
        rows = [row(f"R-{request}", 24 * number + 1, 1 + number) for request in range(8)]
        stage(outbox, [*rows, row(f"S-{number}", 24 * number + 2)], night, size=3)
    first = nights[0].end.isoformat()
    monday_fails = Arrivals(lambda entries: UNAVAILABLE if entries[0]["last_modified_date"] < first else DELIVERED)
    for _ in range(2):
        with pytest.raises(DashboardUnavailable):
            deliver(outbox, monday_fails, EVERYTHING)
    monday_fails.check()
    assert not any(request.startswith("R") for request in monday_fails.accepted)
    up = Arrivals()
    deliver(outbox, up, EVERYTHING)
    up.check()
    assert states(outbox) == {"delivered": 45}


def test_a_row_entered_late_travels_with_the_newer_rows_of_its_request(outbox: Engine) -> None:
    """Its request has an older and a newer row pending in a large batch: the three arrive in order, in one call."""
    known = [row("R", 1), row("R", 9, 14), *(row(f"S-{number}", 2 + number) for number in range(5))]
    stage(outbox, known)
    stage(outbox, [*known, row("R", 5, 3)])
    dashboard = Arrivals()
    deliver(outbox, dashboard)
    dashboard.check()
    assert dashboard.calls == [[f"S-{number}" for number in range(5)], ["R", "R", "R"]]


def test_a_row_entered_late_between_rows_that_may_have_arrived(outbox: Engine) -> None:
    """The oldest row of its request may have arrived, and stays where it is. The late one is posted behind the second, and
    before the newest.
    """
    known = [row("R", 1)]
    stage(outbox, known)
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Dashboard(lambda _: LOST))
    for found in ([row("A", 20), row("R", 30)], [row("C", 25), row("R", 60, 14)], [row("A", 15), row("R", 40, 3)]):
        known += found
        stage(outbox, known)
    dashboard = Arrivals()
    deliver(outbox, dashboard, concurrency=1)
    dashboard.check()
    assert states(outbox) == {"delivered": 7}


def test_rows_that_may_have_arrived_are_left_in_their_batch(outbox: Engine) -> None:
    """A late row is posted behind a newer one whose call had no answer: what that call contained must stay known."""
    stage(outbox, [row("R", 9, 14)])
    with pytest.raises(DashboardUnavailable):
        deliver(outbox, Dashboard(lambda _: LOST))
    stage(outbox, [row("R", 9, 14), row("R", 5)])
    deliver(outbox, Dashboard())
    assert states(outbox) == {"delivered": 2}


def test_a_part_is_claimed_once(outbox: Engine) -> None:
    """A batch is cut while it is claimed, next to one that waits: its first part is not found a second time."""
    stage(outbox, [row("Q", 0)])
    claiming.claim(outbox, [FEBRUARY], Leaseholder("other", "run", 600), limit=1)
    stage(outbox, [row("Q", 0), row("Q", 1)])
    stage(outbox, [row("Q", 0), row("Q", 1), row("R", 2), row("R", 3)])
    claims = claiming.claim(outbox, [FEBRUARY], Leaseholder("worker", "run", 600), limit=2, most=1, zone=ZONE)
    assert [claim.changes for claim in claims] == [[row("R", 2)]]


def test_a_frozen_worker_does_not_post_what_has_left_its_batch(outbox: Engine) -> None:
    """Its lease ended before it posted anything, and a late row has taken the newer one of its request out of the batch."""
    frozen = Leaseholder("frozen", "run", 60)
    extraction = begin(outbox)
    past = NOW - timedelta(days=3650)
    step = extraction.stage(list(pack([row("R", 9, 14), row("S", 9)], 1000, by_service=False)), Lease("frozen", past))
    stage(outbox, [row("R", 5), row("R", 9, 14), row("S", 9)])
    ids = [each.batch_id for each in step.leased]
    assert leasing.renew(outbox, ids, frozen) == set()
    assert recording.exchange(outbox, [], step.leased, frozen).claims == []
    dashboard = Arrivals()
    deliver(outbox, dashboard)
    dashboard.check()
    assert dashboard.accepted == {"R": 2, "S": 1}


def test_a_batch_that_another_worker_holds(outbox: Engine) -> None:
    """Newer changes of its requests wait for it; others do not. Nothing is lost when its lease ends."""
    stage(outbox, [row("R", 1)])
    held = claiming.claim(outbox, [FEBRUARY], Leaseholder("other", "run", 600), limit=1)
    stage(outbox, [row("R", 1), row("R", 9, 14)])
    stage(outbox, [row("R", 1), row("R", 9, 14), row("S", 9)])
    dashboard = Arrivals()
    with pytest.raises(RowsLeased):
        deliver(outbox, dashboard)
    assert dashboard.calls == [["S"]]
    recording.record(outbox, [(held[0], DELIVERED)])
    deliver(outbox, dashboard)
    assert dashboard.calls == [["S"], ["R"]]


def test_what_is_sent_again_goes_before_what_a_load_has_just_read(outbox: Engine, institution: Institution) -> None:
    """A load with resend finds a newer status of a request that it sends again."""
    institution.add([row("R", 1), row("S", 1)])
    load_february(outbox, institution, Dashboard())
    institution.add([row("R", 50, 14)])
    dashboard = Arrivals()
    load_february(outbox, institution, dashboard, resend=True)
    dashboard.check()
    assert dashboard.accepted == {"R": 2, "S": 1}


def test_what_is_back_goes_before_what_a_load_has_just_read(outbox: Engine, institution: Institution) -> None:
    """A row that was withdrawn stands in the source again, together with a newer status of its request."""
    stage(outbox, [row("R", 1)])
    stage(outbox, [])
    institution.add([row("R", 1), row("R", 50, 14)])
    dashboard = Arrivals()
    load_february(outbox, institution, dashboard)
    dashboard.check()
    assert dashboard.accepted == {"R": 2}


def test_parts_and_what_is_back_do_not_wait_for_each_other(outbox: Engine) -> None:
    """A row was withdrawn from a batch and is back; then an answer names a row in the middle of a request. The first part
    shares a request with the row that is back, which waits for the last part, which waits for the first one.
    """
    rows = [row("A", 50), row("R", 30), row("R", 57), *(row("S", hours) for hours in (51, 52, 53)), row("Z", 10)]
    stage(outbox, rows)
    stage(outbox, [each for each in rows if each != row("R", 30)])
    stage(outbox, rows)
    bad = wire(row("S", 52))
    with contextlib.suppress(DashboardError):
        deliver(outbox, Dashboard(lambda entries: refused(*_at(bad, entries)) if _at(bad, entries) else DELIVERED))
    with contextlib.suppress(TransientError):
        deliver(outbox, Dashboard())
    assert states(outbox).get("pending", 0) == 0


def _at(date: str, entries: list[Entry]) -> list[int]:
    return [index for index, entry in enumerate(entries) if entry["last_modified_date"] == date]


@pytest.mark.parametrize("seed", range(12))
def test_any_readings(outbox: Engine, seed: int) -> None:
    """Whatever several readings find, in windows and batches of any size, and whichever calls fail in between: a change arrives
    after a newer one of its request only if that one had arrived before it was read.
    """
    random = Random(seed)
    dashboard = Arrivals(lambda _: UNAVAILABLE if random.random() < 0.4 else DELIVERED)
    rows = random.sample([row(f"R-{random.randrange(6)}", hours, 1 + hours % 21) for hours in range(48)], 48)
    known: list[StatusChange] = []
    late: set[tuple[str, str]] = set()
    while len(known) < len(rows):
        found = rows[len(known) : len(known) + 8]
        known += found
        arrived = {request: max(dates) for request, dates in dashboard.of.items()}
        late |= {(each.request_id, wire(each)) for each in found if wire(each) < arrived.get(each.request_id, "")}
        for window in random.sample([FEBRUARY, *DAYS], 3) if random.random() < 0.7 else [FEBRUARY]:
            stage(
                outbox, [each for each in known if each.last_modified_date in window], window, size=random.choice([1, 3, 1000])
            )
        with contextlib.suppress(TransientError):
            deliver(outbox, dashboard, *random.choice([[EVERYTHING], [FEBRUARY]]), concurrency=random.choice([1, 4]))
    stage(outbox, known)
    for _ in range(60):
        with contextlib.suppress(TransientError):
            deliver(outbox, dashboard)
    assert states(outbox) == {"delivered": 48}
    for request, dates in dashboard.of.items():
        in_time = [date for date in dates if (request, date) not in late]
        assert in_time == sorted(in_time), request
