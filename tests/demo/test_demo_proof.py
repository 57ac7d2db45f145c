"""The proof reads the outbox from outside, and fails if any number is off by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.outbox.engine import connect
from tablero.outbox.schema import attempt, batch, extraction, reconciliation
from tablero.outbox.upgrade import migrate

from sandbox.demo_proof import Account, Outbox, Progress, by_year, prove
from sandbox.institution import Summary

START = datetime(2026, 11, 1, 4, tzinfo=timezone.utc)
DAY = timedelta(days=1)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An empty outbox."""
    engine = connect(f"sqlite:///{tmp_path}/outbox.db")
    migrate(engine)
    return engine


@pytest.fixture
def outbox(engine: Engine, tmp_path: Path) -> Outbox:
    """The same file from the demo's point of view."""
    return Outbox(tmp_path / "outbox.db")


def _insert(engine: Engine, table: sa.Table, *rows: dict[str, Any]) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(table), list(rows))


def _extraction(identity: int, run_id: str, *, finished: bool = True, label: str = "2026-11") -> dict[str, Any]:
    return {
        "id": identity,
        "kind": "month",
        "label": label,
        "window_start": START + identity * DAY,
        "window_end": START + identity * DAY + DAY,
        "run_id": run_id,
        "started_at": START,
        "finished_at": START if finished else None,
        "rejected": {},
    }


def _batch(identity: int, extraction_id: int, rows: int, state: str) -> dict[str, Any]:
    edges = {"first_change": START, "last_change": START, "place": START}
    return {"id": identity, "extraction_id": extraction_id, "rows": rows, "state": state, **edges}


def _attempt(batch_id: int, run_id: str, outcome: str | None) -> dict[str, Any]:
    return {"batch_id": batch_id, "run_id": run_id, "message_id": "m", "started_at": START, "outcome": outcome}


def test_there_is_no_progress_before_there_is_an_outbox(tmp_path: Path) -> None:
    """Before the first task has created the outbox there is no progress."""
    assert Outbox(tmp_path / "outbox.db").progress("run") == Progress(0, 0)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_what_this_run_has_read_and_sent(engine: Engine, outbox: Outbox) -> None:
    """Progress counts complete windows and acknowledged rows of this run only."""
    _insert(
        engine,
        extraction,
        _extraction(1, "mine"),  # all sent
        _extraction(2, "mine"),  # read, one batch pending
        _extraction(3, "mine", finished=False),  # being read
        _extraction(4, "other"),
    )
    _insert(
        engine,
        batch,
        _batch(1, 1, 1000, "delivered"),
        _batch(2, 1, 500, "delivered"),
        _batch(3, 2, 1000, "delivered"),
        _batch(4, 2, 70, "pending"),
        _batch(5, 4, 30, "delivered"),
    )
    _insert(
        engine,
        attempt,
        _attempt(1, "mine", "transient"),
        _attempt(1, "mine", "delivered"),
        _attempt(2, "mine", "delivered"),
        _attempt(3, "mine", "delivered"),
        _attempt(4, "mine", None),
        _attempt(5, "other", "delivered"),
    )
    assert outbox.progress("mine") == Progress(windows=1, rows=2500)
    assert outbox.delivered() == 2530


def test_accounts_are_the_last_reconciliation_of_each_window(engine: Engine, outbox: Outbox) -> None:
    """The last reconciliation of each window counts, also if the task was cleared and ran again."""
    row = {
        "kind": "month",
        "label": "2026-11",
        "window_start": START,
        "window_end": START + DAY,
        "run_id": "mine",
        "counted_at": START,
        "rows_read": 10,
        "delivered": 7,
        "rejected": {"too_long": 1},
        "excluded": 1,
        "duplicates": 1,
        "pending": 0,
        "recount": 10,
        "settled": True,
    }
    earlier = {"delivered": 6, "pending": 1, "settled": False}
    _insert(engine, reconciliation, row | earlier, row, row | {"run_id": "other", "rows_read": 99})
    (account,) = outbox.accounts("mine")
    assert account == Account("2026-11", 10, 7, Counter(too_long=1), 1, 1, 0, 10, True)
    assert account.closes


def test_months_add_up_to_years() -> None:
    """A single open month makes its year open."""
    months = [
        Account("2025-12", 5, 5, recount=5),
        Account("2026-01", 10, 9, Counter(too_long=1), recount=10),
        Account("2026-02", 10, 8, Counter(too_long=1), pending=1, recount=10, settled=False),
    ]
    undated = Account("undated", 3, rejected=Counter(no_date=3), recount=3)
    whole, first, second = by_year([undated, *months])
    assert whole == undated
    assert first == Account("2025", 5, 5, recount=5)
    assert second == Account("2026", 20, 17, Counter(too_long=2), pending=1, recount=20, settled=False)
    assert first.closes
    assert not second.closes


MONTHS = Account("total", 100, 80, Counter(too_long=6), 10, 4, 0, 100)
TODAY = Account("2026-11-23", 20, 20, recount=20)
SUMMARY = Summary(total=103, valid=83, duplicates=4, excluded=10, wrong={"too_long": 6})
DASHBOARD = {"entries_accepted": 83, "distinct_entries": 83, "violations": {}}


def _verdict(
    months: Account = MONTHS,
    day: Account = TODAY,
    in_source: int = 103,
    delivered: int = 83,
    summary: Summary = SUMMARY,
    dashboard: dict[str, Any] = DASHBOARD,
) -> list[bool]:
    findings = prove(months, day, in_source=in_source, delivered=delivered, summary=summary, dashboard=dashboard)
    return [finding.holds for finding in findings]


def test_the_proof_holds_when_every_row_is_accounted_for() -> None:
    """Of 103 rows, three of them late, 83 are delivered, 6 rejected, 10 excluded, 4 duplicate."""
    assert _verdict() == [True] * 5


@pytest.mark.parametrize(
    "fault",
    [
        # a month has a row pending, or does not add up, or was not settled
        lambda: _verdict(months=replace(MONTHS, delivered=79, pending=1)),
        lambda: _verdict(months=replace(MONTHS, read=101, recount=101)),
        lambda: _verdict(months=replace(MONTHS, recount=101)),
        lambda: _verdict(months=replace(MONTHS, settled=False)),
        # the day is not settled
        lambda: _verdict(day=replace(TODAY, settled=False)),
        # the right number, a wrong reason
        lambda: _verdict(months=replace(MONTHS, rejected=Counter(too_long=5, unknown_status=1))),
        # one row is lost, one is duplicated, one is different
        lambda: _verdict(dashboard=DASHBOARD | {"entries_accepted": 82, "distinct_entries": 82}),
        lambda: _verdict(dashboard=DASHBOARD | {"entries_accepted": 84}),
        lambda: _verdict(dashboard=DASHBOARD | {"distinct_entries": 82}),
        # the contract was violated
        lambda: _verdict(dashboard=DASHBOARD | {"violations": {"deprecated_path": 1}}),
        # the source has a row that was never read
        lambda: _verdict(in_source=104),
    ],
)
def test_the_proof_fails_when_any_number_is_off(fault: Callable[[], list[bool]]) -> None:
    """Each fault makes exactly the statement about it false."""
    assert fault().count(False) == 1
