"""The civil-day timetable: when it fires, and for which day. The institution is in Santo Domingo unless specified."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pendulum
import pytest
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from pytest_mock import MockerFixture
from tablero.airflow.timetable import CivilDayTimetable
from tablero.contract.windows import day_window

HERE = "America/Santo_Domingo"
NIGHTLY = CivilDayTimetable(time(2), HERE)
NEW_YORK = CivilDayTimetable(time(2, 30), "America/New_York")
START = pendulum.datetime(2020, 1, 1, tz=HERE)


@pytest.fixture(autouse=True)
def _now(mocker: MockerFixture) -> None:
    at("2026-11-24 10:00", mocker)


def at(text: str, mocker: MockerFixture) -> None:
    """Set the current local time."""
    now = pendulum.parse(text, tz=HERE)
    mocker.patch("tablero.airflow.timetable.pendulum.now", return_value=now)


def following(
    last: DagRunInfo | None = None,
    *,
    earliest: datetime | None = START,
    latest: datetime | None = None,
    catchup: bool = False,
    timetable: CivilDayTimetable = NIGHTLY,
) -> DagRunInfo | None:
    restriction = TimeRestriction(earliest, latest, catchup)
    interval = last.data_interval if last else None
    return timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction)


def run_of(day: str, timetable: CivilDayTimetable = NIGHTLY) -> DagRunInfo:
    return timetable._run_for(date.fromisoformat(day))


def local(run: DagRunInfo | None, zone: str = HERE) -> tuple[str, str, str]:
    """Start and end of the interval, and when it fires, in local time."""
    assert run is not None
    assert run.data_interval is not None
    moments = (run.data_interval.start, run.data_interval.end, run.run_after)
    return tuple(f"{moment.in_timezone(zone):%m-%d %H:%M}" for moment in moments)  # three of three


def test_a_run_is_for_the_previous_civil_day() -> None:
    """A run fires at 02:00 for the whole previous day, whose instants are in UTC."""
    run = following()
    assert local(run) == ("11-23 00:00", "11-24 00:00", "11-24 02:00")
    assert run is not None
    assert run.run_after.utcoffset() == timedelta()
    assert run.logical_date == run.data_interval.start


# -- pairs -----------------------------------------------------------------------------------------------------------------


def test_the_first_run_without_catch_up() -> None:
    """Without catch-up the first run is for yesterday, although the DAG begins in 2020."""
    assert following() == run_of("2026-11-23")


def test_the_first_run_with_catch_up() -> None:
    """With catch-up the first run is for the first day."""
    assert following(catchup=True) == run_of("2020-01-01")


def test_the_first_run_before_it_is_time(mocker: MockerFixture) -> None:
    """At 01:59 the last due run is for the day before yesterday."""
    at("2026-11-24 01:59", mocker)
    assert following() == run_of("2026-11-22")


def test_the_first_run_when_it_is_time(mocker: MockerFixture) -> None:
    """At 02:00 sharp the last due run is for yesterday."""
    at("2026-11-24 02:00", mocker)
    assert following() == run_of("2026-11-23")


def test_the_next_run() -> None:
    """The next run is for the day after the last one, in the future."""
    assert following(run_of("2026-11-23")) == run_of("2026-11-24")


def test_the_next_run_after_days_off_without_catch_up() -> None:
    """After a week off there is one run, for yesterday, which also closes the gap."""
    assert following(run_of("2026-11-15")) == run_of("2026-11-23")


def test_the_next_run_after_days_off_with_catch_up() -> None:
    """With catch-up there is one run for each missed day."""
    assert following(run_of("2026-11-15"), catchup=True) == run_of("2026-11-16")


def test_no_start_without_catch_up() -> None:
    """Without start_date and catch-up, the first run is for yesterday."""
    assert following(earliest=None) == run_of("2026-11-23")


def test_no_start_with_catch_up() -> None:
    """Without start_date there is no first day to catch up from."""
    assert following(earliest=None, catchup=True) is None


def test_starting_in_the_middle_of_a_day() -> None:
    """A start in the middle of a day means the next complete day."""
    assert following(earliest=pendulum.datetime(2026, 11, 10, 12, tz=HERE), catchup=True) == run_of("2026-11-11")


def test_starting_at_midnight() -> None:
    """A start at midnight includes that day."""
    assert following(earliest=pendulum.datetime(2026, 11, 10, tz=HERE), catchup=True) == run_of("2026-11-10")


def test_starting_in_the_future() -> None:
    """Before a start in the future there is no run, with or without catch-up."""
    later = pendulum.datetime(2026, 12, 24, tz=HERE)
    assert following(earliest=later) == following(earliest=later, catchup=True) == run_of("2026-12-24")


def test_the_last_day() -> None:
    """An end at the first instant of a day includes that day."""
    assert following(run_of("2026-11-23"), latest=pendulum.datetime(2026, 11, 24, tz=HERE)) == run_of("2026-11-24")


def test_past_the_end() -> None:
    """Past the end there are no runs, which ends Airflow's loop over days."""
    end = pendulum.datetime(2026, 11, 23, 23, 59, 59, tz=HERE)
    assert following(run_of("2026-11-23"), latest=end) is None


