"""The database of the tests' institution: one table, and the view that Tablero reads; in SQLite or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from sandbox.dashboard import Row

_SCHEMA = """
create table if not exists history (
    service text, request text, opened text, status integer, changed text
);
create view if not exists tablero_status_changes as
select service as service_id, request as request_id, opened as opening_date, status as status_id,
       changed as last_modified_date
  from history;
"""


#: When requests are opened unless a test says otherwise: after the first instant of 2020 in every zone.
_OPENED = datetime(2020, 1, 2, 4, tzinfo=timezone.utc)


class Change(NamedTuple):
    """A row of the source; both instants are aware."""

    request: str
    changed: datetime
    status: int = 2
    opened: datetime = _OPENED
    service: str | None = "123"

    @property
    def wire(self) -> Row:
        """The row as the dashboard must receive it."""
        return (str(self.service), self.request, _utc(self.opened), self.status, _utc(self.changed))


class Institution:
    """An SQLite database with the view; timestamps are text without offset, in the institution's zone.

    :param zone: the institution's.
    """

    def __init__(self, path: Path, zone: tzinfo) -> None:
        self.path = path
        self.zone = zone
        with sqlite3.connect(path) as connection:
            connection.executescript(_SCHEMA)

    def commit(self, changes: Iterable[Change]) -> list[Change]:
        """Commit rows; returns them."""
        rows = list(changes)
        with sqlite3.connect(self.path, timeout=60) as connection:
            connection.executemany(
                "insert into history values (?, ?, ?, ?, ?)",
                [(row.service, row.request, self._local(row.opened), row.status, self._local(row.changed)) for row in rows],
            )
        return rows

    def mend(self, statement: str, *values: object) -> None:
        """Let a DBA change the table ``history``: (service, request, opened, status, changed)."""
        with sqlite3.connect(self.path, timeout=60) as connection:
            connection.execute(statement, values)

    def month(self, prefix: str, month: str, rows: int = 30) -> list[Change]:
        """Commit ``rows`` rows of ``month`` (``2020-05``), from its first instant to its last; ids begin with both names."""
        start = datetime.combine(date.fromisoformat(f"{month}-01"), time(), self.zone)
        end = datetime.combine((start.date() + timedelta(days=31)).replace(day=1), time(), self.zone)
        return self.commit(_spread(f"{prefix}{month}", start, end, rows))

    def day(self, prefix: str, day: date, rows: int = 5, *, note: str = "") -> list[Change]:
        """Commit ``rows`` rows of the civil day ``day``, from its first instant to its last."""
        start = datetime.combine(day, time(), self.zone)
        return self.commit(_spread(f"{prefix}{day}{note}", start, start + timedelta(days=1), rows))

    @property
    def connection(self) -> dict[str, Any]:
        """Fields of the connection ``tablero_source``."""
        return {"conn_type": "sqlite", "host": str(self.path)}

    def _local(self, instant: datetime) -> str:
        return instant.astimezone(self.zone).replace(tzinfo=None).isoformat(sep=" ")


class PostgresInstitution(Institution):
    """The same in PostgreSQL, where reading the rows of a month can be delayed for any time.

    :param address: of an empty database, connected to by socket.
    """

    _VIEW = """
        create table history (service text, request text, opened timestamp, status integer, changed timestamp);
        create view tablero_status_changes as
        select service as service_id, request as request_id, opened as opening_date, status as status_id,
               changed as last_modified_date
          from history, lateral (select pg_advisory_xact_lock_shared(extract(month from changed)::bigint)) as gate
    """

    def __init__(self, address: sa.URL, zone: tzinfo) -> None:
        self.zone = zone
        self._address = address
        self._engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        self._gates = self._engine.connect()
        self._gates.exec_driver_sql(self._VIEW)

    def commit(self, changes: Iterable[Change]) -> list[Change]:
        rows = list(changes)
        insert = sa.text("insert into history values (:service, :request, :opened, :status, :changed)")
        values = [row._asdict() | {"opened": self._local(row.opened), "changed": self._local(row.changed)} for row in rows]
        with self._engine.connect() as connection:
            connection.execute(insert, values)
        return rows

    @property
    def connection(self) -> dict[str, Any]:
        """Fields of the connection ``tablero_source``."""
        extra = orjson.dumps({"host": self._address.query["host"]}).decode()
        return {"conn_type": "postgres", "login": self._address.username, "schema": self._address.database, "extra": extra}

    def close(self, month: str) -> None:
        """Block everyone who reads a row of this month."""
        self._gates.execute(sa.text("select pg_advisory_lock(:month)"), {"month": _number(month)})

    def open(self, month: str) -> None:
        """Unblock them."""
        self._gates.execute(sa.text("select pg_advisory_unlock(:month)"), {"month": _number(month)})

    def waiting(self, month: str) -> int:
        """The number of statements that wait for the rows of a month."""
        query = sa.text("select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = :month")
        with self._engine.connect() as connection:
            return int(connection.scalar(query, {"month": _number(month)}) or 0)

    def dispose(self) -> None:
        """Close the connection."""
        self._gates.close()
        self._engine.dispose()


def _number(month: str) -> int:
    return int(month[-2:])


def _spread(name: str, start: datetime, end: datetime, rows: int) -> list[Change]:
    """Rows from the first instant of ``[start, end)`` to its last, the others evenly between."""
    # The first row of all must not be older than its request.
    first = Change(f"{name}-first", start, opened=min(start, _OPENED))
    last = Change(f"{name}-last", end - timedelta(microseconds=1))
    step = (end - start) / rows
    return [first, *(Change(f"{name}-{number:03d}", start + number * step) for number in range(1, rows - 1)), last]


def _utc(instant: datetime) -> str:
    moment = instant.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{moment.isoformat()}Z"
