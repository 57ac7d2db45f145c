"""How a day, and a month of days, is judged by the contents of the outbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from tablero.contract.windows import day_window, first_instant, months_between, window_of
from tablero.outbox.reports.coverage import Proven, Read
from tablero.outbox.reports.snapshot import COUNT_LIMIT, Count, Rows
from tablero.settings import Settings
from tablero.web.coverage.facts import Facts
from tablero.web.coverage.judging import Judgement, State, Why, too_many_rejected
from tablero.web.coverage.survey import Coverage, stretches, survey, survey_window

SETTINGS = Settings.read({})
ZONE = SETTINGS.timezone

#: The middle of a day; the daily send of the day before it ran at two in the morning.
NOW = datetime(2026, 11, 24, 16, 0, tzinfo=timezone.utc)

DAY = date(2026, 11, 10)
READ_AT = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)


def read(label: str, number: int = 1, at: datetime = READ_AT, **changes: Any) -> Read:
    """A finished reading of a whole month or day."""
    window = window_of(label, ZONE)
    values = {"window_start": window.start, "window_end": window.end, "finished_at": at, "excluded": 0, "duplicates": 0}
    return Read(**{"id": number, "kind": window.kind, "run_id": f"run-{number}", **values, **changes})


def proven(label: str, number: int = 1, at: datetime = READ_AT + timedelta(minutes=5), **changes: Any) -> Proven:
    """A successful reconciliation of a whole month or day."""
    window = window_of(label, ZONE)
    values = {"window_start": window.start, "window_end": window.end, "counted_at": at}
    return Proven(**{"id": number, "pending": 0, "recount": 3, "settled": True, **values, **changes})


def judged(facts: Facts, day: date = DAY, now: datetime = NOW, settings: Settings = SETTINGS) -> Judgement:
    """The state of one day."""
    cell, _ = survey_window(replace(facts, span=(day, day)), settings, now)
    return cell.judgement


FACTS = Facts(
    span=(DAY, DAY), months={"2026-11": Rows(3)}, days={DAY: Rows(3)}, readings=[read("2026-11")], proofs=[proven("2026-11")]
)

ONE_DAY = day_window(DAY, ZONE)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, Judgement(State.SETTLED), id="read, delivered, and the recount agrees"),
        pytest.param(
            {"readings": [read("2026-11-10")], "proofs": [proven("2026-11-10")]},
            Judgement(State.SETTLED),
            id="the same by a day's own reading and proof",
        ),
        pytest.param({"days": {}}, Judgement(State.SETTLED), id="a day on which nothing happened"),
        pytest.param({"readings": [], "proofs": [], "days": {}}, Judgement(State.NEVER), id="nobody has read it"),
        pytest.param(
            {"readings": [], "proofs": []},
            Judgement(State.PENDING, Why.UNREAD),
            id="rows are staged, but the reading never came to its end",
        ),
        pytest.param(
            {"readings": [read("2026-11", window_end=ONE_DAY.start + timedelta(hours=9))]},
            Judgement(State.PENDING, Why.UNREAD),
            id="the reading of the month was cut within the day",
        ),
        pytest.param(
            {
                "readings": [
                    read("2026-11", window_end=ONE_DAY.start + timedelta(hours=9)),
                    read("2026-11-10", 2, window_start=ONE_DAY.start + timedelta(hours=9)),
                ],
                "proofs": [proven("2026-11-10")],
            },
            Judgement(State.SETTLED),
            id="two readings cover the day together",
        ),
        pytest.param({"days": {DAY: Rows(1, 2)}}, Judgement(State.PENDING, Why.ROWS), id="some rows wait"),
        pytest.param({"proofs": []}, Judgement(State.PENDING, Why.UNPROVEN), id="delivered, and not proven"),
        pytest.param(
            {"proofs": [proven("2026-11", at=READ_AT - timedelta(hours=1))]},
            Judgement(State.PENDING, Why.UNPROVEN),
            id="the proof is older than the last reading",
        ),
        pytest.param(
            {"proofs": [proven("2026-11", recount=None, settled=False)]},
            Judgement(State.PENDING, Why.UNPROVEN),
            id="the source could not be counted",
        ),
        pytest.param(
            {"proofs": [proven("2026-11", pending=2, settled=False)]},
            Judgement(State.PENDING, Why.UNPROVEN),
            id="what was pending at the proof is delivered since",
        ),
        pytest.param(
            {"proofs": [proven("2026-11", recount=4, settled=False)]},
            Judgement(State.MISMATCH),
            id="the source holds another number of rows",
        ),
        pytest.param(
            {"proofs": [proven("2026-11", recount=4, settled=False), proven("2026-11-10", 2)]},
            Judgement(State.SETTLED),
            id="the day was proven anew since the month did not add up",
        ),
        pytest.param(
            {"proofs": [proven("2026-11"), proven("2026-11-11", 2, recount=9, settled=False)]},
            Judgement(State.SETTLED),
            id="another day does not add up",
        ),
        pytest.param({"broken_by_day": {DAY: Count(1)}}, Judgement(State.REJECTIONS), id="a row of four breaks the contract"),
        pytest.param({"days": {DAY: Rows(3, 0, 1)}}, Judgement(State.REJECTIONS), id="the dashboard refused one of four"),
        pytest.param(
            {"days": {DAY: Rows(97, 0, 2)}, "broken_by_day": {DAY: Count(3)}},
            Judgement(State.SETTLED),
            id="few rows are rejected",
        ),
        pytest.param({"moving": {DAY}, "days": {DAY: Rows(1, 2)}}, Judgement(State.IN_PROGRESS), id="a batch is being posted"),
        pytest.param(
            {"unfinished": [(ONE_DAY.start, ONE_DAY.end)], "running": {"run-2"}},
            Judgement(State.IN_PROGRESS),
            id="a run is reading it",
        ),
        pytest.param(
            {"proofs": [], "running": {"run-1"}}, Judgement(State.IN_PROGRESS), id="the run that read it has yet to prove it"
        ),
        pytest.param(
            {"running": {"run-1"}}, Judgement(State.SETTLED), id="the run that read it has proven it, and does other months"
        ),
    ],
)
def test_a_day_is_judged_by_its_newest_reading_and_proof(changes: dict[str, Any], expected: Judgement) -> None:
    """A day has each state with what is missing, by its latest reading and proof."""
    assert judged(replace(FACTS, **changes)) == expected


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (datetime(2026, 11, 10, 16, 0, tzinfo=timezone.utc), State.NOT_DUE),
        (datetime(2026, 11, 11, 5, 59, tzinfo=timezone.utc), State.NOT_DUE),
        (datetime(2026, 11, 11, 6, 0, tzinfo=timezone.utc), State.NEVER),
    ],
)
def test_a_day_is_due_when_its_daily_send_begins(now: datetime, state: State) -> None:
    """A day is due at ``daily_at`` of the next day, in the institution's zone."""
    assert judged(Facts(span=(DAY, DAY)), now=now) == Judgement(state)


