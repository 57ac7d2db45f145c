"""Dashboards that are slow, busy or down: everything is delivered in the end, and no call exceeds its time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer, Outcome
from tablero.dashboard.client import Dashboard
from tablero.delivery.posting.rules import SLOW_PROBES
from tablero.delivery.run import Run
from tablero.delivery.sending import GIVE_UP_AFTER, send
from tablero.errors import DashboardUnavailable
from tablero.settings import Settings

from sandbox.testing import Handle, running_sandbox
from tests.hostile.conftest import IMPATIENT, Client
from tests.integration.samples import FEBRUARY, changes, clock, settings, stage, states
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.integration

BATCHES = 500
BATCH_SIZE = 4


@pytest.fixture
def backend() -> str:
    """The database does not matter in these tests."""
    return "sqlite"


@pytest.fixture
def sandbox() -> Iterator[Handle]:
    with running_sandbox() as handle:
        yield handle


def deliver(outbox: Engine, dashboard: Dashboard, **changed: object) -> int:
    """Run a task with its retries; returns how many tries it needed.

    :raises DashboardUnavailable: if all of them failed.
    """
    chosen: Settings = settings(**changed)
    for tried in range(1, chosen.retries + 2):
        try:
            send(outbox, lambda: dashboard, chosen, [FEBRUARY], Run("run", clock))
        except DashboardUnavailable:
            if tried == chosen.retries + 1:
                raise
        else:
            return tried
    raise AssertionError("a try either returns or raises")


@pytest.mark.parametrize("seed", range(3))
def test_a_month_gets_through_random_unavailability(outbox: Engine, sandbox: Handle, client: Client, seed: int) -> None:
    """With 3 % random 503 answers a month of 500 batches is delivered within the default tries, each row once."""
    stage(outbox, changes(BATCHES * BATCH_SIZE), size=BATCH_SIZE)
    sandbox.settings(seed=seed)
    sandbox.add_fault(kind="status", status=503, probability=0.03)
    tries = deliver(outbox, client(sandbox.port))
    assert states(outbox) == {"delivered": BATCHES * BATCH_SIZE}
    assert set(sandbox.counts().values()) == {1}
    assert sandbox.stats()["by_status"]["503"] >= 5
    assert tries <= 6


class Counted:
    """A client that knows how many of its calls are under way."""

    def __init__(self, client: Dashboard) -> None:
        self._client = client
        self._lock = threading.Lock()
        self.under_way = 0

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        with self._lock:
            self.under_way += 1
        try:
            return self._client.post(body, message_id=message_id, issue=issue)
        finally:
            with self._lock:
                self.under_way -= 1


@pytest.mark.parametrize("fault", [{"kind": "hang"}, {"kind": "delay", "seconds": 600}], ids=["never", "after the time-out"])
def test_a_dashboard_that_never_answers_ends_the_task_in_time(
    outbox: Engine, sandbox: Handle, client: Client, fault: dict[str, object]
) -> None:
    """Five calls without an answer, and a few probes, end the task, which leaves no call behind.

    With four calls at a time and half a second each this takes seconds; waiting for them would take for ever, or ten minutes.
    """
    stage(outbox, changes(100), size=1)
    sandbox.add_fault(**fault)
    dashboard: Any = Counted(client(sandbox.port, settings=IMPATIENT))
    earlier = set(threading.enumerate())  # those of other tests, which may end at any time
    began = time.monotonic()
    with pytest.raises(DashboardUnavailable):
        send(outbox, lambda: dashboard, settings(concurrency="4"), [FEBRUARY], Run("run", clock))
    assert dashboard.under_way == 0
    assert time.monotonic() - began < PATIENCE
    (hit,) = sandbox.faults()
    assert hit["fired"] <= GIVE_UP_AFTER + SLOW_PROBES
    wait_for("its threads have ended", lambda: not [each for each in posting_threads() if each not in earlier])
    assert states(outbox) == {"pending": 100}


def posting_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("tablero-post")]


def test_a_slow_dashboard_is_never_asked_by_more_than_concurrency_at_once(
    outbox: Engine, sandbox: Handle, client: Client
) -> None:
    """With slow answers everything is delivered, with up to ``concurrency`` calls in flight and never more: how many they
    become by themselves depends on the machine."""
    stage(outbox, changes(40), size=1)
    sandbox.add_fault(kind="delay", seconds=0.2)
    send(
        outbox,
        lambda: client(sandbox.port),
        settings(concurrency="6"),
        [FEBRUARY],
        Run("run", clock),
    )
    assert states(outbox) == {"delivered": 40}
    assert 1 < sandbox.stats()["max_in_flight"] <= 6


class Patient:
    """A dashboard that answers only when the allowed number of calls is in flight: one, and one more per answer.

    :ivar in_flight: the number of calls in flight and of answers when each call began.
    """

    def __init__(self, ceiling: int, calls: int, seconds: float) -> None:
        self._ceiling = ceiling
        self._calls = calls
        self._seconds = seconds
        self._changed = threading.Condition()
        self._flying = self._answered = 0
        self.begun: list[tuple[int, int]] = []

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        with self._changed:
            self._flying += 1
            self.begun.append((self._flying, self._answered))
            self._changed.notify_all()
            assert self._changed.wait_for(self._all_are_here, timeout=PATIENCE)
            self._flying -= 1
            self._answered += 1
            self._changed.notify_all()
        return Answer(Outcome.DELIVERED, status=201, seconds=self._seconds)

    def _all_are_here(self) -> bool:
        return len(self.begun) == self._calls or self._flying >= min(self._ceiling, 1 + self._answered)


@pytest.mark.parametrize("seconds", [0.01, 30.0], ids=["prompt", "always slow"])
def test_concurrency_starts_low_and_grows(outbox: Engine, seconds: float) -> None:
    """The number of calls starts with one, grows with answers that take no longer than usual, and never exceeds the setting."""
    stage(outbox, changes(60), size=1)
    dashboard = Patient(8, 60, seconds)
    deliver(outbox, dashboard, concurrency="8")  # type: ignore[arg-type]  # a stand-in
    assert all(flying <= min(8, 1 + answered) for flying, answered in dashboard.begun)
    assert max(flying for flying, _ in dashboard.begun) == 8


def test_a_dashboard_that_bears_three_calls_is_not_overrun(outbox: Engine) -> None:
    """A dashboard that answers 503 to a fourth concurrent call gets few such calls, and everything is delivered."""
    stage(outbox, changes(300), size=1)
    lock = threading.Lock()
    flying = refused = 0

    class Limited:
        def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
            nonlocal flying, refused
            with lock:
                flying += 1
                over = flying > 3
                refused += over
            time.sleep(0.005)
            with lock:
                flying -= 1
            return Answer(Outcome.TRANSIENT, status=503, error="busy") if over else Answer(Outcome.DELIVERED, status=201)

    tries = deliver(outbox, Limited(), concurrency="16")  # type: ignore[arg-type]  # a stand-in
    assert states(outbox) == {"delivered": 300}
    assert tries <= 8
    assert refused < 100


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_ends_the_pass(outbox: Engine, sandbox: Handle, client: Client, status: int, form: str) -> None:
    """Both forms of Retry-After end the pass, nothing is posted before that time, and the retry policy receives it."""
    stage(outbox, changes(50), size=1)
    sandbox.add_fault(kind="status", status=status, retry_after=77, retry_after_as=form)
    with pytest.raises(DashboardUnavailable) as caught:
        send(outbox, lambda: client(sandbox.port), settings(concurrency="4"), [FEBRUARY], Run("run", clock))
    asked = caught.value.retry_after
    assert asked is not None
    # On a busy machine the server's own Date may be late.
    assert asked == 77 if form == "seconds" else 76 <= asked < 77 + PATIENCE
    assert len(sandbox.calls()) == 1
