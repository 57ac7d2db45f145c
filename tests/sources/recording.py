"""A fake database that records the SQL it receives, in the dialect of a real one, and returns a single value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine


@dataclass
class Asked:
    """A statement as it would be sent to the server, on one line, with its values."""

    sql: str
    values: Any


@dataclass
class Recorder:
    """The recorded statements, in order.

    :ivar value: the value returned once by every query for rows; queries for groups return 4 rows of each.
    :ivar kind: its type, as a driver describes it.
    """

    value: Any = datetime(2020, 2, 1)  # noqa: DTZ001 as such a column gives it
    kind: Any = None
    asked: list[Asked] = field(default_factory=list)

    def engine(self, url: str) -> Engine:
        """An engine for a driver that need not be installed."""
        style = {"mssql+pymssql": "pyformat", "oracle+oracledb": "named"}[sa.make_url(url).drivername]
        engine = sa.create_engine(url, module=_Driver(self, style))
        engine.dialect.initialize = lambda _connection: None  # type: ignore[method-assign]  # no server to ask
        engine.dialect.server_version_info = (19,)  # type: ignore[attr-defined]  # current ones of both
        return engine


class _Error(Exception):
    """Never raised: this database has no faults."""


class _Driver(SimpleNamespace):
    """The interface of a driver (PEP 249)."""

    def __init__(self, recorder: Recorder, paramstyle: str) -> None:
        errors = dict.fromkeys(("Error", "ProgrammingError", "DataError", "OperationalError", "DatabaseError"), _Error)
        super().__init__(recorder=recorder, paramstyle=paramstyle, version="26.1.0", __version__="2.3.13", **errors)

    def __getattr__(self, name: str) -> str:
        return name  # constants: types that a dialect uses

    def makedsn(self, host: str, port: int, **_names: str) -> str:
        return f"{host}:{port}"

    def connect(self, *_args: Any, **_options: Any) -> _Connection:
        return _Connection(self.recorder)


class _Connection(SimpleNamespace):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder=recorder, outputtypehandler=None)

    def cursor(self) -> _Cursor:
        return _Cursor(self.recorder)

    def rollback(self) -> None: ...

    def commit(self) -> None: ...

    def close(self) -> None: ...


class _Cursor(SimpleNamespace):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder=recorder, rowcount=-1, arraysize=100, description=(), rows=[])

    def setinputsizes(self, **_sizes: Any) -> None: ...

    def execute(self, sql: str, values: Any = None) -> None:
        self.recorder.asked.append(Asked(" ".join(sql.split()), values))
        grouped = "placed.place, count(*)" in sql  # four rows a group, one of them without a value
        names = ["service_id", "request_id", "opening_date", "status_id", "last_modified_date"]
        head = sql.partition("FROM")[0]
        if "SELECT *" not in head and "service_id" not in head:
            names = re.findall(r" AS (current_timestamp_\d+)", head) or ["one"]
        if "placed.last_modified_date, placed.place" in head:
            names = ["last_modified_date", "place"]
        if grouped:
            names = ["place", "count_1", "count_2"]
        self.description = [(name.upper(), self.recorder.kind, None, None, None, None, True) for name in names]
        self.rows = (
            [(number, 4, 3) for number in range(-1, 3)]
            if grouped
            else [tuple(-1 if name == "place" else self.recorder.value for name in names)]
        )

    def fetchone(self) -> Any:
        return self.rows.pop() if self.rows else None

    def fetchmany(self, _size: int = 0) -> list[Any]:
        rows, self.rows = self.rows, []
        return rows

    fetchall = fetchmany

    def close(self) -> None: ...
