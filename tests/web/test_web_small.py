"""Small pure functions: runs to start, pace, CSV cells, figures, formats."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.outbox.reports.activity import Progress
from tablero.web import charts, safe_csv
from tablero.web.formats import Formats
from tablero.web.language import texts
from tablero.web.progress import pace
from tablero.web.reruns import MAX_STRETCHES, Rerun, plan_days, plan_months

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=timezone.utc)


def plan(days: list[date]) -> list[Rerun]:
    """The runs that read these days again, on a day in November 2026."""
    return plan_days(days, earliest=date(2020, 1, 15), today=NOW.date())


def test_rows_that_lie_in_no_month_are_read_by_the_shortest_historical_load() -> None:
    """Undated rows are read by the shortest historical load; no daily send reads them."""
    no_date, too_early = date(1900, 1, 1), date(2019, 12, 31)
    shortest = Rerun("historical_load", {"start_month": "2026-11", "end_month": "2026-11"})
    assert plan([no_date, too_early]) == [shortest]
    assert plan([no_date, date(2026, 10, 7)]) == [Rerun("daily_send", {"day": "2026-10-07"}), shortest]
    many = [date(2026, 10, day) for day in range(1, 9)]
    assert plan([no_date, *many]) == [Rerun("historical_load", {"start_month": "2026-10", "end_month": "2026-10"})]


def test_few_days_are_sent_each_by_a_run_of_its_own() -> None:
    """Each of a few days is sent by its own run, however many of its rows were chosen."""
    days = [date(2026, 10, 9), date(2026, 10, 7), date(2026, 10, 9)]
    assert plan(days) == [Rerun("daily_send", {"day": "2026-10-07"}), Rerun("daily_send", {"day": "2026-10-09"})]


def test_many_days_are_sent_by_their_months() -> None:
    """Many days are sent by one run over their months."""
    days = [date(2026, 10, day) for day in (1, 2, 3)] + [date(2026, 11, 4), date(2025, 12, 31)]
    assert plan(days) == [
        Rerun("historical_load", {"start_month": "2025-12", "end_month": "2025-12"}),
        Rerun("historical_load", {"start_month": "2026-10", "end_month": "2026-11"}),
    ]


def test_nothing_to_send_is_no_run() -> None:
    """Without days there is no run, neither by day nor by month."""
    assert plan([]) == []
    assert plan_months([]) == []


@given(st.lists(st.dates(date(2020, 1, 1), date(2026, 11, 24)), max_size=40))
def test_every_day_is_covered_and_runs_are_few(days: list[date]) -> None:
    """Any chosen days are all covered by few runs."""
    reruns = plan(days)
    assert len(reruns) <= max(3, MAX_STRETCHES)
    for day in days:
        assert any(
            rerun.conf.get("day") == day.isoformat()
            or rerun.conf.get("start_month", "9") <= f"{day:%Y-%m}" <= rerun.conf.get("end_month", "0")
            for rerun in reruns
        )


@pytest.mark.parametrize(
    ("progress", "pending", "windows_left", "expected"),
    [
        pytest.param(Progress(500, 300, 0, 0, NOW), 600, 0, (5.0, 600, 120.0), id="what is staged, at the pace of late"),
        pytest.param(Progress(500, 300, 2, 1000, NOW), 600, 3, (5.0, 2100, 420.0), id="and months to come, like those so far"),
        pytest.param(Progress(500, 0, 2, 1000, NOW), 600, 3, (0.0, 2100, None), id="nothing moves: no end can be told"),
        pytest.param(Progress(0, 0, 0, 0, None), 0, 5, (0.0, 0, None), id="it has just begun"),
    ],
)
def test_the_end_is_estimated_from_the_pace(
    progress: Progress, pending: int, windows_left: int, expected: tuple[float, int, float | None]
) -> None:
    """The time left follows from the recent rate and the rows left."""
    found = pace(progress, pending=pending, windows_left=windows_left, seconds=60, now=NOW)
    seconds = (found.ends_at - NOW).total_seconds() if found.ends_at else None
    assert (found.per_second, found.left, seconds) == expected


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＠x"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    """A cell that a spreadsheet would execute gets an apostrophe, which spreadsheets do not show."""
    assert safe_csv.safe(text) == f"'{text}"


@pytest.mark.parametrize("value", ["REQ-77", "", "1041", "a=b", "2026-10-01", None, 42])
def test_other_cells_are_as_they_are(value: object) -> None:
    """Other cells are unchanged: a dash within a text is no formula."""
    assert safe_csv.safe(value) == ("" if value is None else str(value))


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=3, max_size=3), max_size=30))
def test_a_file_holds_its_cells_whatever_is_in_them(rows: list[list[str]]) -> None:
    """Quotes, commas and line breaks survive, and no cell begins like a formula."""
    text = b"".join(safe_csv.write(["a", "b", "c"], rows)).decode("utf-8-sig")
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found == [["a", "b", "c"], *([safe_csv.safe(cell) for cell in row] for row in rows)]
    assert not [cell for row in found for cell in row if cell.lstrip(" ").startswith(("=", "+", "-", "@"))]


@given(st.lists(st.floats(0, 1e9), max_size=60))
def test_a_figure_stays_within_its_ground(values: list[float]) -> None:
    """No bar is higher than the figure, and ticks range from zero to at least the highest value."""
    figure = charts.columns([str(number) for number in range(len(values))], values)
    for bar in figure.bars:
        assert figure.top - 0.1 <= bar.y <= figure.bottom + 0.1
        assert figure.left <= bar.x <= figure.right
    assert figure.up[0].text == "0"


@pytest.mark.parametrize("value", [5e-324, 1e-310, 1e-300, 1e-9])
def test_a_figure_of_tiny_values(value: float) -> None:
    """Values of which a share is no number any more lie on the ground, or are drawn at their height."""
    (line,) = charts.lines(["a"], {"x": [value]}).lines
    assert charts.HEIGHT >= float(line.points.split(",")[1]) >= 0
    charts.columns(["a"], [value])


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, ["0"]),
        (3, ["0", "1", "2", "3"]),
        (150, ["0", "50", "100", "150"]),
        (121_000, ["0", "50k", "100k", "150k"]),
        (1, ["0", "1"]),
        (8, ["0", "2", "4", "6", "8"]),
        (10, ["0", "5", "10"]),
        (9e6, ["0", "2.5M", "5M", "7.5M", "10M"]),
    ],
)
def test_ticks_are_round(highest: float, ticks: list[str]) -> None:
    """Ticks are round numbers, easy to read."""
    assert [tick.text for tick in charts.columns(["a"], [highest]).up] == ticks


def test_percentiles_are_values_that_occurred() -> None:
    """Percentiles are values that occurred, by nearest rank."""
    ordered = [float(number) for number in range(1, 101)]
    assert charts.percentile(ordered, 0.5) == 50
    assert charts.percentile(ordered, 0.95) == 95
    assert charts.percentile([7.0], 0.95) == 7


FORMATS = Formats(texts("es"), timezone(timedelta(hours=-4)))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1k"),
        (1_990, "1.9k"),
        (9_999, "9.9k"),
        (12_999, "12k"),
        (121_499, "121k"),
        (999_999, "999k"),
        (5_000_000, "5M"),
    ],
)
def test_a_number_fits_into_a_cell(number: int, text: str) -> None:
    """A short number is rounded down, with one decimal below ten units."""
    assert FORMATS.compact(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *((0, "0 %"), (0.0004, "< 0.1 %"), (0.05, "5 %"), (0.0504, "5.04 %"), (0.05001, "5.01 %"), (0.0554, "5.5 %")),
        *((0.9997, "99.97 %"), (0.99999, "99.99 %"), (1.0, "100 %")),
    ],
)
def test_a_share_is_not_rounded_to_a_whole_number(share: float, text: str) -> None:
    """What is not finished is not 100 %, and what is above a limit of 5 % does not read as 5 %."""
    assert FORMATS.percent(share) == text


def test_instants_are_written_in_the_zone() -> None:
    """An instant may fall on the previous day in a zone behind UTC."""
    moment = datetime(2026, 11, 24, 3, 5, 7, 250_000, tzinfo=timezone.utc)
    assert FORMATS.instant(moment) == "23 nov 2026, 23:05"
    assert FORMATS.exact(moment) == "2026-11-23 23:05:07.25"
    assert FORMATS.long_day(date(2026, 11, 23)) == "lunes 23 de noviembre de 2026"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.25 s"), (59.4, "59 s"), (0, "0 s"), (61, "1 min 1 s"), (120, "2 min"), (3_600, "1 h"), (90_061, "25 h 1 min")],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    """A duration has at most two units."""
    assert FORMATS.duration(seconds) == text