def test_a_day_of_23_hours_is_covered_by_the_reading_of_its_month() -> None:
    """A day of 23 hours is covered by the reading of its month, since windows are compared as instants."""
    settings = Settings.read({"timezone": "America/New_York"})
    day = date(2026, 3, 8)
    month = window_of("2026-03", settings.timezone)
    edges = {"window_start": month.start, "window_end": month.end}
    facts = Facts(span=(day, day), readings=[read("2026-03", **edges)], proofs=[proven("2026-03", **edges)])
    assert judged(facts, day, settings=settings) == Judgement(State.SETTLED)


def month(facts: Facts, label: str = "2026-10", now: datetime = NOW) -> Judgement:
    """The state of a month."""
    return next(cell.judgement for cell in survey(facts, SETTINGS, now).months if cell.label == label)


OCTOBER = [f"2026-10-{day:02d}" for day in range(1, 32)]


def by_days(labels: list[str]) -> Facts:
    """A month that was read and proved day by day."""
    return Facts(
        span=(date(2026, 10, 1), date(2026, 10, 31)),
        months={"2026-10": Rows(9)},
        readings=[read(label, number) for number, label in enumerate(labels)],
        proofs=[proven(label, number) for number, label in enumerate(labels)],
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(by_days(OCTOBER), Judgement(State.SETTLED), id="all of its days are settled"),
        pytest.param(by_days(OCTOBER[:-1]), Judgement(State.PENDING, Why.UNREAD), id="one of its days was never read"),
        pytest.param(replace(by_days([]), months={}), Judgement(State.NEVER), id="none of its days was ever read"),
        pytest.param(by_days([]), Judgement(State.PENDING, Why.UNREAD), id="rows are staged of a reading without end"),
        pytest.param(
            replace(by_days(OCTOBER), broken={"2026-10": Count(4)}),
            Judgement(State.REJECTIONS),
            id="many rows break the contract, on days that are not shown",
        ),
        pytest.param(
            replace(by_days(OCTOBER), months={"2026-10": Rows(950)}, broken={"2026-10": Count(50)}),
            Judgement(State.SETTLED),
            id="five in a hundred rows break the contract",
        ),
        pytest.param(
            replace(by_days(OCTOBER), months={"2026-10": Rows(949)}, broken={"2026-10": Count(50)}),
            Judgement(State.REJECTIONS),
            id="more than five in a hundred do",
        ),
        pytest.param(
            replace(by_days(OCTOBER), months={"2026-10": Rows(999)}, broken_by_day={date(2026, 10, 5): Count(1)}),
            Judgement(State.SETTLED),
            id="on one of its days all rows are rejected, and they are few",
        ),
        pytest.param(
            replace(by_days(OCTOBER), months={"2026-10": Rows(8, 0, 1)}),
            Judgement(State.REJECTIONS),
            id="the dashboard refused a row",
        ),
        pytest.param(
            replace(by_days(OCTOBER), days={date(2026, 10, 5): Rows(0, 1)}, broken={"2026-10": Count(4)}),
            Judgement(State.PENDING, Why.ROWS),
            id="what is pending weighs more than what is rejected",
        ),
        pytest.param(
            replace(by_days(OCTOBER), days={date(2026, 10, 5): Rows(0, 1)}, proofs=[proven("2026-10", 99, settled=False)]),
            Judgement(State.MISMATCH),
            id="what does not add up weighs more than what is pending",
        ),
        pytest.param(
            replace(by_days(OCTOBER), moving={date(2026, 10, 5)}, proofs=[proven("2026-10", 99, settled=False)]),
            Judgement(State.IN_PROGRESS),
            id="while it is worked on, nothing else counts",
        ),
    ],
)
def test_a_month_is_as_good_as_its_worst_day(facts: Facts, expected: Judgement) -> None:
    """A month is as good as its worst day, whether it was read as a month or day by day."""
    assert month(facts) == expected


