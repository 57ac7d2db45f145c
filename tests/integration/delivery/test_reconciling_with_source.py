"""Reconciling against a changing source: each window is read again, and what that finds is sent."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.delivery import reconciling
from tablero.delivery.reconciling import PASSES, Reconciled, reconcile
from tablero.delivery.rows import Tally
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.errors import DashboardUnavailable, OutsideHours, SetupError, SourceUnavailable, TableroError
from tablero.outbox.schema import reconciliation
from tablero.source.reader import Source

from tests.integration.fake_dashboard import UNAVAILABLE, Dashboard
from tests.integration.institution import Institution
from tests.integration.samples import FEBRUARY, NOW, change, changes, clock, month, settings, states

MARCH, APRIL = month("2020-03"), month("2020-04")


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    institution = Institution(tmp_path / "institution.db")
    institution.add(changes(10))
    return institution


def post(engine: Engine, dashboard: Dashboard, window: Window = FEBRUARY) -> None:
    send(engine, lambda: dashboard, settings(), [window], Run("run", clock))


def load(engine: Engine, institution: Institution, dashboard: Dashboard, window: Window = FEBRUARY) -> None:
    stage(engine, institution.source, settings(), window, Run("run", clock))
    post(engine, dashboard, window)


def prove(
    engine: Engine,
    institution: Institution,
    *windows: Window,
    send: Callable[[Window], object] | None = None,
    unsent: Collection[Window] = (),
) -> Reconciled:
    def never(window: Window) -> None:
        raise AssertionError(f"{window.label} is sent")

    return reconcile(
        engine,
        institution.source,
        settings(),
        windows or [FEBRUARY],
        Run("run", clock),
        send=send or never,
        unsent=unsent,
    )


def test_all_is_settled(outbox: Engine, institution: Institution) -> None:
    """If all is settled, nothing is sent and the proof is stored."""
    load(outbox, institution, Dashboard())
    (account,), failure = prove(outbox, institution)
    assert failure is None
    assert account.settled
    assert account.recount == 10
    with outbox.connect() as connection:
        assert [row.settled for row in connection.execute(sa.select(reconciliation))] == [True]


def test_rows_that_came_meanwhile_are_sent(outbox: Engine, institution: Institution) -> None:
    """Rows committed between the two reads are staged and sent once, and not reported as loss."""
    dashboard = Dashboard()
    load(outbox, institution, dashboard)
    institution.add(changes(3, first=10))
    (account,), failure = prove(outbox, institution, send=lambda window: post(outbox, dashboard, window))
    assert failure is None
    assert account.settled
    assert account.delivered == account.recount == 13
    assert set(dashboard.accepted.values()) == {1}


def test_a_row_that_was_changed_in_place_is_sent(outbox: Engine, institution: Institution) -> None:
    """A row changed in place is sent, although the number of rows is the same."""
    dashboard = Dashboard()
    load(outbox, institution, dashboard)
    institution.remove([change(4)])
    institution.add([change(4, status=7)])
    (account,), failure = prove(outbox, institution, send=lambda window: post(outbox, dashboard, window))
    assert failure is None
    assert account.settled
    assert (account.recount, account.gone, account.delivered) == (10, 1, 11)


def test_a_source_that_grows_without_end(outbox: Engine, institution: Institution, mocker: MockerFixture) -> None:
    """A source that keeps growing is followed a few times, and then reported as not settled."""
    readings = 0

    def growing(*arguments: object, **named: object) -> Tally:
        nonlocal readings
        readings += 1
        institution.add(changes(1, first=100 + readings))
        return stage(*arguments, **named)  # type: ignore[arg-type]

    load(outbox, institution, Dashboard())
    mocker.patch.object(reconciling, "stage", growing)
    (account,), failure = prove(outbox, institution, send=lambda window: post(outbox, Dashboard(), window))
    assert failure is None
    assert readings == PASSES + 1
    assert account.delivered == 10 + readings
    assert not account.settled


def test_what_another_task_failed_to_send_is_left_to_it(outbox: Engine, institution: Institution) -> None:
    """Rows that their own task could not send are not retried here, and fail the run."""
    with pytest.raises(DashboardUnavailable):
        load(outbox, institution, Dashboard(lambda _: UNAVAILABLE))
    (account,), failure = prove(outbox, institution, unsent=[FEBRUARY])
    assert failure is None
    assert account.pending == 10
    assert not account.settled


def test_a_retry_sends_what_the_first_try_staged(outbox: Engine, institution: Institution) -> None:
    """If sending the rows found fails, it is with a transient error, and each retry sends them again until they arrive."""
    down, up = Dashboard(lambda _: UNAVAILABLE), Dashboard()
    for _ in range(2):
        (account,), failure = prove(outbox, institution, send=lambda window: post(outbox, down, window))
        assert isinstance(failure, DashboardUnavailable)
        assert account.pending == 10
    assert len(down.calls) == 2
    (account,), failure = prove(outbox, institution, send=lambda window: post(outbox, up, window))
    assert failure is None
    assert account.settled
    assert set(up.accepted.values()) == {1}
    assert account.delivered == 10


def test_sending_fails(outbox: Engine, institution: Institution) -> None:
    """If sending fails, the table still covers all windows, and the failure is reported."""
    load(outbox, institution, Dashboard())
    load(outbox, institution, Dashboard(), MARCH)
    institution.add(changes(3, first=10))
    down = Dashboard(lambda _: UNAVAILABLE)
    accounts, failure = prove(outbox, institution, FEBRUARY, MARCH, send=lambda window: post(outbox, down, window))
    assert isinstance(failure, DashboardUnavailable)
    assert [(one.window.label, one.settled) for one in accounts] == [("2020-02", False), ("2020-03", True)]
    assert states(outbox) == {"delivered": 10, "pending": 3}


def failing(mocker: MockerFixture, errors: dict[str, TableroError]) -> list[str]:
    """Windows that cannot be read; returns the labels of those that were tried."""
    tried: list[str] = []

    def read(engine: Engine, source: Source, settings: object, window: Window, **named: object) -> Tally:
        tried.append(window.label)
        if window.label in errors:
            raise errors[window.label]
        return stage(engine, source, settings, window, **named)  # type: ignore[arg-type]

    mocker.patch.object(reconciling, "stage", read)
    return tried


def test_a_source_that_is_down_is_asked_once(outbox: Engine, institution: Institution, mocker: MockerFixture) -> None:
    """If the source is down it is queried once, or 83 months would each time out; the table shows what the outbox knows."""
    load(outbox, institution, Dashboard())

    def down(_: Source) -> list[str]:
        raise SourceUnavailable("the source is down")

    tried = failing(mocker, {"2020-02": SourceUnavailable("the source is down")})
    mocker.patch.object(Source, "check", down)
    accounts, failure = prove(outbox, institution, FEBRUARY, MARCH)
    assert isinstance(failure, SourceUnavailable)
    assert tried == ["2020-02"]
    assert [(one.delivered, one.recount, one.settled) for one in accounts] == [(10, None, False), (0, None, False)]


def test_a_window_that_cannot_be_read_is_red_alone(outbox: Engine, institution: Institution, mocker: MockerFixture) -> None:
    """If one window's statement hits a limit but the source answers, the other windows are still proved."""
    for window in (FEBRUARY, MARCH, APRIL):
        load(outbox, institution, Dashboard(), window)
    tried = failing(mocker, {"2020-03": SourceUnavailable("statement timeout")})
    accounts, failure = prove(outbox, institution, FEBRUARY, MARCH, APRIL)
    assert tried == ["2020-02", "2020-03", "2020-04"]
    assert [one.settled for one in accounts] == [True, False, True]
    assert isinstance(failure, SourceUnavailable)


def test_what_may_pass_is_raised_first(outbox: Engine, institution: Institution, mocker: MockerFixture) -> None:
    """Transient errors are raised first, so that a window that can never be read does not prevent retries of the others."""
    closed = OutsideHours("closed", resume_at=NOW)
    failing(mocker, {"2020-02": SetupError("no"), "2020-03": SourceUnavailable("cut off"), "2020-04": closed})
    assert isinstance(prove(outbox, institution, FEBRUARY, MARCH).failure, SourceUnavailable)
    assert prove(outbox, institution, FEBRUARY, MARCH, APRIL).failure is closed


def test_rows_that_were_deleted_at_the_source(outbox: Engine, institution: Institution) -> None:
    """Delivered rows that were deleted at the source are counted as gone, and the window is settled."""
    load(outbox, institution, Dashboard())
    institution.remove(changes(4))
    (account,), failure = prove(outbox, institution)
    assert failure is None
    assert account.settled
    assert (account.recount, account.gone, account.delivered) == (6, 4, 10)
