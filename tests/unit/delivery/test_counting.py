"""The total that the source counts is compared with what was read, while the source keeps changing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

import pendulum
import pytest
from tablero.contract.windows import Window, day_window, month_windows, undated_window
from tablero.delivery.counting import Counted, compare, require_whole, stretches
from tablero.delivery.reconciling import PASSES, Reconciled
from tablero.errors import NotSettledError, SetupError, SourceUnavailable, TableroError, WindowUnreadable
from tablero.outbox.findings import ViewCount
from tablero.outbox.ledger import Account
from tablero.source.view import Counts

ZONE = pendulum.timezone("America/Santo_Domingo")
NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
BEFORE = undated_window(date(2020, 1, 1), ZONE)
JANUARY, FEBRUARY, MARCH = MONTHS = month_windows(date(2020, 1, 1), date(2020, 3, 1), ZONE, NOW)


class Source:
    """A source with this many rows in each window, and seven that are still in the future.

    :ivar rows: the counted rows of each window; ``None`` if it cannot be asked, as for the institution's own SQL.
    :ivar asked: the windows of each count.
    :ivar then: called before each count with its number, to change the source meanwhile.
    """

    def __init__(self, rows: dict[Window, int] | None, *, then: Callable[[int], None] = lambda _: None) -> None:
        self.rows = rows or {}
        self.is_own = rows is None
        self.asked: list[list[Window]] = []
        self.error: TableroError | None = None
        self.then = then

    def count(self, windows: Collection[Window]) -> Counts | None:
        if self.is_own:
            return None
        self.then(len(self.asked))
        self.asked.append(list(windows))
        if self.error is not None:
            raise self.error
        return Counts(sum(self.rows.values()) + 7, {window: self.rows[window] for window in windows})


def reconciled(rows: dict[Window, int | None], failure: TableroError | None = None) -> Reconciled:
    accounts = [Account(window, read=count, delivered=count or 0, recount=count) for window, count in rows.items()]
    return Reconciled(accounts, failure)


def run(
    source: Source,
    read: dict[Window, int | None],
    again: Callable[[Sequence[Window]], Reconciled] | None = None,
    keep: Callable[[Account], object] = pytest.fail,
    *,
    is_load: bool = True,
) -> Counted:
    def honest(windows: Sequence[Window]) -> Reconciled:
        return reconciled({window: source.rows[window] for window in windows})

    any_source: Any = source
    return compare(any_source, reconciled(read), again or honest, keep, is_load=is_load)


ROWS = {BEFORE: 5, JANUARY: 100, FEBRUARY: 200, MARCH: 300}
READ: dict[Window, int | None] = dict(ROWS)


def test_windows_that_follow_one_another_are_one_stretch() -> None:
    """Consecutive windows form one stretch, in order of time and whatever their kind; a month beside its days is separate."""
    days = [day_window(date(2020, 4, number), ZONE) for number in (1, 2, 4)]
    assert stretches([MARCH, BEFORE, *days, JANUARY, FEBRUARY]) == [[BEFORE, *MONTHS, *days[:2]], [days[2]]]
    assert stretches([day_window(date(2020, 1, 30), ZONE), JANUARY]) == [[JANUARY], [day_window(date(2020, 1, 30), ZONE)]]
    assert stretches([]) == []


def test_a_full_load_closes_over_the_whole_view(caplog: pytest.LogCaptureFixture) -> None:
    """A full load is checked with one count over the whole view."""
    source = Source(dict(ROWS))
    with caplog.at_level(logging.INFO):
        counted = run(source, READ)
    require_whole(counted)
    assert source.asked == [[BEFORE, *MONTHS]]
    assert counted == Counted(reconciled(READ), [], 0, ViewCount("complete", MARCH.end, 605, 605, 7))
    assert "The view has 612 rows: 605 in undated … 2020-03, 7 later." in caplog.text
    assert "undated … 2020-03: the source counts 605 rows, as many as were read." in caplog.text


def test_a_night_counts_its_stretches_alone() -> None:
    """A nightly run counts its stretches, one for each gap between its windows, and never the whole view, even where the first
    month is audited and follows on the undated rows.
    """
    day = day_window(date(2020, 4, 1), ZONE)
    source = Source({JANUARY: 1, FEBRUARY: 2, day: 3})
    counted = run(source, {**source.rows, BEFORE: 4}, is_load=False)
    require_whole(counted)
    assert counted.view is None
    assert source.asked == [[JANUARY, FEBRUARY], [day]]


def test_a_reading_that_skips_a_row_is_red() -> None:
    """A row that every read skips is reported with the month and both figures, and the month's stored proof is not settled."""
    source = Source(dict(ROWS))
    kept: list[Account] = []
    counted = run(source, {**READ, FEBRUARY: 199}, lambda windows: reconciled(dict.fromkeys(windows, 199)), kept.append)
    with pytest.raises(NotSettledError) as caught:
        require_whole(counted)
    said = str(caught.value)
    assert "2020-02: the source counts 200 rows, but returns 199 when they are read" in said
    assert "2020-01:" not in said
    assert "2020-02: la fuente cuenta 200 filas, pero al leerlas devuelve 199" in said
    assert "clear reconcile" in said
    (account,) = kept
    assert (account.window, account.read, account.recount, account.settled) == (FEBRUARY, 199, 200, False)
    assert account in counted.reconciled.accounts
    assert counted.view == ViewCount("differs", MARCH.end, 604, 605, 7)
    assert [one.window for one in counted.reconciled.accounts if not one.settled] == [FEBRUARY]