@pytest.mark.parametrize(
    ("broken", "rows", "percent", "expected"),
    [
        (0, Rows(), 5, False),
        (5, Rows(90, 5), 5, False),
        (5, Rows(94), 5, True),
        (3, Rows(90, 0, 3), 5, True),
        (500, Rows(500), 0, False),
        (2, Rows(), 0, True),
        (0, Rows(0, 0, 2), 0, True),
        (COUNT_LIMIT, Rows(10_000_000), 5, False),
        (COUNT_LIMIT + 1, Rows(10_000_000), 5, True),
    ],
)
def test_many_rejected_rows_are_distinguished_from_few(broken: int, rows: Rows, percent: float, expected: bool) -> None:
    """Rejections are judged by their share of the rows that could be sent; all rows, or an unknown share, is too many."""
    assert too_many_rejected(Count.up_to_limit(broken), rows, percent) is expected


def test_a_month_knows_when_it_was_last_proved_as_a_whole() -> None:
    """A month's proof is that of the whole month, not of a day; the oldest of them shows how current all proofs are."""
    later = READ_AT + timedelta(days=2)
    proofs = [proven("2026-10", 1), proven("2026-10", 2, later), proven("2026-10-01", 3, later + timedelta(days=1))]
    facts = replace(by_days(OCTOBER), proofs=[*proofs, proven("2026-09", 4)], readings=[read("2026-10"), read("2026-09", 2)])
    found = survey(facts, SETTINGS, NOW)
    assert {cell.label: cell.proved_at for cell in found.months[-3:]} == {
        "2026-09": READ_AT + timedelta(minutes=5),
        "2026-10": later,
        "2026-11": None,
    }
    assert found.proved_since == READ_AT + timedelta(minutes=5)


