"""Forty nights of each fault seen in production: every row is sent or reported."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window, day_window
from tablero.dashboard.answer import Answer
from tablero.delivery import nightly, reconciling
from tablero.delivery.rows import Tally
from tablero.delivery.run import Run
from tablero.delivery.staging import stage
from tablero.errors import SourceUnavailable
from tablero.source.reader import Source

from tests.integration.delivery.nights import Nights, days
from tests.integration.fake_dashboard import UNAVAILABLE, Dashboard, Entry
from tests.integration.institution import Institution
from tests.integration.samples import ZONE


@pytest.fixture
def nights(quick_outbox: Engine, tmp_path: Path) -> Nights:
    """Everything is empty; SQLite is enough, since the rules do not depend on the database."""
    return Nights(quick_outbox, Institution(tmp_path / "institution.db"))


def test_forty_quiet_nights(nights: Nights) -> None:
    """Forty quiet nights are all green, without alerts, and every row arrives once."""
    found = nights.all(0, 40)
    assert all(night.is_green for night in found)
    assert [night.alerted for night in found if night.alerted] == []
    assert (nights.missing, nights.repeated) == (set(), set())


def test_a_pause_of_forty_nights(nights: Nights) -> None:
    """The first night after a pause closes the gap in a few wide reads."""
    nights.all(0, 10)
    for day in days(10, 40):
        nights.work(day)
    (after,) = nights.all(50, 1)
    assert after.is_green
    assert (nights.missing, nights.repeated) == (set(), set())
    assert len(after.accounts) <= 2 + 1 + 3 + 3 + 1  # months of the gap, own day, last days, audits, rows without a date
    assert all(night.is_green for night in nights.all(51, 5))


def test_rows_that_are_entered_late(nights: Nights) -> None:
    """A row entered each week for a day long ago is found and reported by an audit."""
    nights.all(0, 60)
    late = []
    for week in range(5):
        late.append(nights.change(days(week * 9, 1)[0], hour=15))
        nights.enter(late[-1])
        nights.all(60 + week * 8, 8)
    assert nights.missing == set()
    assert nights.repeated == set()


def test_an_audit_that_finds_rows_is_reported(nights: Nights) -> None:
    """An audit reports late rows within the nights it takes to cover every month."""
    nights.all(0, 40)
    nights.enter(nights.change(days(3, 1)[0], hour=15))
    found = nights.all(40, 3)
    assert [cause for night in found for cause in night.alerted] == ["audit"]
    assert nights.missing == set()


@pytest.mark.parametrize("changed", [None, "15/09/2026 10:00", "infinity", "1789500000"])
def test_rows_without_a_date_written_after_go_live(nights: Nights, changed: str | None) -> None:
    """Undated rows are alerted once on the first morning, reported as over once corrected, and then sent."""
    nights.all(0, 5)
    row = nights.change(days(5, 1)[0], request="R-SIN-FECHA")
    nights.institution.add([(*row[:4], changed)])
    found = nights.all(5, 10)
    assert all(night.is_green for night in found)
    assert [night.alerted for night in found] == [["undated"], *[[]] * 9]
    assert all(one.recount == 1 for night in found for one in night.accounts if one.window.kind == "undated")
    nights.institution.remove([row])
    nights.enter(nights.change(days(15, 1)[0], request="R-SIN-FECHA"))
    (after,) = nights.all(15, 1)
    assert (after.alerted, after.over) == ([], ["undated"])
    assert (nights.missing, nights.repeated) == (set(), set())


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ("1926-09-06 10:00:00", "undated"),
        ("0224-09-06 10:00:00", "undated"),
        ("2019-12-31 10:00:00", "undated"),
        ("2062-09-06 10:00:00", "future"),
    ],
)
def test_rows_with_a_mistyped_year(nights: Nights, changed: str, cause: str) -> None:
    """A row from before the first month, or from far ahead, is alerted once, and reported as over once corrected."""
    nights.all(0, 5)
    row = nights.change(days(5, 1)[0], request="R-AÑO")
    nights.institution.add([(*row[:4], changed)])
    assert [night.alerted for night in nights.all(5, 4)] == [[cause], [], [], []]
    nights.institution.remove([row])
    nights.enter(nights.change(days(9, 1)[0], request="R-AÑO"))
    (after,) = nights.all(9, 1)
    assert (after.is_green, after.alerted, after.over) == (True, [], [cause])
    assert (nights.missing, nights.repeated) == (set(), set())


def test_an_institution_that_is_closed_at_the_weekend(nights: Nights) -> None:
    """Only the first weekend is reported: from then on an empty Saturday is usual. The view that empties later is not."""
    found = []
    for day in days(2, 40):  # from a Thursday on
        if day.weekday() < 5:
            nights.work(day)
        found.append(nights.night(day))
    assert [night.day.weekday() for night in found if night.alerted] == [5]
    (empty,) = nights.all(42, 1, rows=0)
    assert (empty.day.weekday(), empty.alerted) == (1, ["no_rows"])


def test_a_view_whose_rows_are_all_rejected_and_that_empties_then(nights: Nights) -> None:
    """Rejected rows are rows: the day that has none left is not back to normal."""
    found = []
    for day in days(0, 40):
        nights.institution.add([("", *nights.change(day)[1:])])
        found.append(nights.night(day))
    assert [night.alerted for night in found] == [["all_rejected"], *[[]] * 39]
    (empty,) = nights.all(40, 1, rows=0)
    assert empty.alerted == ["no_rows"]


@pytest.mark.parametrize("opened", ["1970-01-01 00:00:00", "2019-12-31 23:59:59"])
def test_a_view_whose_rows_are_all_excluded(nights: Nights, opened: str) -> None:
    """Requests that all seem to be older than the contract asks for are reported in the first morning."""
    found = []
    for day in days(0, 10):
        row = nights.change(day)
        nights.institution.add([(row[0], row[1], opened, *row[3:])])
        found.append(nights.night(day))
    assert [night.alerted for night in found] == [["all_excluded"], *[[]] * 9]
    assert all(night.is_green for night in found)


def test_a_row_that_the_reading_skips(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that the read skips makes each night that counts its day fail, with one alert."""
    nights.all(0, 5)
    read = Source.chunks

    def skipping(self: Source, window: Window) -> Iterator[list[Any]]:
        for rows in read(self, window):
            yield [row for row in rows if row[1] != "R-SALTADA"]

    monkeypatch.setattr(Source, "chunks", skipping)
    nights.enter(nights.change(days(5, 1)[0], request="R-SALTADA"))
    (night,) = nights.all(5, 1)
    (error,) = night.failed
    assert "2026-09-06: the source counts 6 rows, but returns 5 when they are read." in str(error)
    monkeypatch.undo()
    (after,) = nights.all(6, 1)
    assert after.is_green
    assert nights.missing == set()


