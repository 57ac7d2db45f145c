"""Schema 0008 kept the rows of a batch in the row of the batch: they move in steps that survive interruption."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import local_day
from tablero.outbox import batches, ledger
from tablero.outbox.engine import connect, to_microseconds
from tablero.outbox.reports.requests import changes_of_request
from tablero.outbox.upgrade import migrate, schema_version

from tests.integration.former_outbox import create_schema, migrate_between_deaths
from tests.integration.samples import FEBRUARY, NOW, ZONE, all_batches, change, stage

#: More batches than three steps move; the last one was split, and has no rows.
COUNT = 650


def rows_of(number: int) -> list[StatusChange]:
    """The rows of a batch; those of one batch lie on two days."""
    return [change(3 * number + one) for one in (1, 2, 3)]


def fill(engine: Engine) -> None:
    """Insert batches as schema 0008 stored them: rows one after another, hashes of four bytes, days in a table."""

    def instant(value: Any) -> Any:
        return value if engine.dialect.name == "postgresql" else to_microseconds(value)

    kept, days = [], []
    for number in range(1, COUNT):
        rows = rows_of(number)
        hashes = sorted(zlib.crc32(row.request_id.encode()).to_bytes(4, "big") for row in rows)
        kept.append(
            {
                "id": number,
                "rows": len(rows),
                "first": instant(rows[0].last_modified_date),
                "last": instant(rows[-1].last_modified_date),
                "first_request": rows[0].request_id,
                "last_request": rows[-1].request_id,
                "state": "delivered" if number % 3 else "pending",
                "requests": b"".join(hashes),
                "content": zlib.compress(msgspec.msgpack.encode(rows), 1),
            }
        )
        counts: dict[str, int] = {}
        for row in rows:
            day = local_day(row.last_modified_date, ZONE).isoformat()
            counts[day] = counts.get(day, 0) + 1
        days += [{"day": day, "batch": number, "rows": count} for day, count in counts.items()]
    kept.append({**kept[0], "id": COUNT, "rows": 0, "state": "split", "requests": None, "content": None})
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
                "rows": sum(batch["rows"] for batch in kept),
            },
        )
        connection.execute(
            sa.text(
                "INSERT INTO batch (id, extraction_id, rows, first_change, last_change, first_request, last_request, state,"
                " requests, content)"
                " VALUES (:id, 1, :rows, :first, :last, :first_request, :last_request, :state, :requests, :content)"
            ),
            kept,
        )
        connection.execute(sa.text("INSERT INTO batch_day (day, batch_id, rows) VALUES (:day, :batch, :rows)"), days)
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT setval(pg_get_serial_sequence('batch', 'id'), (SELECT max(id) FROM batch))"))
            connection.execute(sa.text("SELECT setval(pg_get_serial_sequence('extraction', 'id'), 1)"))


@pytest.fixture
def former(new_database: Callable[..., URL]) -> Iterator[Engine]:
    """An outbox as the development version before left it."""
    engine = connect(new_database())
    create_schema(engine, "0008")
    fill(engine)
    yield engine
    engine.dispose()


def check(engine: Engine) -> None:
    found = all_batches(engine)
    with engine.connect() as connection:
        contents = batches.rows_of(connection, [row.id for row in found])
    assert [row.state for row in found[-2:]] == ["delivered", "split"]
    assert (found[-1].days, contents[COUNT]) == (None, [])
    for row in found[:-1]:
        assert contents[row.id] == rows_of(row.id)
        assert row.place == row.first_change
        assert sum(row.days.values()) == row.rows == 3
        assert {local_day(one.last_modified_date, ZONE).isoformat() for one in contents[row.id]} == set(row.days)
    assert [row.id for row in found if row.days and len(row.days) == 2] == [479]
    columns = {column["name"] for column in sa.inspect(engine).get_columns("batch")}
    assert not columns & {"requests", "content"}
    assert not sa.inspect(engine).has_table("batch_day")


def test_every_row_moves(former: Engine) -> None:
    """Every batch keeps its rows, days and state; reading the source again stages nothing, and a request is found."""
    migrate(former)
    check(former)
    account = ledger.account(former, FEBRUARY)
    assert (account.pending, account.delivered) == (3 * (COUNT // 3), 3 * (COUNT - 1 - COUNT // 3))
    assert stage(former, [row for number in range(1, COUNT) for row in rows_of(number)]) == 0
    with former.connect() as connection:
        (one,) = changes_of_request(connection, rows_of(70)[1].request_id, skip=0, limit=10)
    assert one.change == rows_of(70)[1]


def test_killed_at_any_step(former: Engine) -> None:
    """An interrupted migration resumes, and until it ends the schema has the old version."""

    def dead() -> None:
        assert schema_version(former) == "0008"

    migrate_between_deaths(former, dead)
    check(former)