# -- clocks that change ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "interval_hours", "fires"),
    [
        ("2021-03-12", 24, "03-13 02:30"),
        ("2021-03-13", 24, "03-14 03:30"),  # there is no 02:30 on the 14th
        ("2021-03-14", 23, "03-15 02:30"),
        ("2021-11-06", 24, "11-07 02:30"),
        ("2021-11-07", 25, "11-08 02:30"),
    ],
)
def test_in_a_zone_with_daylight_saving(day: str, interval_hours: int, fires: str) -> None:
    """Days have 23 or 25 hours, and the run fires at its time of day or at the end of a skipped hour."""
    run = run_of(day, NEW_YORK)
    assert run.data_interval is not None
    assert run.data_interval.end - run.data_interval.start == timedelta(hours=interval_hours)
    assert local(run, "America/New_York")[2] == fires


def test_a_year_of_runs_where_the_clocks_change() -> None:
    """Over a year each day has one run, without gap or overlap, and every run fires after its day has ended."""
    run = following(earliest=pendulum.datetime(2021, 1, 1, tz="America/New_York"), catchup=True, timetable=NEW_YORK)
    for number in range(365):
        assert run is not None
        assert run.data_interval is not None
        assert run.data_interval.start.in_timezone("America/New_York").date() == date(2021, 1, 1) + timedelta(days=number)
        assert run.run_after >= run.data_interval.end
        after = following(run, catchup=True, timetable=NEW_YORK)
        assert after is not None
        assert after.data_interval is not None
        assert after.data_interval.start == run.data_interval.end
        run = after


@pytest.mark.parametrize("zone", ["America/Havana", "America/Santiago", "Asia/Beirut", "America/New_York", HERE])
def test_a_run_is_for_the_day_that_is_sent(zone: str) -> None:
    """The interval equals the window of the day, even where the clocks skip midnight."""
    timetable = CivilDayTimetable(time(0, 30), zone)
    for number in range(366):
        day = date(2021, 1, 1) + timedelta(days=number)
        window, run = day_window(day, pendulum.timezone(zone)), timetable._run_for(day)
        assert run.data_interval == (window.start, window.end), day
        assert run.run_after >= window.end, day


# -- manual runs, the database ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "day"),
    [("2026-11-24 10:00", "2026-11-23"), ("2026-11-24 00:00", "2026-11-23"), ("2026-11-23 23:59:59", "2026-11-22")],
)
def test_a_manual_run(now: str, day: str) -> None:
    """A manual run is for the last civil day that has ended."""
    moment = pendulum.parse(now, tz=HERE)
    assert NIGHTLY.infer_manual_data_interval(run_after=moment) == run_of(day).data_interval


def test_there_and_back() -> None:
    """A timetable restored from the database equals the original."""
    kept = NEW_YORK.serialize()
    assert kept == {"at": "02:30", "zone": "America/New_York"}
    again = CivilDayTimetable.deserialize(kept)
    assert again.serialize() == kept
    assert again.summary == NEW_YORK.summary == "02:30 America/New_York"
    assert "02:30" in NEW_YORK.description


def days_between(first: str, last: str) -> list[str]:
    """The days of a backfill, as Airflow lists them from the stored DAG."""
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    dag = DAG("d", schedule=NIGHTLY, start_date=START, catchup=False)
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    edges = [pendulum.parse(text, tz=HERE) for text in (first, last)]
    runs = list(stored.iter_dagrun_infos_between(*edges))
    return [f"{run.data_interval.start.in_timezone(HERE):%Y-%m-%d}" for run in runs]


@pytest.mark.usefixtures("plugins_loaded")
def test_a_backfill_covers_exactly_the_days_asked_for() -> None:
    """A backfill covers exactly the requested days; the plugin registers the timetable under its stored name."""
    assert days_between("2026-11-16", "2026-11-18") == ["2026-11-16", "2026-11-17", "2026-11-18"]
    assert days_between("2026-11-16", "2026-11-16") == ["2026-11-16"]
    assert days_between("2026-11-16T00:00:01", "2026-11-17") == ["2026-11-17"]


def test_intervals_are_what_airflow_takes() -> None:
    """Intervals are ``DataInterval``, so that Airflow's own arithmetic works on them."""
    assert isinstance(run_of("2026-11-23").data_interval, DataInterval)