def test_a_dashboard_that_is_down_for_forty_nights(nights: Nights) -> None:
    """An outage of the dashboard is alerted once, nights fail until everything is delivered, and the oldest rows go first."""
    nights.all(0, 5)
    up, nights.dashboard = nights.dashboard, Dashboard(lambda _: UNAVAILABLE)
    down = nights.all(5, 40)
    assert not any(night.is_green for night in down)
    assert [night.alerted for night in down[1:] if night.alerted] == []
    assert len(down[0].alerted) >= 1
    nights.dashboard = up
    (after,) = nights.all(45, 1)
    assert after.is_green
    assert after.over == ["failure"]
    assert (nights.missing, nights.repeated) == (set(), set())


@pytest.mark.parametrize("scheduler_is_down", [False, True])
def test_the_last_status_arrives_last(nights: Nights, scheduler_is_down: bool) -> None:
    """After five days' outage of the dashboard or of Airflow, the last status of a request that changed daily arrives last."""
    nights.all(0, 3)
    up = nights.dashboard
    order: list[tuple[str, int]] = []
    nights.dashboard = Dashboard(lambda _: UNAVAILABLE)
    for number, day in enumerate(days(3, 5)):
        nights.enter(nights.change(day, request="R-LONG", status=1 + number))
        nights.work(day)
        if not scheduler_is_down:
            nights.night(day)

    def remember(entries: list[Entry]) -> Answer:
        mine = [entry for entry in entries if entry["request_id"] == "R-LONG"]
        order.extend((entry["last_modified_date"], entry["status_id"]) for entry in mine)
        return up._decide(entries)

    nights.dashboard = Dashboard(remember)
    nights.enter(nights.change(days(8, 1)[0], request="R-LONG", status=7))
    assert nights.night(days(8, 1)[0]).is_green
    assert order == sorted(order)
    assert order[-1][1] == 7
    assert len(order) == 6


