"""The sum over the whole view, on SQLite and PostgreSQL: undated, future and late rows, and a read that loses one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy.engine import Engine
from tablero.contract.status_change import FIELDS
from tablero.contract.windows import Window, dateless_window, day_window, month_windows, undated_window
from tablero.delivery.counting import Counted, compare, require_whole
from tablero.delivery.reconciling import Reconciled, reconcile, require_settled
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.errors import NotSettledError
from tablero.outbox import ledger
from tablero.outbox.engine import reading
from tablero.outbox.findings import ViewCount
from tablero.outbox.ledger import Account
from tablero.source.dialects.base import Chunks
from tablero.source.reader import Source

from tests.integration.fake_dashboard import Dashboard
from tests.integration.samples import NOW, ZONE, clock, settings

VIEW = "tablero_status_changes"
FIRST = date(2020, 1, 1)

#: A load of all months, planned on 1 May 2020, and a load of two months.
MONTHS = month_windows(FIRST, date(2020, 4, 1), ZONE, NOW)
FULL = [*MONTHS, undated_window(FIRST, ZONE)]
SOME = [*MONTHS[1:3], undated_window(FIRST, ZONE)]

#: Rows of each month, undated ones, older ones, and some that are still in the future.
DATES = [
    *(f"2020-{month:02}-{day:02} 10:00:00" for month in (1, 2, 3, 4) for day in range(1, 26)),
    *("2020-01-01 00:00:00", "2020-01-31 23:59:59.999999", "2020-02-01 00:00:00", "2020-02-29 23:59:59.999999"),
    *("2019-12-31 23:59:59.999999", "2019-06-01 10:00:00", "1999-01-01 00:00:00"),
    *("2020-05-01 00:00:00", "2026-11-24 02:00:00", "2099-01-01 00:00:00"),
    *(None, None),
]
UNDATED_TEXT = ["", "pendiente", "15/01/2020 09:00:00", "2020-02-30", "infinity", "2020-13-01"]


@pytest.fixture(params=["text", "timestamp"])
def source(request: pytest.FixtureRequest, backend: str, source_engine: Engine) -> Source:
    """A view over a table whose dates are text, or timestamps where the database has them."""
    if backend == "sqlite" and request.param == "timestamp":
        pytest.skip("SQLite keeps dates as text")
    with source_engine.begin() as connection:
        columns = f"service_id text, request_id text, opening_date text, status_id int, last_modified_date {request.param}"
        connection.exec_driver_sql(f"CREATE TABLE h ({columns})")
        connection.exec_driver_sql(f"CREATE VIEW {VIEW} AS SELECT {', '.join(FIELDS)} FROM h")
    found = Source(source_engine, table=VIEW, sql=None, zone=ZONE, day_zone=ZONE)
    enter(found, DATES + (UNDATED_TEXT if request.param == "text" else ["infinity", "-infinity"]))
    return found


def enter(source: Source, dates: Sequence[str | None], name: str = "R") -> None:
    rows = ", ".join(
        f"('1041', '{name}-{number}', '2020-01-01 00:00:00', 2, {'NULL' if changed is None else repr(changed)})"
        for number, changed in enumerate(dates)
    )
    with source.engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO h VALUES {rows}")


class Steps:
    """A load of some windows, with the steps of a run's tasks."""

    def __init__(self, outbox: Engine, source: Source, windows: Sequence[Window]) -> None:
        self.outbox, self.source, self.windows, self.dashboard = outbox, source, windows, Dashboard()

    def load(self) -> None:
        for window in self.windows:
            stage(self.outbox, self.source, settings(), window, Run("run", clock))
            self._send(window)

    def prove(self, meanwhile: Any = lambda: None) -> Counted:
        found = self._reconcile(self.windows)
        meanwhile()
        return compare(
            self.source,
            found,
            self._reconcile,
            lambda account: ledger.keep(self.outbox, account, "run", NOW),
            is_load=self.windows[-1] != dateless_window(),
        )

    def _reconcile(self, windows: Sequence[Window]) -> Reconciled:
        return reconcile(self.outbox, self.source, settings(), windows, Run("run", clock), send=self._send)

    def _send(self, window: Window) -> None:
        send(self.outbox, lambda: self.dashboard, settings(), [window], Run("run", clock))


def stored(outbox: Engine, window: Window) -> Account:
    """The proof of a window that is on record."""
    found = ledger.last_proof(outbox, window)
    assert found is not None
    return found


def test_the_sum_over_the_view_closes(outbox: Engine, source: Source, caplog: pytest.LogCaptureFixture) -> None:
    """Rows in the view = windows + undated + future; the log states each figure."""
    load = Steps(outbox, source, FULL)
    load.load()
    with caplog.at_level("INFO"):
        counted = load.prove()
    require_whole(counted)
    require_settled(counted.reconciled.accounts)
    with source.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT count(*) FROM {VIEW}").scalar()
    said = [record.getMessage() for record in caplog.records]
    assert f"The view has {rows} rows: {rows - 3} in undated … 2020-04, 3 later." in said
    assert f"undated … 2020-04: the source counts {rows - 3} rows, as many as were read." in said
    assert sum(one.recount or 0 for one in counted.reconciled.accounts) == rows - 3
    assert counted.view == ViewCount("complete", MONTHS[-1].end, rows - 3, rows - 3, 3)