def test_a_proof_that_did_not_close_proves_nothing() -> None:
    """Where the last proof of a month did not close, the month is not proved, whatever an earlier proof found."""
    later = READ_AT + timedelta(days=2)
    for settled in (True, False):
        proofs = [proven("2026-10", 1, settled=not settled), proven("2026-10", 2, later, settled=settled)]
        found = survey(replace(by_days(OCTOBER), proofs=proofs), SETTINGS, NOW)
        assert found.months[-2].proved_at == (later if settled else None)


def test_what_is_undated_says_nothing_about_a_month() -> None:
    """A reading of what lay in no month counts in the totals; once ``earliest`` is earlier, its months are still unread."""
    undated = read("2020-01", 7, kind="undated", excluded=4, window_end=window_of("2026-08", ZONE).start)
    found = survey(replace(FACTS, readings=[*FACTS.readings, undated]), SETTINGS, NOW)
    assert {cell.state for cell in found.months if cell.label < "2026-11"} == {State.NEVER}
    assert found.totals.excluded == 4


def test_a_month_counts_from_the_first_day_that_was_ever_read() -> None:
    """An institution that began in the middle of a month is not late with the days before."""
    began = [label for label in OCTOBER if label >= "2026-10-15"]
    assert month(by_days(began)) == Judgement(State.SETTLED)
    assert month(by_days(began[:-1])) == Judgement(State.PENDING, Why.UNREAD)
    assert month(by_days(["2026-09-03", *began])) == Judgement(State.PENDING, Why.UNREAD)
    earlier = datetime(2026, 9, 3, 4, tzinfo=timezone.utc)
    assert month(replace(by_days(began), began=earlier)) == Judgement(State.PENDING, Why.UNREAD)


def test_rows_of_months_that_are_not_shown_are_counted_all_the_same() -> None:
    """After ``earliest`` was set to a later date, the rows before it are in the totals and on a line of their own."""
    pending = {date(2019, 12, 30): Rows(0, 2)}
    facts = replace(FACTS, outside=Rows(5, 2, 1), days={**FACTS.days, **pending}, broken={"2026-10": Count(3)})
    found = survey(facts, SETTINGS, NOW)
    assert (found.totals.delivered, found.totals.pending, found.totals.rejected) == (8, 2, Count(4))
    assert found.totals.read == Count(8 + 2 + 4)
    assert found.totals.outside == Rows(5, 2, 1)
    assert found.late_outside == ["2019-12"]


@pytest.mark.parametrize(
    ("found", "count"),
    [(0, Count(0)), (COUNT_LIMIT, Count(COUNT_LIMIT)), (COUNT_LIMIT + 1, Count(COUNT_LIMIT, is_exact=False))],
)
def test_what_was_not_counted_to_the_end_is_no_number(found: int, count: Count) -> None:
    """A count that stopped is neither a number nor equal to the exact count of as many rows; its sums are not exact, either."""
    assert Count.up_to_limit(found) == count
    assert bool(count) is (found > 0)
    assert (count + Count(5)) == Count(count.counted + 5, count.is_exact)
    with pytest.raises(TypeError):
        count / 2  # type: ignore[operator]


