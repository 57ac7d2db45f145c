"""The changes of a request arrive oldest first, in whichever readings and batches they were found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random

import orjson
import pytest
from sqlalchemy.engine import Engine
from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery import staging
from tablero.delivery.loading import load
from tablero.delivery.sending import send
from tablero.errors import DashboardUnavailable

from tests.integration.fake_dashboard import UNAVAILABLE, Dashboard, refusing
from tests.integration.institution import Institution
from tests.integration.samples import FEBRUARY, check_books, clock, settings, stage, states


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


def deliver(outbox: Engine, dashboard: Dashboard, **chosen: object) -> None:
    send(outbox, lambda: dashboard, settings(**chosen), [FEBRUARY], run_id="run", clock=clock)
    check_books(outbox)


def load_february(outbox: Engine, institution: Institution, dashboard: Dashboard, **chosen: object) -> None:
    load(outbox, institution.source, lambda: dashboard, settings(**chosen), [FEBRUARY], run_id="run", clock=clock)
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
    assert len(dashboard.calls) == 2


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
    tally = staging.Tally(FEBRUARY)
    steps = staging.stage_in_steps(outbox, institution.source, settings(batch_size="1"), tally, run_id="run", clock=clock)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    dashboard = Arrivals()
    load_february(outbox, institution, dashboard, batch_size="1")
    dashboard.check()
    assert states(outbox) == {"delivered": 30}


def test_a_refused_batch_holds_up_no_newer_one(outbox: Engine) -> None:
    """What was refused is posted after what is new, also of the same request: a bad row must not hold up good ones."""
    stage(outbox, [row("R", 1), row("S", 1)])
    first = Dashboard(refusing(["R"]))
    stage(outbox, [row("R", 1), row("S", 1), row("R", 9, 14), row("T", 9)])
    deliver(outbox, first, concurrency=1)
    assert first.calls[:2] == [["R", "S"], ["R", "T"]]


@pytest.mark.parametrize("seed", range(6))
def test_any_readings(outbox: Engine, seed: int) -> None:
    """Whatever several readings have found, in batches of any size: each request arrives in order, and all of it."""
    random = Random(seed)
    rows = [row(f"R-{random.randrange(6)}", hours, 1 + hours % 21) for hours in range(24)]
    known: list[StatusChange] = []
    left = random.sample(rows, len(rows))
    while left:
        known += left[:8]
        left = left[8:]
        stage(outbox, known, size=random.choice([1, 3, 1000]))
    dashboard = Arrivals()
    deliver(outbox, dashboard, concurrency=random.choice([1, 4]))
    dashboard.check()
    assert states(outbox) == {"delivered": 24}