def test_a_load_of_some_months_closes_over_them(outbox: Engine, source: Source, caplog: pytest.LogCaptureFixture) -> None:
    """A load of some months counts them separately, and likewise the rows before the first month."""
    load = Steps(outbox, source, SOME)
    load.load()
    with caplog.at_level("INFO"):
        require_whole(load.prove())
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "2020-02 … 2020-03: the source counts 52 rows, as many as were read." in said
    assert "undated: the source counts" in said


def test_rows_that_arrive_while_it_runs_are_sent_and_the_sum_closes(outbox: Engine, source: Source) -> None:
    """Rows committed after the windows were read again (late, undated or future ones) are sent, and the sum matches."""
    load = Steps(outbox, source, FULL)
    load.load()
    late = ["2020-02-10 11:00:00", "2020-03-10 11:00:00", "2020-03-11 11:00:00", "2055-01-01 00:00:00", None, "infinity"]
    counted = load.prove(meanwhile=lambda: enter(source, late, "late"))
    require_whole(counted)
    assert {request for request in load.dashboard.accepted if request.startswith("late")} == {"late-0", "late-1", "late-2"}


def test_rows_that_leave_while_it_runs_are_no_loss(outbox: Engine, source: Source) -> None:
    """In a view of current statuses a request may move on, so that its row leaves February: this is no loss."""
    load = Steps(outbox, source, FULL)
    load.load()

    def move() -> None:
        with source.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE h SET last_modified_date = '2099-01-01 00:00:00' WHERE request_id = 'R-30'")

    require_whole(load.prove(meanwhile=move))


@pytest.mark.parametrize("lost", ["R-30", f"R-{len(DATES) - 1}"], ids=["of a month", "undated"])
def test_a_row_that_is_skipped_is_red(outbox: Engine, source: Source, mocker: MockerFixture, lost: str) -> None:
    """A row that every read skips leaves each window settled, but the count reveals it and the run fails."""
    read = Source.chunks

    def skipping(self: Source, window: Window) -> Chunks:
        for rows in read(self, window):
            yield [row for row in rows if row[1] != lost]

    mocker.patch.object(Source, "chunks", skipping)
    load = Steps(outbox, source, FULL)
    load.load()
    counted = load.prove()
    with pytest.raises(NotSettledError, match=r"undated: the source counts|2020-02: the source counts 27 rows, but returns 26"):
        require_whole(counted)
    lacking = "2020-02" if lost == "R-30" else "undated"
    assert [one.window.label for one in counted.reconciled.accounts if not one.settled] == [lacking]
    assert [window.label for window in FULL if not stored(outbox, window).settled] == [lacking]


def test_rows_that_no_reading_asks_for_are_red(outbox: Engine, source: Source, mocker: MockerFixture) -> None:
    """If a window's query covers too little, no reading sees the rows of March, but the count does."""
    february, march = FULL[1], FULL[2]
    wide = Window("month", "2020-02", february.start, march.end)
    read = Source.chunks
    mocker.patch.object(Source, "chunks", lambda self, window: read(self, february if window == wide else window))
    load = Steps(outbox, source, [wide if window == february else window for window in FULL if window != march])
    load.load()
    with pytest.raises(NotSettledError, match=r"2020-02: the source counts 52 rows, but returns 2[79]"):
        require_whole(load.prove())
    assert not stored(outbox, wide).settled


@pytest.mark.parametrize("source", ["text"], indirect=True)
def test_a_window_that_lacks_rows_closes_once_they_are_read(outbox: Engine, source: Source, mocker: MockerFixture) -> None:
    """After the view is mended, the next reading proves the window anew."""
    read = Source.chunks
    mocker.patch.object(
        Source, "chunks", lambda self, window: ([row for row in rows if row[1] != "R-30"] for rows in read(self, window))
    )
    load = Steps(outbox, source, FULL)
    load.load()
    assert load.prove().complaints
    mocker.stopall()
    counted = load.prove()
    require_whole(counted)
    require_settled(counted.reconciled.accounts)
    assert all(stored(outbox, window).settled for window in FULL)


def test_a_night_counts_its_own_days(outbox: Engine, source: Source) -> None:
    """A night counts its day, the days before it, and the undated rows whose number it knows."""
    days = [day_window(date(2020, 4, 20) + timedelta(days=number), ZONE) for number in range(5)]
    night = Steps(outbox, source, [days[-1], *days[:-1], dateless_window()])
    night.load()
    counted = night.prove()
    require_whole(counted)
    accounts = {one.window.label: one for one in counted.reconciled.accounts}
    assert accounts["undated"].recount == accounts["undated"].rejected.total() >= 4
    assert sum(accounts[day.label].recount or 0 for day in days) == 5
    with reading(outbox) as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM reconciliation")).scalar() == 6


def test_counting_costs_a_night_the_same_whatever_lies_before(outbox: Engine, source: Source, mocker: MockerFixture) -> None:
    """A night makes one count between the bounds of its days, and never one of the whole view."""
    days = [day_window(date(2020, 4, 20) + timedelta(days=number), ZONE) for number in range(5)]
    night = Steps(outbox, source, [*days, dateless_window()])
    night.load()
    found = night._reconcile(night.windows)
    asked: list[Any] = []
    count = Source.count
    mocker.patch.object(Source, "census", pytest.fail)
    mocker.patch.object(Source, "count", lambda self, some: asked.append(some) or count(self, some))
    require_whole(compare(source, found, pytest.fail, pytest.fail, is_load=False))
    assert asked == [days]
