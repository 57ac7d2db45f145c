"""A stand-in that speaks the protocol of SQL Server (TDS): pySQLbridge, from PyPI, serves a table and understands T-SQL.

It parses logins, batches and calls as SQL Server does, answers with its error numbers, and sends ``datetime`` in
the steps of 1/300 s. It is not SQL Server: it shows nothing about collations, the contents of views, or locks. Types that it
lacks (``datetime2``, ``datetimeoffset``, ``date``) are implemented here from the protocol's specification (MS-TDS), and
compared with another implementation of it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

from pysqlbridge.catalog import Catalog
from pysqlbridge.logins import Login, LoginStore
from pysqlbridge.server import start_background
from pysqlbridge.source import Table
from pysqlbridge.tds.result import Column, ColumnType, DateTime, Integer, NVarChar, QueryError, QueryResult
from sqlalchemy.engine import URL
from tablero.contract.status_change import FIELDS

USER, PASSWORD = "lector", "clave / 100%"

_COLLATED = re.compile(r"\(([\w.]+) COLLATE Latin1_General_BIN2\)|([\w.]+) COLLATE Latin1_General_BIN2")
_FIRST_DAY = date(1, 1, 1)


def _ticks(moment: datetime) -> bytes:
    """Tenths of microseconds since midnight, in five bytes."""
    since = moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return (since // timedelta(microseconds=1) * 10).to_bytes(5, "little")


def _days(day: date) -> bytes:
    return (day - _FIRST_DAY).days.to_bytes(3, "little")


@dataclass(frozen=True)
class Date(ColumnType):
    """DATENTYPE."""

    def type_info(self) -> bytes:
        return b"\x28"

    def encode(self, value: Any) -> bytes:
        return b"\x00" if value is None else b"\x03" + _days(value)


@dataclass(frozen=True)
class DateTime2(ColumnType):
    """DATETIME2NTYPE, of seven digits."""

    def type_info(self) -> bytes:
        return b"\x2a\x07"

    def encode(self, value: Any) -> bytes:
        return b"\x00" if value is None else b"\x08" + _ticks(value) + _days(value.date())


@dataclass(frozen=True)
class DateTimeOffset(ColumnType):
    """DATETIMEOFFSETNTYPE, of seven digits: the instant in UTC, and minutes of offset."""

    def type_info(self) -> bytes:
        return b"\x2b\x07"

    def encode(self, value: Any) -> bytes:
        if value is None:
            return b"\x00"
        utc, offset = value.astimezone(timezone.utc), value.utcoffset() // timedelta(minutes=1)
        return b"\x0a" + _ticks(utc) + _days(utc.date()) + struct.pack("<h", offset)


DATETIME = DateTime()


@dataclass
class Stand:
    """A running stand-in.

    :ivar answer: the answer to a query; by default the table of :meth:`fill`.
    :ivar asked: the SQL that arrived, and its parameters.
    """

    address: URL = field(default_factory=lambda: URL.create("mssql+pymssql"))
    catalog: Catalog = field(default_factory=Catalog)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    answer: Callable[[Any], QueryResult] | None = None

    def handle(self, query: Any) -> QueryResult:
        sql = query if isinstance(query, str) else query.sql
        self.asked.append((sql, getattr(query, "parameters", None)))
        plain = _COLLATED.sub(r"\1\2", sql)  # it does not support collations
        result: QueryResult = (self.answer or self.catalog.answer)(
            plain if isinstance(query, str) else replace(query, sql=plain)
        )
        return result

    def fill(
        self, kind: ColumnType, changed: Sequence[Any], *, opened: Any = None, name: str = "tablero_status_changes"
    ) -> None:
        """Create a table of one row for each value of ``last_modified_date``; ``opening_date`` has the same type."""
        rows = [["1041", f"R-{number}", opened or value, 2, value] for number, value in enumerate(changed)]
        self.catalog.add(Table(name, _columns(kind), rows))

    def show(self, kind: ColumnType, changed: Sequence[Any], *, opened: Any) -> None:
        """Return the same rows for any query of the view: types that the stand-in can send but not compare."""
        rows = [["1041", f"R-{number}", opened, 2, value] for number, value in enumerate(changed)]

        def answer(query: Any) -> QueryResult:
            sql = query if isinstance(query, str) else query.sql
            if "tablero_status_changes" not in sql:
                return self.catalog.answer(query)  # type: ignore[no-any-return]
            listed = sql.partition(" FROM")[0].lower()
            wanted = [place for place, name in enumerate(FIELDS) if name in listed]
            columns = [_columns(kind)[place] for place in wanted]
            found = [] if "1=0" in sql else rows[: 1 if "TOP 1 " in sql else None]
            return QueryResult(columns=columns, rows=[[row[place] for place in wanted] for row in found])

        self.answer = answer

    def fail(self, number: int, words: str) -> None:
        """Let any query of the view end with this error."""

        def answer(query: Any) -> QueryResult:
            if "tablero_status_changes" in (query if isinstance(query, str) else query.sql):
                raise QueryError(words, number=number)
            return self.catalog.answer(query)  # type: ignore[no-any-return]

        self.answer = answer


def _columns(kind: ColumnType) -> list[Column]:
    types = (NVarChar(20), NVarChar(40), kind, Integer(4), kind)
    return [Column(name, type_) for name, type_ in zip(FIELDS, types, strict=True)]


@contextmanager
def running() -> Iterator[Stand]:
    """A stand-in that is stopped afterwards."""
    stand = Stand()
    logins = LoginStore([Login(USER, PASSWORD, hashed=False)])
    server, thread = start_background(query_handler=stand.handle, logins=logins)
    host, port = server.address
    stand.address = URL.create("mssql+pymssql", USER, PASSWORD, host, port, "master")
    try:
        yield stand
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
