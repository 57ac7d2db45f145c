"""The proof as a table, and the error for windows that are not settled."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timezone

import pendulum
import pytest
from tablero.contract.windows import month_windows
from tablero.delivery.reconciling import require_settled, table
from tablero.errors import NotSettledError
from tablero.outbox.ledger import Account

JANUARY, FEBRUARY = month_windows(
    date(2020, 1, 1), date(2020, 2, 1), pendulum.timezone("America/Santo_Domingo"), datetime(2026, 11, 24, tzinfo=timezone.utc)
)
SETTLED = Account(
    JANUARY,
    read=1000,
    delivered=980,
    rejected=Counter({"too_long": 2, "unknown_status": 8}),
    excluded=7,
    duplicates=3,
    recount=1000,
)
NEVER_READ = Account(FEBRUARY, read=None)


def test_the_table() -> None:
    """The table has a row for each window, a sum and the rejection reasons; every row of the source is in a named column."""
    pending = replace(SETTLED, window=FEBRUARY, delivered=900, pending=80)
    assert table([SETTLED, pending]) == [
        " window  read  delivered  rejected  excluded  duplicate  pending  source  gone",
        "2020-01  1000        980        10         7          3        0    1000     0  settled",
        "2020-02  1000        900        10         7          3       80    1000     0     OPEN",
        "  total  2000       1880        20        14          6       80    2000     0     OPEN",
        "2020-01: 2 rejected: too_long",
        "2020-01: 8 rejected: unknown_status",
        "2020-02: 2 rejected: too_long",
        "2020-02: 8 rejected: unknown_status",
    ]


def test_a_single_window_needs_no_sum() -> None:
    """The table of a single window has two lines and the reasons."""
    assert len(table([replace(SETTLED, rejected=Counter(), delivered=990)])) == 2


def test_what_is_not_known_is_a_dash() -> None:
    """Values of a window that was never read completely, or not counted, are a dash and not zero."""
    assert table([NEVER_READ])[1].split() == ["2020-02", "-", "0", "0", "0", "0", "0", "-", "0", "OPEN"]


@pytest.mark.parametrize(
    ("account", "closes"),
    [
        (SETTLED, True),
        (replace(SETTLED, recount=1001), False),  # the source grew
        (replace(SETTLED, recount=999), False),  # it shrank without being noticed
        (replace(SETTLED, recount=None), False),  # not counted
        (replace(SETTLED, delivered=979), False),  # a row is in no state
        (replace(SETTLED, read=1005, delivered=985, gone=5), True),  # five that the source no longer has
        (replace(SETTLED, gone=5), False),  # five fewer than were read
        (NEVER_READ, False),
        (Account(JANUARY, read=0, recount=0), True),  # an empty month
    ],
)
def test_when_the_sum_closes(account: Account, closes: bool) -> None:
    """A window is settled if all rows read are accounted for and the source still has as many."""
    assert account.closes is closes
    assert account.settled is closes


def test_pending_rows_are_not_settled() -> None:
    """A window with pending rows is not settled, even if its sum closes."""
    account = replace(SETTLED, delivered=979, pending=1)
    assert account.closes
    assert not account.settled


def test_settled_windows_pass() -> None:
    """Settled windows raise no error, and neither does an empty list."""
    require_settled([SETTLED, Account(FEBRUARY, read=0, recount=0)])
    require_settled([])


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (NEVER_READ, "2020-02: never read to its end; 0 rows staged"),
        (replace(SETTLED, delivered=900, pending=80), "2020-01: 80 rows pending"),
        (replace(SETTLED, recount=None), "2020-01: could not be read again"),
        (
            replace(SETTLED, recount=1003),
            "2020-01: the sum does not add up: 1,000 read, 1,000 accounted for, 1,003 in",
        ),
    ],
)
def test_the_run_fails_and_says_why(account: Account, words: str) -> None:
    """The error says how many windows, which, why, and what to do, in both languages."""
    with pytest.raises(NotSettledError) as caught:
        require_settled([account, SETTLED])
    said = str(caught.value)
    assert "1 of 2 windows is not settled" in said
    assert words in said
    assert "Clear the failed task" in said
    assert "Limpie la tarea fallida" in said