def test_rows_that_lie_in_no_month_are_counted_among_the_rejected() -> None:
    """Undated rows are counted among the rejected ones, and separately."""
    found = survey(Facts(span=(DAY, DAY), broken={"undated": Count(12), "2026-10": Count(3)}), SETTINGS, NOW)
    assert (found.totals.rejected, found.totals.undated) == (Count(15), Count(12))


def test_the_month_of_today_is_complete_when_all_days_that_are_due_are() -> None:
    """The current month is complete if all days that are due are; today and later days are not missing."""
    labels = [f"2026-11-{day:02d}" for day in range(1, 24)]
    assert month(by_days(labels), "2026-11") == Judgement(State.SETTLED)
    assert month(by_days(labels[:-1]), "2026-11") == Judgement(State.PENDING, Why.UNREAD)


def test_the_first_day_of_a_month_makes_it_neither_complete_nor_missing() -> None:
    """On the first of December, nothing of December is due."""
    assert month(by_days([]), "2026-12", datetime(2026, 12, 1, 16, 0, tzinfo=timezone.utc)) == Judgement(State.NOT_DUE)


def test_days_before_the_earliest_one_are_nobodys() -> None:
    """A month that begins before ``earliest`` is complete without the days before it."""
    settings = Settings.read({"earliest": date(2026, 10, 20)})
    facts = by_days(OCTOBER[19:])
    found = survey(facts, settings, NOW)
    assert found.months[0].label == "2026-10"
    assert found.months[0].judgement == Judgement(State.SETTLED)


def totals(*readings: Read) -> tuple[int, int]:
    """Excluded rows and duplicates of all readings together."""
    found: Coverage = survey(Facts(span=(DAY, DAY), readings=readings), SETTINGS, NOW)
    return found.totals.excluded, found.totals.duplicates


def test_rows_excluded_are_counted_once_however_often_they_are_read() -> None:
    """Rows read by a month and by its days, or by a month cut short and read again, are counted once."""
    cut = first_instant(date(2026, 10, 15), ZONE)
    assert totals(read("2026-10", 1, excluded=5, duplicates=2), read("2026-10-07", 2, excluded=1, duplicates=1)) == (5, 2)
    assert totals(read("2026-10", 1, excluded=3, window_end=cut), read("2026-10", 2, excluded=5)) == (5, 0)
    assert totals(read("2026-10", 1, excluded=3, window_end=cut), read("2026-10-15", 2, excluded=2)) == (5, 0)
    assert totals(read("2026-10", 1, excluded=3), read("2026-11", 2, excluded=4)) == (7, 0)


def test_months_for_which_the_same_is_to_be_said_are_said_together() -> None:
    """Months with the same state are grouped; those that do not add up come first, and pending months are listed separately."""
    found = survey(
        Facts(
            span=(DAY, DAY),
            months={"2020-03": Rows(5, 5), "2020-04": Rows(5, 7)},
            days={date(2020, 3, 5): Rows(0, 5), date(2020, 4, 5): Rows(0, 7)},
            readings=[read("2020-02", 1)],
            proofs=[proven("2020-02", 1, settled=False, recount=9)],
        ),
        SETTINGS,
        NOW,
    )
    runs = [(first.label, last.label) for first, last in stretches(found.months[:8])]
    alone = [("2020-02", "2020-02"), ("2020-03", "2020-03"), ("2020-04", "2020-04")]
    assert runs == [*alone, ("2020-01", "2020-01"), ("2020-05", "2020-08")]


def test_months_are_listed_across_years() -> None:
    """Months are listed from that of the first day to that of the last, across years."""
    assert months_between(date(2025, 11, 30), date(2026, 2, 1)) == [
        date(2025, 11, 1),
        date(2025, 12, 1),
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]


@pytest.mark.parametrize("label", ["2026", "2026-13", "2026-02-30", "x", "", "2026-1-1", "../../x"])
def test_a_label_of_no_window_is_refused(label: str) -> None:
    """An invalid label is refused before any query."""
    with pytest.raises(ValueError):
        window_of(label, ZONE)
