"""The brake: some rows are corrected, added and deleted every day, but never all of them at once."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone

import pytest
from tablero.contract.windows import Window, day_window, month_windows, undated_window
from tablero.delivery.brake import FEWEST, Change, is_plausible, require_plausible
from tablero.errors import ImplausibleReading, PermanentError

ZONE = timezone.utc
NOW = datetime(2026, 11, 26, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("found", "plausible"),
    [
        (Change(delivered=1000, gone=1000, new=1000), False),
        (Change(delivered=1000, gone=1000, new=840), False),
        (Change(delivered=1000, gone=501, new=400), False),
        (Change(delivered=1000, gone=500, new=500), True),
        (Change(delivered=1000, gone=1000, new=0), True),
        (Change(delivered=1000, gone=1000, new=500), True),
        (Change(delivered=1000, gone=0, new=5000), True),
        (Change(delivered=0, gone=0, new=5000), True),
        (Change(delivered=FEWEST, gone=FEWEST, new=FEWEST), False),
        (Change(delivered=FEWEST - 1, gone=FEWEST - 1, new=FEWEST - 1), True),
    ],
)
def test_what_is_plausible(found: Change, plausible: bool) -> None:
    """A run is stopped if most delivered rows are gone and about as many are new; an empty view or a purge is plausible."""
    assert is_plausible(found) is plausible


@pytest.mark.parametrize(
    ("window", "run"),
    [
        (
            month_windows(date(2026, 3, 1), date(2026, 3, 1), ZONE, NOW)[0],
            'historical_load with start_month "2026-03", end_month "2026-03" and accept_changes',
        ),
        (day_window(date(2026, 11, 24), ZONE), 'daily_send with day "2026-11-24" and accept_changes'),
        (undated_window(date(2020, 1, 1), ZONE), "historical_load with accept_changes"),
    ],
)
def test_the_error_names_the_run_that_sends_the_window(window: Window, run: str) -> None:
    """A month may be read by the nightly audit, where accepting the changes of the night's own day would not help."""
    with pytest.raises(ImplausibleReading, match=f"trigger {re.escape(run)} by hand"):
        require_plausible(window, Change(delivered=1200, gone=1100, new=1050))


def test_the_error_says_what_was_seen_and_how_to_go_on() -> None:
    """The error names the three ways to continue, in both languages, and contains no value of a row."""
    window = Window.from_json(
        {"kind": "month", "label": "2020-02", "start": "2020-02-01T04:00:00+00:00", "end": "2020-03-01T04:00:00+00:00"}
    )
    with pytest.raises(ImplausibleReading) as caught:
        require_plausible(window, Change(delivered=1200, gone=1100, new=1050))
    assert isinstance(caught.value, PermanentError)
    for text in caught.value.text:
        assert all(
            part in text
            for part in ("2020-02", "1,200", "1,100", "1,050", "accept_changes", "adopt", "move", "source_timezone")
        )


FEW = Change(delivered=4, gone=4, new=4)


@pytest.mark.parametrize(
    ("around", "stops"),
    [
        ([], False),
        ([Change(5, 5, 5)], False),
        ([Change(6, 6, 6)], True),
        ([Change(6, 0, 0)], False),
        ([Change(20, 0, 0), Change(6, 6, 6)], True),
        ([Change(20, 0, 0), Change(12, 1, 1)], False),
    ],
)
def test_a_window_with_few_rows_is_judged_with_those_around_it(around: list[Change], stops: bool) -> None:
    """Four of four rows may be corrected, unless the rows just before or just after them seem to be replaced as well."""
    window = day_window(date(2026, 11, 24), ZONE)
    if stops:
        with pytest.raises(ImplausibleReading, match="2026-11-24, together with the days around it: of 10 delivered rows"):
            require_plausible(window, FEW, lambda: around)
    else:
        require_plausible(window, FEW, lambda: around)


@pytest.mark.parametrize("found", [Change(10, 1, 1), Change(4, 2, 2), Change(4, 4, 2), Change(0, 0, 50)])
def test_the_days_around_a_window_are_read_only_if_it_seems_to_be_replaced(found: Change) -> None:
    """Nothing else is read for corrections of a part, for deletions, and for rows of a new day."""
    require_plausible(day_window(date(2026, 11, 24), ZONE), found, lambda: pytest.fail("it was read"))


def test_a_window_with_enough_rows_is_judged_by_itself() -> None:
    """Where the rows of the window suffice, nothing else is read, and the error names that window alone."""
    window = day_window(date(2026, 11, 24), ZONE)
    with pytest.raises(ImplausibleReading, match=r"2026-11-24: of 10 delivered rows"):
        require_plausible(window, Change(FEWEST, FEWEST, FEWEST), lambda: pytest.fail("it was read"))
