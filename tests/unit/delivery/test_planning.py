"""Which windows a run covers; tests that need the outbox are in tests/integration."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from tablero.delivery.planning import longest_unproved, plan_day, plan_history, plan_interval, plan_run
from tablero.errors import ParameterError
from tablero.settings import Settings

UTC = timezone.utc
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
SETTINGS = Settings.read({})


def labels(start: str = "2020-01", end: str | None = None, now: datetime = NOW, **settings: str) -> list[str]:
    return [window.label for window in plan_history(Settings.read(settings), start_month=start, end_month=end, now=now)]


def test_the_whole_history() -> None:
    """Without an end the plan reaches the current month, cut at this instant."""
    assert len(labels()) == 83
    assert plan_history(SETTINGS, start_month="2026-11", end_month=None, now=NOW)[0].end == NOW


def test_some_months() -> None:
    """A range of months includes both ends."""
    assert labels("2021-11", "2022-02") == ["2021-11", "2021-12", "2022-01", "2022-02"]
    assert labels("2026-11", "2026-11") == ["2026-11"]


def test_the_month_of_today_is_local() -> None:
    """At 02:00 UTC on December 1st the current month in Santo Domingo is still November."""
    assert labels("2026-10", now=datetime(2026, 12, 1, 2, tzinfo=UTC)) == ["2026-10", "2026-11"]


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2019-12", None, "start_month is 2019-12, before 2020-01"),
        ("2020-01", "2026-12", "end_month is 2026-12, in the future; today is 2026-11-24"),
        ("2022-02", "2022-01", "Check start_month and end_month"),
        ("2020-1", None, "start_month is '2020-1'; give a month as YYYY-MM"),
        ("2020-01", "soon", "end_month is 'soon'; give a month as YYYY-MM"),
    ],
)
def test_parameters_that_make_no_sense(start: str, end: str | None, words: str) -> None:
    """The error names the parameter and the reason."""
    with pytest.raises(ParameterError, match=words):
        labels(start, end)


def test_another_earliest_day() -> None:
    """The month of the earliest day can be requested; the month before cannot."""
    assert labels("2021-06", "2021-06", earliest="2021-06-15") == ["2021-06"]
    with pytest.raises(ParameterError, match=r"before 2021-06, the month of \[tablero\] earliest: .* before 2021-06-15 are"):
        labels("2021-05", earliest="2021-06-15")


def test_a_day_by_name() -> None:
    """A named day is the civil day; today ends now."""
    whole = plan_day(SETTINGS, "2026-11-22", now=NOW)
    assert (whole.label, whole.end - whole.start) == ("2026-11-22", timedelta(days=1))
    assert plan_day(SETTINGS, "2026-11-24", now=NOW).end == NOW


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("2026-11-25", "in the future; today is 2026-11-24"),
        ("9999-12-31", "in the future; today is 2026-11-24"),
        ("2019-12-31", "before 2020-01-01"),
        ("yesterday", "give a day as YYYY-MM-DD"),
        ("2026-02-30", "give a day as YYYY-MM-DD"),
        ("24/11/2026", "give a day as YYYY-MM-DD"),
    ],
)
def test_no_day(day: str, words: str) -> None:
    """The error shows the given value and what is expected."""
    with pytest.raises(ParameterError, match=words):
        plan_day(SETTINGS, day, now=NOW)


def test_the_day_of_a_run() -> None:
    """The data interval of a scheduled run is exactly one civil day."""
    start = datetime(2026, 11, 22, 4, tzinfo=UTC)
    assert plan_interval(SETTINGS, start, start + timedelta(days=1), now=NOW).label == "2026-11-22"


def test_the_interval_of_a_day_that_has_not_ended() -> None:
    """Today's interval ends now, or the reading would count as one of the evening; tomorrow's is refused."""
    today, tomorrow = (datetime(2026, 11, day, 4, tzinfo=UTC) for day in (24, 25))
    assert plan_interval(SETTINGS, today, tomorrow, now=NOW).end == NOW
    with pytest.raises(ParameterError, match="in the future"):
        plan_interval(SETTINGS, tomorrow, tomorrow + timedelta(days=1), now=NOW)


@pytest.mark.parametrize("hours", [(0, 23), (1, 25), (0, 48), (0, 0), (2, 26)])
def test_an_interval_that_is_no_civil_day(hours: tuple[int, int]) -> None:
    """An interval of half a day or of two days is refused."""
    midnight = datetime(2026, 11, 22, 4, tzinfo=UTC)
    with pytest.raises(ParameterError, match="not one civil day in America/Santo_Domingo"):
        plan_interval(SETTINGS, *(midnight + timedelta(hours=number) for number in hours), now=NOW)


def test_a_day_of_23_hours() -> None:
    """Where the clocks change, a shorter interval is still a civil day."""
    settings = Settings.read({"timezone": "America/New_York"})
    start = datetime(2021, 3, 14, 5, tzinfo=UTC)
    assert plan_interval(settings, start, start + timedelta(hours=23), now=NOW).label == "2021-03-14"
    with pytest.raises(ParameterError):
        plan_interval(settings, start, start + timedelta(hours=24), now=NOW)


MIDNIGHT = datetime(2026, 11, 22, 4, tzinfo=UTC)
INTERVAL = (MIDNIGHT, MIDNIGHT + timedelta(days=1))


def chosen(day: str | None, interval: tuple[datetime, datetime] | None, *, owns: bool) -> str:
    return plan_run(SETTINGS, day=day, interval=interval, owns_interval=owns, now=NOW).label


@pytest.mark.parametrize("owns", [True, False])
def test_a_run_is_of_its_interval(owns: bool) -> None:
    """A scheduled run covers its data interval; naming that same day changes nothing."""
    assert chosen(None, INTERVAL, owns=owns) == "2026-11-22"
    assert chosen("2026-11-22", INTERVAL, owns=owns) == "2026-11-22"


def test_a_run_by_hand_is_of_the_day_that_is_named() -> None:
    """A manual run covers the named day; nobody chose the interval that Airflow gives it."""
    assert chosen("2026-11-20", INTERVAL, owns=False) == "2026-11-20"
    assert chosen("2026-11-20", None, owns=False) == "2026-11-20"


def test_a_run_cannot_be_of_two_days() -> None:
    """Naming a day in a backfill of three days is refused: that day would be sent three times, and the three not at all."""
    with pytest.raises(ParameterError, match="2026-11-22, and the parameter day says 2026-11-20: it cannot send both"):
        chosen("2026-11-20", INTERVAL, owns=True)


def test_a_run_without_a_day() -> None:
    """A run without a day is an error that says how to name one."""
    with pytest.raises(ParameterError, match="Trigger it with the parameter day"):
        chosen(None, None, owns=False)


def test_the_months_whose_proof_is_oldest() -> None:
    """Months never proved come first, then the oldest proofs, up to the limit."""
    months = plan_history(SETTINGS, start_month="2026-06", end_month="2026-10", now=NOW)
    proved = {months[index].start: NOW - timedelta(days=ago) for index, ago in ((0, 1), (1, 9), (2, 5), (4, 7))}
    assert [month.label for month in longest_unproved(months, proved, 3)] == ["2026-09", "2026-07", "2026-10"]
    assert longest_unproved(months, proved, 0) == longest_unproved([], {}, 3) == []


def test_every_month_has_its_turn() -> None:
    """With three months a night, all months since 2020 are proved within four weeks."""
    months, proved, audited = plan_history(SETTINGS, start_month="2020-01", end_month=None, now=NOW), {}, set()
    for night in range(28):
        for month in longest_unproved(months, proved, 3):
            proved[month.start] = NOW + timedelta(days=night)
            audited.add(month.label)
    assert len(audited) == len(months) == 83
