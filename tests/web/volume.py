"""Fills an outbox with millions of status changes, as after years of operation.

Every month from 2020-01 on has its share, in batches of a thousand whose rows are spread over the month, as the historical load
creates them; every day was read four times by the daily send, and proved each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from typing import Any

import pendulum
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, day_window, month_windows
from tablero.outbox.batches import Origin, make
from tablero.outbox.engine import writing
from tablero.outbox.schema import attempt, extraction, reconciliation, rejection

ZONE = pendulum.timezone("America/Santo_Domingo")

#: Rows of a batch.
_BATCH = 1_000

#: Batches, or rows of another table, inserted in one transaction.
_STEP = 100
_LINES = 5_000

#: How often each day was read: by its own run, and by those of the following days.
_READINGS = 4

_FIRST = date(2020, 1, 1)

_REFUSED, _REJECTED, _PENDING = 2_000, 100_000, 50

_REASONS = ("unknown_status", "missing_request_id", "opening_after_change", "too_long")


def fill(engine: Engine, *, rows: int, now: datetime) -> None:
    """Fill an empty outbox.

    :param rows: how many status changes are staged.
    :param now: where the last month ends.
    """
    months = month_windows(_FIRST, now.astimezone(ZONE).date().replace(day=1), ZONE, now)
    _insert(engine, extraction, _readings(months, rows, now))
    _insert(engine, reconciliation, map(_proof, _readings(months, rows, now)))
    count = rows // _BATCH
    settled = {"state": "delivered", "settled_how": "acknowledged"}
    for first in range(0, count, _STEP):
        with writing(engine) as connection:
            for number in range(first, min(first + _STEP, count)):
                month = number * len(months) // count
                if number >= count - _PENDING:
                    state: dict[str, Any] = {"state": "pending"}
                else:
                    state = settled | {"settled_at": _settled_at(number, count, now)}
                make(connection, Origin(month + 1), [_rows(number, months[month])], ZONE, **state)
    _insert(engine, attempt, (_attempt(number, count, now) for number in range(count)))
    with writing(engine) as connection:
        refused = {"state": "refused", "words": "«unknown service_id»", "settled_at": now}
        make(connection, Origin(1), [[_bad(number)] for number in range(_REFUSED)], ZONE, **refused)
    _insert(engine, rejection, map(_rejection, range(_REJECTED)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE")


def _insert(engine: Engine, table: sa.Table, lines: Iterable[dict[str, Any]]) -> None:
    lines = iter(lines)
    while some := list(islice(lines, _LINES)):
        with writing(engine) as connection:
            connection.execute(sa.insert(table), some)


def _readings(months: list[Window], rows: int, now: datetime) -> Iterator[dict[str, Any]]:
    for month in months:
        yield _reading(month, "manual__history", now - timedelta(days=1), rows // len(months)) | {
            "duplicates": 3,
            "excluded": 5,
            "rejected": {"unknown_status": 7},
        }
    day = _FIRST
    while day < now.astimezone(ZONE).date():
        window = day_window(day, ZONE)
        for again in range(_READINGS):
            night = day + timedelta(days=again)
            yield _reading(window, f"scheduled__{night}", window.end + again * timedelta(days=1), 3000)
        day += timedelta(days=1)


def _reading(window: Window, run_id: str, at: datetime, rows: int) -> dict[str, Any]:
    return {
        "kind": window.kind,
        "label": window.label,
        "window_start": window.start,
        "window_end": window.end,
        "run_id": run_id,
        "started_at": at,
        "finished_at": at,
        "rows_read": rows,
        "duplicates": 0,
        "excluded": 0,
        "rejected": {},
    }


def _proof(reading: dict[str, Any]) -> dict[str, Any]:
    names = ("kind", "label", "window_start", "window_end", "run_id", "rows_read", "duplicates", "excluded", "rejected")
    return {name: reading[name] for name in names} | {
        "counted_at": reading["finished_at"] + timedelta(seconds=1),
        "delivered": reading["rows_read"],
        "pending": 0,
        "recount": reading["rows_read"],
        "settled": True,
    }


def _settled_at(number: int, count: int, now: datetime) -> datetime:
    """All of it in the last month, one after another."""
    return now - timedelta(days=30) * (1 - number / count)


def _attempt(number: int, count: int, now: datetime) -> dict[str, Any]:
    return {
        "batch_id": number + 1,
        "run_id": f"manual__history_{number // 500}",
        "message_id": f"message-{number}",
        "started_at": _settled_at(number, count, now) - timedelta(seconds=1),
        "outcome": "delivered",
        "seconds": 0.2 + number % 97 / 50,
        "http_status": 201,
    }


def _rejection(number: int) -> dict[str, Any]:
    return {
        "digest": hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest(),
        "reason": _REASONS[number % len(_REASONS)],
        "service_id": str(1040 + number % 7),
        "request_id": f"WRONG-{number}",
        "opening_date": "2020-01-01",
        "status_id": "99",
        "last_modified_date": "2020-01-01",
        "changed_at": datetime(2020, 1, 2, tzinfo=timezone.utc) + number * timedelta(minutes=36),
        "extraction_id": 1,
        "resolved": number % 10 == 0,
    }


def _rows(number: int, month: Window) -> list[StatusChange]:
    """The rows of a batch; multiplying by a prime spreads them over its month."""
    starts = month.start.astimezone(timezone.utc)
    second = (month.end - month.start).total_seconds() / 1_000_004
    return [
        StatusChange(
            str(1040 + row % 7),
            f"REQ-{row:09}",
            starts,
            1 + row % 21,
            starts + timedelta(seconds=int(second * (row * 7919 % 1_000_003))),
        )
        for row in range(number * _BATCH, (number + 1) * _BATCH)
    ]


def _bad(number: int) -> StatusChange:
    moment = datetime(2020, 1, 2, tzinfo=timezone.utc) + number * timedelta(hours=1)
    return StatusChange("9999", f"BAD-{number}", moment, 1, moment)
