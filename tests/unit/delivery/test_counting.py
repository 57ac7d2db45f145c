"""The total that the source counts is compared with what was read, while the source keeps changing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

import pendulum
import pytest
from tablero.contract.windows import Window, dateless_window, day_window, month_windows, undated_window
from tablero.delivery.counting import Counted, compare, require_whole, stretches
from tablero.delivery.reconciling import Reconciled
from tablero.errors import NotSettledError, SetupError, SourceUnavailable, TableroError, WindowUnreadable
from tablero.outbox.ledger import Account
from tablero.source.view import Census

ZONE = pendulum.timezone("America/Santo_Domingo")
NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
BEFORE = undated_window(date(2020, 1, 1), ZONE)
JANUARY, FEBRUARY, MARCH = MONTHS = month_windows(date(2020, 1, 1), date(2020, 3, 1), ZONE, NOW)


class Source:
    """A source with this many rows in each window; ``outside`` lie in no window, and the others lie in the future.

    :ivar rows: the counted rows of each window.
    :ivar then: called before each count with its number, to change the source meanwhile.
    """

    can_count = True

    def __init__(self, rows: dict[Window, int], *, outside: int = 0, then: Callable[[int], None] = lambda _: None) -> None:
        self.rows, self.outside, self.future = rows, outside, 7
        self.asked: list[Window] = []
        self.error: TableroError | None = None
        self.then = then

    def count(self, window: Window) -> int:
        self._ask(window)
        if window in self.rows:
            return self.rows[window]
        return self.outside + sum(
            rows for one, rows in self.rows.items() if one.start >= window.start and one.end <= window.end
        )

    def census(self, undated: Window, now: datetime) -> Census:
        self._ask(undated)
        older = self.rows[undated]
        months = self.outside + sum(rows for one, rows in self.rows.items() if undated.end <= one.start < now)
        return Census(older + months + self.future, 1, older - 1, self.future)

    def _ask(self, window: Window) -> None:
        self.then(len(self.asked))
        self.asked.append(window)
        if self.error is not None:
            raise self.error


def reconciled(rows: dict[Window, int | None], failure: TableroError | None = None) -> Reconciled:
    accounts = [Account(window, read=count, delivered=count or 0, recount=count) for window, count in rows.items()]
    return Reconciled(accounts, {window.label: 0 for window in rows}, failure)


def run(
    source: Source, read: dict[Window, int | None], again: Callable[[Sequence[Window]], Reconciled] | None = None
) -> Counted:
    def honest(windows: Sequence[Window]) -> Reconciled:
        return reconciled({window: source.rows[window] for window in windows})

    any_source: Any = source
    return compare(any_source, reconciled(read), again or honest)


ROWS = {BEFORE: 5, JANUARY: 100, FEBRUARY: 200, MARCH: 300}
READ: dict[Window, int | None] = dict(ROWS)


def test_windows_that_follow_one_another_are_one_stretch() -> None:
    """Consecutive windows form one stretch, in order of time and whatever their kind; a month beside its days is separate."""
    days = [day_window(date(2020, 4, number), ZONE) for number in (1, 2, 4)]
    assert stretches([MARCH, BEFORE, *days, JANUARY, FEBRUARY]) == [[BEFORE, *MONTHS, *days[:2]], [days[2]]]
    assert stretches([day_window(date(2020, 1, 30), ZONE), JANUARY]) == [[JANUARY], [day_window(date(2020, 1, 30), ZONE)]]
    assert stretches([]) == []


def test_rows_without_a_date_alone_are_not_counted() -> None:
    """Undated rows alone are not counted, since that would read them a second time."""
    assert stretches([dateless_window()]) == []


def test_a_full_load_closes_over_the_whole_view() -> None:
    """A full load is checked with one count over the whole view."""
    source = Source(dict(ROWS))
    counted = run(source, READ)
    require_whole(counted)
    assert source.asked == [BEFORE]
    assert counted.reconciled == reconciled(READ)


def test_a_night_counts_its_stretches_alone() -> None:
    """A nightly run counts its stretches, one for each gap between its windows, and never the whole view."""
    source = Source({JANUARY: 1, FEBRUARY: 2, day_window(date(2020, 4, 1), ZONE): 3})
    require_whole(run(source, {**source.rows, dateless_window(): 4}))
    assert [(one.start, one.end) for one in source.asked] == [
        (JANUARY.start, FEBRUARY.end),
        (day_window(date(2020, 4, 1), ZONE).start, day_window(date(2020, 4, 1), ZONE).end),
    ]


def test_a_reading_that_skips_a_row_is_red() -> None:
    """A row that every read skips is reported with the month and both figures."""
    source = Source(dict(ROWS))
    counted = run(source, {**READ, FEBRUARY: 199}, lambda windows: reconciled(dict.fromkeys(windows, 199)))
    with pytest.raises(NotSettledError) as caught:
        require_whole(counted)
    said = str(caught.value)
    assert "2020-02: the source counts 200 rows, but returns 199 when they are read" in said
    assert "2020-01:" not in said
    assert "2020-02: la fuente cuenta 200 filas, pero al leerlas devuelve 199" in said
    assert "clear reconcile" in said
    assert "none of them" not in said


def test_rows_in_no_window_are_red() -> None:
    """Rows outside all windows are reported: each window is complete, but the view has more."""
    with pytest.raises(NotSettledError) as caught:
        require_whole(run(Source(dict(ROWS), outside=3), READ))
    assert "undated … 2020-03: the source counts 608 rows, and window by window 605" in str(caught.value)


def test_rows_that_arrived_meanwhile_are_read() -> None:
    """Only the window that differs is read again, and the sums match."""
    source = Source({**ROWS, FEBRUARY: 204})
    read: list[Window] = []

    def again(windows: Sequence[Window]) -> Reconciled:
        read.extend(windows)
        return reconciled({window: source.rows[window] for window in windows})._replace(found={"2020-02": 4})

    counted = run(source, READ, again)
    require_whole(counted)
    assert read == [FEBRUARY]
    assert {one.window.label: one.recount for one in counted.reconciled.accounts}["2020-02"] == 204
    assert counted.reconciled.found["2020-02"] == 4


@pytest.mark.parametrize("step", [-1, 1, 5])
def test_a_source_that_goes_on_changing_is_not_red(step: int) -> None:
    """Rows that leave or arrive between any two queries do not fail the run."""

    def live(_: int) -> None:
        source.rows[FEBRUARY] += step

    source = Source({**ROWS, FEBRUARY: 1_000}, then=live)
    require_whole(run(source, {**READ, FEBRUARY: 1_000 - 3 * step}))


def test_a_source_that_changes_hides_no_loss_beyond_its_changes() -> None:
    """Ten skipped rows fail the run although one row arrives meanwhile."""

    def live(_: int) -> None:
        source.rows[FEBRUARY] += 1

    source = Source(dict(ROWS), then=live)
    counted = run(source, READ, lambda windows: reconciled({window: source.rows[window] - 10 for window in windows}))
    assert [text.en.partition(":")[0] for text in counted.complaints] == ["2020-02"]


@pytest.mark.parametrize("error", [WindowUnreadable("57014"), SourceUnavailable("conflict"), SetupError("no")])
def test_a_view_that_cannot_be_counted_is_a_warning(error: TableroError, caplog: pytest.LogCaptureFixture) -> None:
    """A view that cannot be counted causes a warning, since each window was read twice."""
    source = Source(dict(ROWS))
    source.error = error
    with caplog.at_level(logging.WARNING):
        counted = run(source, READ)
    require_whole(counted)
    assert counted.reconciled.failure is None
    (record,) = caplog.records
    assert "undated … 2020-03" in record.getMessage()
    assert error.args[0] in record.getMessage()


def test_a_source_that_is_down_is_asked_once() -> None:
    """After one failed count no further stretch waits for a timeout."""
    source = Source(dict(ROWS))
    source.error = SourceUnavailable("down")
    run(source, {JANUARY: 100, MARCH: 300})
    assert len(source.asked) == 1


def test_what_cannot_be_read_again_is_its_own_failure() -> None:
    """If a window cannot be read again, the run fails for that reason, not because of a sum."""
    failure = SourceUnavailable("down")
    counted = run(Source({**ROWS, FEBRUARY: 204}), READ, lambda windows: reconciled(dict.fromkeys(windows), failure))
    assert counted.complaints == []
    assert counted.reconciled.failure is failure


def test_windows_that_were_not_read_are_left_out() -> None:
    """Windows that were not read are left out, and the stretches around them are counted separately."""
    source = Source(dict(ROWS))
    assert run(source, {**READ, FEBRUARY: None}).complaints == []
    assert FEBRUARY not in source.asked
    assert len(source.asked) == 2


def test_the_institutions_own_sql_is_not_counted() -> None:
    """The institution's own SQL is not counted, since only its results for given bounds are known."""
    source = Source(dict(ROWS))
    source.can_count = False
    require_whole(run(source, {**READ, FEBRUARY: 1}))
    assert source.asked == []


def test_an_account_is_not_changed_by_counting() -> None:
    """Counting changes only the accounts of windows that were read again."""
    before = reconciled(READ)
    odd = before._replace(accounts=[replace(one, gone=1) for one in before.accounts])
    any_source: Any = Source(dict(ROWS))
    assert compare(any_source, odd, pytest.fail).reconciled.accounts == odd.accounts