def test_a_mapping_that_breaks(nights: Nights) -> None:
    """If ``service_id`` is NULL in all rows, there is one alert on the first morning; corrected rows are all sent."""
    nights.all(0, 10)
    broken: list[date] = days(10, 40)
    rows = []
    alerted = []
    for day in broken:
        changes = [nights.change(day, hour=8 + number) for number in range(5)]
        nights.institution.add([(None, *change[1:]) for change in changes])
        rows += changes
        alerted.append(nights.night(day).alerted)
    assert "all_rejected" in alerted[0]
    assert [cause for causes in alerted[1:] for cause in causes if cause == "all_rejected"] == []
    nights.institution.remove(rows)
    nights.enter(*rows)
    after = nights.all(50, 28)
    assert "all_rejected" in after[0].over
    assert nights.missing == set()


def test_an_empty_view(nights: Nights) -> None:
    """An empty view is green, since nothing is missing, but is alerted once on the first morning, and once when it is over."""
    nights.all(0, 20)
    empty = [nights.night(day) for day in days(20, 40)]
    assert all(night.is_green for night in empty)
    assert empty[0].alerted == ["no_rows"]
    assert sum("no_rows" in night.alerted for night in empty) == 1
    (after,) = nights.all(60, 1)
    assert after.over == ["no_rows"]


def test_an_empty_view_from_the_first_night_on(nights: Nights) -> None:
    """A view that is empty from the first night on is alerted, although nothing is usual yet."""
    assert nights.night(days(0, 1)[0]).alerted == ["no_rows"]


class Down:
    """A source that does not answer."""

    def __getattr__(self, _: str) -> Any:
        raise SourceUnavailable("the source is switched off")


def test_a_source_that_is_down(nights: Nights) -> None:
    """An outage of the source fails each night with one alert; pending rows of earlier nights are sent, and nothing is missing
    afterwards."""
    nights.all(0, 3)
    up, nights.dashboard = nights.dashboard, Dashboard(lambda _: UNAVAILABLE)
    nights.all(3, 1)
    nights.dashboard, source = up, nights.institution.source
    assert len(nights.missing) == 5
    nights.institution.source = Down()  # type: ignore[assignment]
    for number, day in enumerate(days(4, 5)):
        nights.work(day)
        assert not nights.night(day).is_green
        assert len(nights.missing) == 5 * (number + 1)  # the rows of the days that could not be read
    nights.institution.source = source
    (after,) = nights.all(9, 1)
    assert after.is_green
    assert (nights.missing, nights.repeated) == (set(), set())


def test_a_day_that_cannot_be_read(nights: Nights, mocker: MockerFixture) -> None:
    """If reading one day always times out, all other rows are sent, and the nights fail with a single alert."""
    nights.all(0, 3)
    nights.work(days(3, 1)[0])  # not read, because Airflow was off
    bad = day_window(days(3, 1)[0], ZONE)

    def read(engine: Engine, source: object, settings: object, window: Window, run: Run) -> Tally:
        if bad.start in window:
            raise SourceUnavailable("statement timeout")
        return stage(engine, source, settings, window, run)  # type: ignore[arg-type]

    for module in (nightly, reconciling):
        mocker.patch.object(module, "stage", read)
    red = nights.all(4, 14)
    assert not any(night.is_green for night in red)
    still_open = {account.window.label for night in red for account in night.accounts if not account.settled}
    assert still_open == {bad.label, "2026-09"}  # and the month that contains it, once it is audited
    assert len([cause for night in red for cause in night.alerted]) == 1
    assert len(nights.missing) == 5
    mocker.stopall()
    (after,) = nights.all(18, 1)
    assert after.is_green
    assert nights.missing == set()