def test_counts_are_bounded() -> None:
    """However long windows differ, all are counted once, and those that differ as often as they are read again."""
    source = Source(dict(ROWS))
    run(source, {**READ, FEBRUARY: 0}, lambda windows: reconciled(dict.fromkeys(windows, 0)), lambda _: None)
    assert source.asked == [[BEFORE, *MONTHS], *[[FEBRUARY]] * PASSES]


def test_rows_that_arrived_meanwhile_are_read() -> None:
    """Only the window that differs is read again, and the sums match."""
    source = Source({**ROWS, FEBRUARY: 204})
    read: list[Window] = []

    def again(windows: Sequence[Window]) -> Reconciled:
        read.extend(windows)
        return reconciled({window: source.rows[window] for window in windows})

    counted = run(source, READ, again)
    require_whole(counted)
    assert read == [FEBRUARY]
    assert source.asked == [[BEFORE, *MONTHS], [FEBRUARY]]
    assert {one.window.label: one.recount for one in counted.reconciled.accounts}["2020-02"] == 204


@pytest.mark.parametrize("steps", [[1] * 9, [-1] * 9, [5] * 9, [2, -3, 2, -3, 2, -3, 2, -3]])
def test_a_source_that_goes_on_changing_is_not_red(steps: list[int], caplog: pytest.LogCaptureFixture) -> None:
    """Rows that leave or arrive, or both in turns, between any two queries do not fail the run."""
    step = iter(steps)

    def live() -> int:
        source.rows[FEBRUARY] += next(step)
        return source.rows[FEBRUARY]

    source = Source({**ROWS, FEBRUARY: 1_000}, then=lambda _: live() and None)
    read: list[int] = []

    def again(windows: Sequence[Window]) -> Reconciled:
        read.append(live())
        return reconciled(dict.fromkeys(windows, read[-1]))

    with caplog.at_level(logging.INFO):
        counted = run(source, {**READ, FEBRUARY: 990}, again)
    require_whole(counted)
    assert "2020-02: the source goes on changing" in caplog.text
    assert counted.view is not None
    assert (counted.view.result, counted.view.difference) == ("changing", source.rows[FEBRUARY] - read[-1])


def test_a_month_that_changes_hides_no_other() -> None:
    """Rows that a month lacks fail the run although another one goes on changing."""

    def live(_: int) -> None:
        source.rows[MARCH] += 1

    source = Source(dict(ROWS), then=live)
    kept: list[Account] = []
    counted = run(
        source, READ, lambda windows: reconciled({window: source.rows[window] - 10 for window in windows}), kept.append
    )
    assert counted.complaints == []
    read = {**READ, FEBRUARY: 190}
    counted = run(
        source, read, lambda windows: reconciled({window: source.rows[window] - 10 for window in windows}), kept.append
    )
    assert [text.en.partition(":")[0] for text in counted.complaints] == ["2020-02"]
    assert [one.window for one in kept] == [FEBRUARY]


@pytest.mark.parametrize(
    ("error", "words"),
    [(WindowUnreadable("57014"), "in the time that its server allows"), (SetupError("no"), "the view cannot be counted")],
)
def test_a_view_that_cannot_be_counted_is_a_warning(error: TableroError, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """A view that cannot be counted is a warning that names the cause, and a figure to tell: each window was read twice."""
    source = Source(dict(ROWS))
    source.error = error
    with caplog.at_level(logging.WARNING):
        counted = run(source, READ)
    require_whole(counted)
    result = "not_in_time" if isinstance(error, WindowUnreadable) else "not_possible"
    assert counted == Counted(reconciled(READ), [], 605, ViewCount(result, MARCH.end, 605))
    (record,) = caplog.records
    assert "undated … 2020-03" in record.getMessage()
    assert words in record.getMessage()
    assert error.args[0] in record.getMessage()


@pytest.mark.parametrize("earlier", [None, WindowUnreadable("57014")])
def test_a_source_that_does_not_answer_fails_the_run(earlier: TableroError | None) -> None:
    """The task is retried, and no further stretch waits for a timeout; nothing is reported as not counted."""
    source = Source(dict(ROWS))
    source.error = SourceUnavailable("down")
    any_source: Any = source
    counted = compare(any_source, reconciled({JANUARY: 100, MARCH: 300}, earlier), pytest.fail, pytest.fail)
    assert counted.reconciled.failure is source.error
    assert counted.uncounted == 0
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
    assert source.asked == [[BEFORE, JANUARY], [MARCH]]


def test_the_institutions_own_sql_is_not_counted() -> None:
    """The institution's own SQL is not counted, since only its results for given bounds are known."""
    counted = run(Source(None), {**READ, FEBRUARY: 1})
    assert counted == Counted(reconciled({**READ, FEBRUARY: 1}), [], 0, ViewCount("own_sql", MARCH.end, 406))


def test_an_account_is_not_changed_by_counting() -> None:
    """Counting changes only the accounts of windows that were read again, or lack rows."""
    before = reconciled(READ)
    odd = before._replace(accounts=[replace(one, gone=1) for one in before.accounts])
    any_source: Any = Source(dict(ROWS))
    assert compare(any_source, odd, pytest.fail, pytest.fail).reconciled.accounts == odd.accounts
