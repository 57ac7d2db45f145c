"""An outbox of version 0.1, with a row for each status change, is converted to batches in steps that survive interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from tablero.contract.status_change import StatusChange
from tablero.outbox import ledger
from tablero.outbox.engine import connect, to_microseconds
from tablero.outbox.reports.requests import changes_of_request
from tablero.outbox.reports.snapshot import Readiness, readiness
from tablero.outbox.upgrade import migrate, schema_version

from tests.integration.former_outbox import create_schema, migrate_between_deaths
from tests.integration.samples import FEBRUARY, NOW, ZONE, all_batches, change, check_books, rows_in, stage, staged, states

#: Rows of each batch.
SIZE = 5


def fill(engine: Engine, batches: list[tuple[str, list[StatusChange]]]) -> None:
    """Insert batches by state as version 0.1 did; one in state ``parts`` was refused and split in two."""

    def instant(value: datetime) -> Any:
        return value if engine.dialect.name == "postgresql" else to_microseconds(value)

    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO extraction (id, kind, label, window_start, window_end, run_id, started_at, finished_at, rows_read,"
                " rejected) VALUES (1, 'month', '2020-02', :start, :end, 'run', :now, :now, :rows, '{}')"
            ),
            {
                "start": instant(FEBRUARY.start),
                "end": instant(FEBRUARY.end),
                "now": instant(NOW),
                "rows": sum(len(rows) for state, rows in batches if state != "withdrawn"),
            },
        )
        attempts, kept, contents, days = [], [], [], []
        for number, (state, rows) in enumerate(batches, 1):
            instants = [row.last_modified_date for row in rows]
            settled = state in ("delivered", "adopted", "refused", "withdrawn")
            kept.append(
                {
                    "id": number,
                    "rows": len(rows),
                    "first": instant(min(instants)),
                    "last": instant(max(instants)),
                    "state": "delivered" if state == "adopted" else "pending" if state == "doubtful" else state,
                    "settled": instant(NOW) if settled else None,
                    "words": "no" if state in ("refused", "withdrawn") else None,
                }
            )
            contents += [
                {
                    **row._asdict(),
                    "opening_date": instant(row.opening_date),
                    "last_modified_date": instant(row.last_modified_date),
                    "batch": number,
                }
                for row in rows
            ]
            counts: dict[Any, int] = {}
            for one in instants:
                local = one.astimezone(ZONE).date()
                counts[local] = counts.get(local, 0) + 1
            days += [{"day": f"{day}", "batch": number, "rows": count} for day, count in counts.items()]
            outcome = {"delivered": "delivered", "adopted": "delivered", "refused": "refused", "doubtful": "unknown"}.get(state)
            if outcome:
                called = state != "adopted"
                attempts.append({"batch": number, "now": instant(NOW), "outcome": outcome, "seconds": 0.2 if called else None})
        connection.execute(
            sa.text(
                "INSERT INTO batch (id, extraction_id, rows, first_change, last_change, state, settled_at, words)"
                " VALUES (:id, 1, :rows, :first, :last, :state, :settled, :words)"
            ),
            kept,
        )
        connection.execute(
            sa.text(
                "INSERT INTO status_change (service_id, request_id, opening_date, status_id, last_modified_date, batch_id)"
                " VALUES (:service_id, :request_id, :opening_date, :status_id, :last_modified_date, :batch)"
            ),
            contents,
        )
        connection.execute(sa.text("INSERT INTO batch_day (day, batch_id, rows) VALUES (:day, :batch, :rows)"), days)
        if attempts:
            connection.execute(
                sa.text(
                    "INSERT INTO attempt (batch_id, run_id, message_id, started_at, outcome, seconds)"
                    " VALUES (:batch, 'run', 'message', :now, :outcome, :seconds)"
                ),
                attempts,
            )
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT setval(pg_get_serial_sequence('batch', 'id'), (SELECT max(id) FROM batch))"))
            connection.execute(sa.text("SELECT setval(pg_get_serial_sequence('extraction', 'id'), 1)"))


def rows_of(number: int, size: int = SIZE) -> list[StatusChange]:
    """The rows of a batch, one of them with a fraction of a second."""
    first = change(number * size)
    return [
        first._replace(last_modified_date=first.last_modified_date + timedelta(microseconds=7)),
        *(change(number * size + one, service=str(one % 2)) for one in range(1, size)),
    ]


#: Every former state, and enough batches for several steps.
BATCHES = [
    *(("delivered", rows_of(number)) for number in range(60)),
    *(("pending", rows_of(number)) for number in range(60, 110)),
    ("adopted", rows_of(110)),
    ("doubtful", rows_of(111)),
    ("refused", rows_of(112)[:1]),
    ("withdrawn", rows_of(113)[:1]),
]


@pytest.fixture
def former(new_database: Callable[..., URL]) -> Iterator[Engine]:
    """An outbox as version 0.1 left it."""
    engine = connect(new_database())
    create_schema(engine, "0004")
    fill(engine, BATCHES)
    yield engine
    engine.dispose()


def check(engine: Engine) -> None:
    check_books(engine)
    assert staged(engine) == {row for _, rows in BATCHES for row in rows}
    for state, kinds in {"delivered": ("delivered", "adopted"), "pending": ("pending", "doubtful")}.items():
        assert rows_in(engine, state) == {row for kind, rows in BATCHES for row in rows if kind in kinds}
    assert not sa.inspect(engine).has_table("status_change")
    found = {row.id: row for row in all_batches(engine)}
    assert {row.settled_how for row in list(found.values())[:60]} == {"acknowledged"}
    assert [found[number].settled_how for number in (111, 113, 114)] == ["adopted", None, "refused"]
    assert [number for number, row in found.items() if row.ever_unknown] == [112]
    account = ledger.account(engine, FEBRUARY)
    assert account.read == account.accounted
    with engine.connect() as connection:
        (one,) = changes_of_request(connection, rows_of(70)[0].request_id, skip=0, limit=10)
    assert one.change == rows_of(70)[0]


def test_every_row_is_carried_over(former: Engine) -> None:
    """Every row keeps its state, counts and instants; reading the source again stages only withdrawn rows."""
    migrate(former)
    check(former)
    current = [row for state, rows in BATCHES if state != "withdrawn" for row in rows]
    assert stage(former, current) == 0
    assert states(former)["withdrawn"] == 1


def test_killed_at_any_step(former: Engine) -> None:
    """An interrupted migration resumes; until it ends, the page reports an older version, and no task uses the outbox."""

    def dead() -> None:
        if schema_version(former) == "0004":
            assert readiness(former) is Readiness.OLDER

    migrate_between_deaths(former, dead)
    check(former)


@pytest.mark.system
@pytest.mark.slow
def test_a_million_rows(new_database: Callable[..., URL]) -> None:
    """A million rows are migrated in steps of fifty batches."""
    engine = connect(new_database())
    create_schema(engine, "0004")
    every = [change(number, at=FEBRUARY.start + number * timedelta(seconds=2)) for number in range(1_000_000)]
    fill(engine, [("delivered" if n % 10 else "pending", every[n * 1000 : (n + 1) * 1000]) for n in range(1000)])
    migrate(engine)
    with engine.connect() as connection:
        rows = connection.scalar(sa.text("SELECT sum(rows) FROM batch JOIN batch_content ON batch_id = id"))
    assert rows == 1_000_000
    account = ledger.account(engine, FEBRUARY)
    assert (account.delivered, account.pending) == (900_000, 100_000)
    engine.dispose()
