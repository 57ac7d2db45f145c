"""The brake over the nights of institutions with few rows a day: no delivered row is sent again before a person has looked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from tablero.contract.windows import day_window
from tablero.delivery.run import Run
from tablero.delivery.staging import preview, stage
from tablero.errors import ImplausibleReading

from tests.integration.delivery.nights import Nights, days
from tests.integration.institution import VIEW, Institution
from tests.integration.samples import ZONE, settings

Change = Callable[[Nights], None]


def sql(statement: str) -> Change:
    """A change of the view's contents."""

    def change(nights: Nights) -> None:
        with nights.institution.engine.begin() as connection:
            connection.exec_driver_sql(f"update {VIEW} {statement}")

    return change


REKEYED = sql("set request_id = 'X' || request_id")
ANOTHER_ZONE = sql(
    "set opening_date = replace(opening_date, '+00:00', '+04:00'),"
    " last_modified_date = replace(last_modified_date, '+00:00', '+04:00')"
)


@pytest.fixture
def at_work(quick_outbox: Engine, tmp_path: Path) -> Callable[..., Nights]:
    """An institution after some quiet nights."""

    def make(rows: int, count: int = 7, **changed: object) -> Nights:
        nights = Nights(quick_outbox, Institution(tmp_path / "institution.db"), settings(batch_size=10, **changed))
        assert all(night.is_green for night in nights.all(0, count, rows=rows))
        return nights

    return make


def accepted(nights: Nights) -> int:
    """Rows that the dashboard has accepted, repeats included."""
    return sum(nights.dashboard.accepted.values())


@pytest.mark.parametrize(
    ("rows", "lookback", "change"),
    [
        (1, "3", REKEYED),
        (5, "1", sql("set service_id = '2' || service_id")),
        (8, "3", ANOTHER_ZONE),
        (3, "14", sql("set opening_date = substr(opening_date, 1, 10) || 'T04:00:00+00:00'")),
        (12, "3", REKEYED),
        (5, "0", REKEYED),
    ],
)
def test_every_row_seems_to_have_changed(at_work: Callable[..., Nights], rows: int, lookback: str, change: Change) -> None:
    """However few rows a day has, and however many days a night reads again, what was delivered is not sent once more."""
    nights = at_work(rows, 12, lookback_days=lookback)
    before = accepted(nights)
    nights.work(days(12, 1)[0], rows)
    change(nights)
    found = [nights.night(days(12, 1)[0]), *nights.all(13, 2, rows=0)]
    assert not any(night.is_green for night in found)
    assert ["ImplausibleReading" in night.alerted for night in found] == [True, False, False]
    assert accepted(nights) - before == rows  # those of the new day


def test_one_day_that_was_renumbered(at_work: Callable[..., Nights]) -> None:
    """One busy day whose rows were all renumbered stops that day alone: the others of that night look as always."""
    nights = at_work(12)
    nights.work(days(7, 1)[0], 12)
    day = day_window(days(5, 1)[0], ZONE)
    sql(f"set request_id = 'X' || request_id where last_modified_date between '{day.start:%F}' and '{day.end:%F}'")(nights)
    night = nights.night(days(7, 1)[0])
    assert {one.window.label for one in night.accounts if not one.settled} == {day.label, "2026-09"}
    assert accepted(nights) == 8 * 12


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_corrections_of_a_small_day(at_work: Callable[..., Nights], rows: int) -> None:
    """All rows of one small day may be corrected: the days around it say that the reading is right."""
    count = max(7, 12 // rows)
    nights = at_work(rows, count)
    (today,), day = days(count, 1), day_window(days(count - 2, 1)[0], ZONE)
    nights.work(today, rows)
    sql(f"set status_id = 7 where last_modified_date between '{day.start:%F}' and '{day.end:%F}'")(nights)
    assert nights.night(today).is_green
    assert accepted(nights) == (count + 2) * rows


def test_an_institution_with_few_rows_a_month(at_work: Callable[..., Nights]) -> None:
    """Months that hold fewer rows than the brake needs are judged with the months around them."""
    nights = at_work(0, count=1, audit_months="12", alert_low_volume_percent="0")
    for number in range(0, 300, 10):
        nights.enter(nights.change(days(number, 1)[0]))
    nights.all(300, 1, rows=0)
    before = accepted(nights)
    REKEYED(nights)
    found = nights.all(301, 2, rows=0)
    assert not any(night.is_green for night in found)
    assert accepted(nights) == before == 30


def test_an_outbox_with_fewer_rows_than_the_brake_needs(at_work: Callable[..., Nights]) -> None:
    """Of nine delivered rows, all may be corrected: there is nothing to compare them with."""
    nights = at_work(3, count=3)
    REKEYED(nights)
    assert nights.all(3, 1, rows=0)[0].is_green
    assert accepted(nights) == 18


def test_a_dry_run_and_a_run_by_hand_of_a_small_day(at_work: Callable[..., Nights]) -> None:
    """Both judge a small day with the days around it as well; the error names the day and how it is accepted."""
    nights = at_work(4)
    REKEYED(nights)
    day, run = day_window(days(5, 1)[0], ZONE), Run("by hand", lambda: day_window(days(7, 1)[0], ZONE).end)
    for judge in (preview, stage):
        with pytest.raises(ImplausibleReading) as caught:
            judge(nights.engine, nights.institution.source, nights.settings, day, run)
        assert "2026-09-06, together with the days around it: of 16 delivered rows, 16 are no longer" in caught.value.text.en
        assert 'daily_send with day "2026-09-06" and accept_changes' in caught.value.text.en
