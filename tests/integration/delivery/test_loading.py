"""Loading: a window is posted while it is still being read, and neither half is harmed by a failure of the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.packing import pack
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Attempt
from tablero.delivery import loading
from tablero.delivery.run import Run
from tablero.errors import DashboardError, DashboardUnavailable, OutsideHours, SourceUnavailable
from tablero.outbox import ledger
from tablero.outbox.batches import Lease
from tablero.outbox.queue import claiming, leasing, recording
from tablero.outbox.queue.claims import Claim, Leaseholder
from tablero.outbox.schema import batch
from tablero.settings import Settings
from tablero.source.reader import Source

from tests.integration.fake_dashboard import DELIVERED, FORBIDDEN, UNAVAILABLE, Dashboard, Entry, refused, refusing
from tests.integration.institution import Institution, reading
from tests.integration.samples import (
    FEBRUARY,
    NOW,
    all_batches,
    attempts,
    begin,
    change,
    changes,
    check_books,
    clock,
    day,
    month,
    rows_in,
    settings,
    staged,
)

ONE_A_BATCH = settings(batch_size="1")


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    return Institution(tmp_path / "institution.db")


def load(
    engine: Engine, source: Source, dashboard: Dashboard, with_settings: Settings = ONE_A_BATCH, *windows: Window
) -> loading.Delivery:
    _, delivery = loading.load(engine, source, lambda: dashboard, with_settings, windows or [FEBRUARY], Run("run", clock))
    return delivery


class HookedSource(Source):
    """A source that reports every row it returns."""

    def __init__(self, engine: Engine, before: Callable[[int], None]) -> None:
        plain = reading(engine)
        self.__dict__.update(plain.__dict__)
        self._before = before

    def chunks(self, window: Window) -> Generator[list[tuple[Any, ...]], None, None]:
        """Read as usual, but one row at a time."""
        for number, row in enumerate(chain.from_iterable(super().chunks(window))):
            self._before(number)
            yield [row]


def leases(engine: Engine) -> int:
    """Pending batches under a lease, which other workers must leave alone until it ends."""
    with engine.connect() as connection:
        held = sa.and_(batch.c.state == "pending", batch.c.claimed_until.is_not(None))
        return connection.scalar(sa.select(sa.func.count()).select_from(batch).where(held)) or 0


def test_everything_is_delivered_once(outbox: Engine, institution: Institution) -> None:
    """Every row is delivered once, with one attempt for each batch, and all accounts match."""
    institution.add(changes(57))
    dashboard = Dashboard()
    assert load(outbox, institution.source, dashboard).rows == 57
    assert set(dashboard.accepted.values()) == {1}
    assert rows_in(outbox, "delivered") == set(changes(57))
    assert [attempt.outcome for attempt in attempts(outbox)] == ["delivered"] * 57
    check_books(outbox)
    assert ledger.account(outbox, FEBRUARY).pending == 0


def test_it_posts_before_all_is_read(outbox: Engine, institution: Institution) -> None:
    """The second window is not read until a batch of the first one has been posted."""
    posted = threading.Event()
    march = month("2020-03")
    institution.add(changes(1))
    institution.add([change(9, at=march.start)])

    def wait_in_march(_: int) -> None:
        if staged(outbox):
            assert posted.wait(60)

    def decide(_: list[Entry]) -> Answer:
        posted.set()
        return Dashboard()._decide([])

    source = HookedSource(institution.engine, wait_in_march)
    assert load(outbox, source, Dashboard(decide), ONE_A_BATCH, FEBRUARY, march).rows == 2


def test_what_was_pending_before_is_posted_too(outbox: Engine, institution: Institution) -> None:
    """A second load finds nothing new to stage, and posts what the first one left pending."""
    institution.add(changes(3))
    with pytest.raises(DashboardUnavailable):
        load(outbox, institution.source, Dashboard(lambda _: UNAVAILABLE))
    dashboard = Dashboard()
    assert load(outbox, institution.source, dashboard).rows == 3
    assert set(dashboard.accepted.values()) == {1}


def test_go_live_with_wrong_service_ids(outbox: Engine, institution: Institution) -> None:
    """The dashboard refuses all rows; after the view is corrected, another load delivers the right rows, and the
    wrong ones are withdrawn and never posted again.
    """
    wrong = [change(number, service="own") for number in range(60)]
    institution.add(wrong)

    posted: set[str] = set()

    def decide(entries: list[Entry]) -> Answer:
        posted.update(entry["service_id"] for entry in entries)
        return refused() if any(entry["service_id"] == "own" for entry in entries) else DELIVERED

    for _ in range(2):
        with pytest.raises(DashboardError):
            load(outbox, institution.source, Dashboard(decide))
    institution.remove(wrong)
    institution.add(changes(60))
    posted.clear()
    assert load(outbox, institution.source, Dashboard(decide)).rows == 60
    assert posted == {"1041"}
    assert (rows_in(outbox, "withdrawn"), rows_in(outbox, "delivered")) == (set(wrong), set(changes(60)))


@pytest.mark.parametrize(("answer", "error"), [(UNAVAILABLE, DashboardUnavailable), (FORBIDDEN, DashboardError)])
def test_a_dashboard_that_takes_nothing(
    outbox: Engine, institution: Institution, answer: Answer, error: type[Exception]
) -> None:
    """If the dashboard accepts nothing, everything is still staged, few calls are made, and unposted batches are released."""
    institution.add(changes(60))
    dashboard = Dashboard(lambda _: answer)
    with pytest.raises(error):
        load(outbox, institution.source, dashboard)
    assert staged(outbox) == set(changes(60))
    assert ledger.account(outbox, FEBRUARY).read == 60
    assert leases(outbox) <= len(dashboard.calls) < 15
    with outbox.connect() as connection:
        assert not connection.scalar(sa.select(batch.c.id).where(batch.c.claimed_until.is_not(None)))


def test_out_of_hours_all_is_read_and_nothing_posted(outbox: Engine, institution: Institution) -> None:
    """Outside the send hours everything is staged and nothing is posted."""
    institution.add(changes(30))
    dashboard = Dashboard()
    with pytest.raises(OutsideHours):
        load(outbox, institution.source, dashboard, settings(batch_size="1", send_hours="20:00-21:00", deadline="21:00"))
    assert (dashboard.calls, len(staged(outbox)), leases(outbox)) == ([], 30, 0)


def test_a_source_that_fails_midway(outbox: Engine, institution: Institution) -> None:
    """If the source fails midway, posted rows are recorded, unposted batches are released, and a retry sends the rest once."""
    march = month("2020-03")
    institution.add(changes(40))
    institution.add([change(99, at=march.start)])

    def fail_in_march(_: int) -> None:
        if staged(outbox):
            raise SourceUnavailable("gone")

    dashboard = Dashboard()
    with pytest.raises(SourceUnavailable):
        load(outbox, HookedSource(institution.engine, fail_in_march), dashboard, ONE_A_BATCH, FEBRUARY, march)
    assert len(rows_in(outbox, "delivered")) == dashboard.accepted.total()
    assert leases(outbox) == 0
    load(outbox, institution.source, dashboard, ONE_A_BATCH, FEBRUARY, march)
    assert dashboard.accepted.total() == 41
    assert set(dashboard.accepted.values()) == {1}


def test_a_refused_row_is_found_while_the_rest_is_read(outbox: Engine, institution: Institution) -> None:
    """Parts of a refused batch are posted before fresh batches, and all other rows are delivered."""
    institution.add(changes(200))
    dashboard = Dashboard(refusing(["R-0000017"]))
    delivery = load(outbox, institution.source, dashboard, settings(batch_size="20"))
    assert (delivery.rows, delivery.refused) == (199, 1)
    assert set(dashboard.accepted.values()) == {1}


def test_a_request_of_many_changes_stays_in_order(outbox: Engine, institution: Institution) -> None:
    """Batches that wait for each other are not posted at once, but one after the other."""
    rows = [change(7, at=FEBRUARY.start + timedelta(minutes=minute)) for minute in range(25)]
    institution.add(rows)
    seen: list[str] = []

    def decide(entries: list[Entry]) -> Answer:
        seen.extend(entry["last_modified_date"] for entry in entries)
        return Dashboard()._decide(entries)

    load(outbox, institution.source, Dashboard(decide), settings(batch_size="3"))
    assert (len(seen), seen) == (25, sorted(seen))


def test_a_lease_that_ended_before_posting(outbox: Engine) -> None:
    """If another worker claimed the batch after its lease ended, the batch is left to that worker."""
    extraction = begin(outbox)
    _, fresh = extraction.stage(list(pack(changes(2), 1, by_service=False)), Lease("slow", NOW))
    other: list[Claim] = claiming.claim(outbox, [FEBRUARY], Leaseholder("quick", "run", 60.0), limit=1)
    mine = recording.exchange(outbox, [], fresh, Leaseholder("slow", "run", 60.0)).claims
    assert {claim.batch_id for claim in mine} == {fresh[0].batch_id, fresh[1].batch_id} - {other[0].batch_id}
    leasing.hand_back(outbox, [one.batch_id for one in fresh], "slow")
    assert [row.claimed_by for row in all_batches(outbox) if row.id == other[0].batch_id] == ["quick"]


def test_what_another_worker_staged_meanwhile_is_not_handed_over(outbox: Engine) -> None:
    """Batches that another worker staged stay with it; the remaining rows are staged, leased and posted here."""
    one, two = begin(outbox), begin(outbox)
    lease = Lease("two", NOW + timedelta(minutes=1))
    one.stage(list(pack(changes(5), 1, by_service=False)))
    new, fresh = two.stage(list(pack(changes(10), 1, by_service=False)), lease)
    assert (new, [one.changes[0] for one in fresh], leases(outbox)) == (5, changes(5, first=5), 5)


def test_several_days(outbox: Engine, institution: Institution) -> None:
    """Windows are read one after the other, and each gets its own tally."""
    institution.add(changes(10))
    institution.add([change(50, at=day("2020-02-20").start)])
    tallies, delivery = loading.load(
        outbox,
        institution.source,
        Dashboard,
        settings(),
        [day("2020-02-01"), day("2020-02-20")],
        Run("run", clock),
    )
    assert ([tally.new for tally in tallies], delivery.rows) == ([10, 1], 11)


def test_stopped_while_the_source_hangs(outbox: Engine, institution: Institution) -> None:
    """If the task is stopped while the source hangs, the statement is cancelled, calls in flight are recorded, and it ends."""
    march = month("2020-03")
    institution.add([*changes(5), change(9, at=march.start)])
    told_to_end = threading.Event()

    class Hanging(HookedSource):
        def cancel(self) -> None:
            told_to_end.set()

    def hang(_: int) -> None:
        if staged(outbox) and not told_to_end.wait(60):
            raise AssertionError("nobody has cancelled it")

    class Stopped(BaseException):
        pass

    def observe(_: Attempt) -> None:
        raise Stopped

    source = Hanging(institution.engine, hang)
    with pytest.raises(Stopped):
        loading.load(outbox, source, Dashboard, ONE_A_BATCH, [FEBRUARY, march], Run("run", clock), observe=observe)
    assert told_to_end.is_set()
    assert {row.outcome for row in attempts(outbox)} <= {"delivered", "transient"}, "what was not posted is no unknown call"
