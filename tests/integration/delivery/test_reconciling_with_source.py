"""Reconciling against a source that lives on: it is recounted, and what it holds beyond what was read is fetched and sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.delivery.reconciling import PASSES, reconcile
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.errors import DashboardUnavailable, SourceUnavailable
from tablero.outbox.ledger import Account
from tablero.outbox.schema import reconciliation
from tablero.source.reader import Source

from tests.integration.institution import Institution
from tests.integration.posters import UNAVAILABLE, Dashboard
from tests.integration.samples import FEBRUARY, changes, clock, month, settings, states

MARCH = month("2020-03")


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    institution = Institution(tmp_path / "institution.db")
    institution.add(changes(10))
    return institution


def load(engine: Engine, institution: Institution, dashboard: Dashboard, window: Window = FEBRUARY) -> None:
    stage(engine, institution.source, settings(), window, run_id="run", clock=clock)
    send(engine, lambda: dashboard, settings(), [window], run_id="run", clock=clock)


def prove(
    engine: Engine, source: Source, *windows: Window, catch_up: Callable[[Window], object]
) -> tuple[list[Account], Exception | None]:
    return reconcile(engine, source, windows or [FEBRUARY], run_id="run", clock=clock, catch_up=catch_up)


def never(window: Window) -> None:
    raise AssertionError(f"{window.label} is read again")


def test_all_is_settled(outbox: Engine, institution: Institution) -> None:
    """Nothing is read again, and the proof is kept."""
    load(outbox, institution, Dashboard())
    (account,), failure = prove(outbox, institution.source, catch_up=never)
    assert failure is None
    assert account.settled
    assert account.recount == 10
    with outbox.connect() as connection:
        assert [row.settled for row in connection.execute(sa.select(reconciliation))] == [True]


def test_rows_that_came_meanwhile_are_sent(outbox: Engine, institution: Institution) -> None:
    """Committed between the reading and the recount: picked up, not reported as loss, and sent once."""
    dashboard = Dashboard()
    load(outbox, institution, dashboard)
    institution.add(changes(3, first=10))
    (account,), failure = prove(
        outbox, institution.source, catch_up=lambda window: load(outbox, institution, dashboard, window)
    )
    assert failure is None
    assert account.settled
    assert account.delivered == account.recount == 13
    assert set(dashboard.accepted.values()) == {1}


def test_a_source_that_grows_without_end(outbox: Engine, institution: Institution) -> None:
    """Followed a few times, then told as it is."""
    passes = 0

    def catch_up(window: Window) -> None:
        nonlocal passes
        passes += 1
        load(outbox, institution, Dashboard(), window)
        institution.add(changes(1, first=100 + passes))

    load(outbox, institution, Dashboard())
    institution.add(changes(1, first=100))
    (account,), failure = prove(outbox, institution.source, catch_up=catch_up)
    assert failure is None
    assert passes == PASSES
    assert not account.settled


def test_what_is_pending_is_not_tried_again(outbox: Engine, institution: Institution) -> None:
    """It has had its tries; the run fails for it."""
    with pytest.raises(DashboardUnavailable):
        load(outbox, institution, Dashboard(lambda _: UNAVAILABLE))
    (account,), failure = prove(outbox, institution.source, catch_up=never)
    assert failure is None
    assert account.pending == 10
    assert not account.settled


def test_catching_up_fails(outbox: Engine, institution: Institution) -> None:
    """The table is made all the same, for all windows, and the first failure is told."""
    load(outbox, institution, Dashboard())
    load(outbox, institution, Dashboard(), MARCH)
    institution.add(changes(3, first=10))

    def catch_up(window: Window) -> None:
        load(outbox, institution, Dashboard(lambda _: UNAVAILABLE), window)

    accounts, failure = prove(outbox, institution.source, FEBRUARY, MARCH, catch_up=catch_up)
    assert isinstance(failure, DashboardUnavailable)
    assert [(one.window.label, one.settled) for one in accounts] == [("2020-02", False), ("2020-03", True)]
    assert states(outbox) == {"delivered": 10, "pending": 3}


def test_a_source_that_is_down_is_asked_once(outbox: Engine, institution: Institution, monkeypatch: pytest.MonkeyPatch) -> None:
    """83 months would each wait for a time-out; the table shows what the outbox knows."""
    load(outbox, institution, Dashboard())
    asked = []

    def count(_: Source, window: Window) -> int:
        asked.append(window.label)
        raise SourceUnavailable("the source is down")

    monkeypatch.setattr(Source, "count", count)
    accounts, failure = prove(outbox, institution.source, FEBRUARY, MARCH, catch_up=never)
    assert isinstance(failure, SourceUnavailable)
    assert asked == ["2020-02"]
    assert [(one.delivered, one.recount, one.settled) for one in accounts] == [(10, None, False), (0, None, False)]


def test_rows_that_were_deleted_at_the_source(outbox: Engine, institution: Institution) -> None:
    """Delivered, and gone there since: read again to know, and settled."""
    load(outbox, institution, Dashboard())
    institution.remove(changes(4))
    (account,), failure = prove(
        outbox, institution.source, catch_up=lambda window: load(outbox, institution, Dashboard(), window)
    )
    assert failure is None
    assert account.settled
    assert (account.recount, account.gone, account.delivered) == (6, 4, 10)
