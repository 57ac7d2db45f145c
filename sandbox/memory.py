"""Received calls and accepted entries, in one SQLite file that outlives the process.

WAL mode, ``synchronous = NORMAL``: a commit survives ``kill -9`` of the process, as in the tests;
a power cut may lose the last commits. Writing goes through :class:`Memory`; reading
functions open the file separately, so they work while the server runs, in another process, and
after it was killed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sandbox.dashboard import Row

_SCHEMA = """
create table if not exists calls (
    call_id       integer primary key autoincrement,
    received_at   text not null,              -- UTC, ISO 8601, when the headers had arrived
    method        text not null,
    path          text not null,              -- as on the wire, without query
    x_road_id     text,
    x_road_issue  text,
    x_road_client text,
    user_agent    text,
    entries       integer not null,           -- how many status changes the call held
    bytes         integer not null,           -- length of the body
    status        integer,                    -- HTTP status answered; null = no answer was sent
    fault         text,                       -- kinds of the faults applied, joined by '+'
    accepted      integer not null,           -- 1 = its entries are in table entries
    violations    text not null               -- breaches of the contract, joined by ','
);
create table if not exists entries (
    seq                integer primary key autoincrement,  -- order of arrival
    call_id            integer not null references calls,
    position           integer not null,                   -- index within the call, from 0
    service_id         text not null,
    request_id         text not null,
    opening_date       text not null,
    status_id          integer not null,
    last_modified_date text not null
);
"""

_INSERT_CALL = """
insert into calls (received_at, method, path, x_road_id, x_road_issue, x_road_client, user_agent,
                   entries, bytes, status, fault, accepted, violations)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_INSERT_ENTRY = """
insert into entries (call_id, position, service_id, request_id, opening_date, status_id, last_modified_date)
values (?, ?, ?, ?, ?, ?, ?)
"""

_HOLDS = """
select 1 from entries
 where request_id = ? and service_id = ? and opening_date = ? and status_id = ? and last_modified_date = ? limit 1
"""

_COUNT_EACH = """
select service_id, request_id, opening_date, status_id, last_modified_date, count(*)
  from entries group by 1, 2, 3, 4, 5
"""

_COUNT_DISTINCT = """
select count(*)
  from (select distinct service_id, request_id, opening_date, status_id, last_modified_date from entries)
"""


@dataclass
class CallRecord:
    """A recorded call; filled in while the call is handled."""

    method: str
    path: str
    x_road_id: str | None = None
    x_road_issue: str | None = None
    x_road_client: str | None = None
    user_agent: str | None = None
    entries: int = 0
    bytes: int = 0
    status: int | None = None
    fault: str | None = None
    violations: list[str] = field(default_factory=list)
    received_at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="microseconds"))


class Memory:
    """The only writer of the file; thread-safe. An existing file is continued."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.executescript(_SCHEMA)

    def record(self, call: CallRecord, rows: Sequence[Row] = ()) -> int:
        """Store a call and the entries accepted with it, all or nothing; returns the call's id."""
        with self._lock, self._transaction() as connection:
            cursor = connection.execute(
                _INSERT_CALL,
                (
                    call.received_at,
                    call.method,
                    call.path,
                    call.x_road_id,
                    call.x_road_issue,
                    call.x_road_client,
                    call.user_agent,
                    call.entries,
                    call.bytes,
                    call.status,
                    call.fault,
                    int(bool(rows)),
                    ",".join(call.violations),
                ),
            )
            call_id = cursor.lastrowid
            assert call_id is not None
            if rows:
                connection.executemany(_INSERT_ENTRY, [(call_id, position, *row) for position, row in enumerate(rows)])
        return call_id

    def holds_any(self, rows: Sequence[Row]) -> bool:
        """Whether one of these entries was accepted before."""
        with self._lock:
            return any(self._connection.execute(_HOLDS, (row[1], row[0], *row[2:])).fetchone() for row in rows)

    def reset(self) -> None:
        """Delete everything; ids restart at 1."""
        with self._lock, self._transaction() as connection:
            connection.execute("delete from entries")
            connection.execute("delete from calls")
            connection.execute("delete from sqlite_sequence")

    def close(self) -> None:
        """Close the file; what was recorded remains in it."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("begin immediate")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")


def read_entries(path: Path, *, after: int = 0, limit: int = -1) -> list[dict[str, Any]]:
    """Accepted entries in order of arrival: the five values, ``seq``, ``call_id`` and ``position``."""
    return _rows(path, "select * from entries where seq > ? order by seq limit ?", (after, limit))


def read_calls(path: Path, *, after: int = 0, limit: int = -1) -> list[dict[str, Any]]:
    """Calls in the order in which they were recorded; ``accepted`` is a bool, ``violations`` a list."""
    calls = _rows(path, "select * from calls where call_id > ? order by call_id limit ?", (after, limit))
    for call in calls:
        call["accepted"] = bool(call["accepted"])
        call["violations"] = call["violations"].split(",") if call["violations"] else []
    return calls


def count_entries(path: Path) -> Counter[Row]:
    """How many times each five-tuple was accepted."""
    with _reading(path) as connection:
        rows = connection.execute(_COUNT_EACH)
        return Counter({(row[0], row[1], row[2], row[3], row[4]): row[5] for row in rows})


def summarise(path: Path, *, distinct: bool = False) -> dict[str, Any]:
    """Totals since the last reset; ``distinct`` also counts the different entries (slow if they are many)."""
    with _reading(path) as connection:
        calls, accepted, size = connection.execute(
            "select count(*), coalesce(sum(accepted), 0), coalesce(sum(bytes), 0) from calls"
        ).fetchone()
        (entries,) = connection.execute("select count(*) from entries").fetchone()
        statuses = connection.execute("select status, count(*) from calls group by status order by status").fetchall()
        faults = connection.execute("select fault, count(*) from calls where fault is not null group by fault").fetchall()
        broken = connection.execute("select violations from calls where violations <> ''").fetchall()
        summary: dict[str, Any] = {
            "calls": calls,
            "calls_accepted": accepted,
            "entries_accepted": entries,
            "bytes": size,
            "by_status": {"none" if status is None else str(status): count for status, count in statuses},
            "by_fault": dict(faults),
            "violations": dict(Counter(name for (names,) in broken for name in names.split(","))),
        }
        if distinct:
            (summary["distinct_entries"],) = connection.execute(_COUNT_DISTINCT).fetchone()
    return summary


def _rows(path: Path, query: str, parameters: tuple[int, ...]) -> list[dict[str, Any]]:
    with _reading(path) as connection:
        cursor = connection.execute(query, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # mode=rw: not ro, because after a kill -9 the write-ahead log has to be recovered, which a read-only
    # handle cannot do; and not the default, which would create a missing file.
    address = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=30)
    try:
        connection.execute("pragma query_only = on")
        connection.execute("begin")  # one snapshot for all queries of a summary
        yield connection
    finally:
        connection.close()
