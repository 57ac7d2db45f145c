"""What the page asks of the outbox: whether it can be asked at all, the connection for asking, and the shapes of answers.

The questions themselves stand in ``reports_*.py``. They only read, each is bounded, and none counts status changes where a
count by batch will do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.outbox.engine import Instant, schema_version, to_microseconds, translated

#: The oldest schema that these questions can be asked of.
OLDEST_SCHEMA = "0006"

#: A count of rejections stops here: beyond it the page says "more than".
COUNT_LIMIT = 10_000


class Readiness(Enum):
    """Whether the outbox can be asked."""

    READY = "ready"

    EMPTY = "empty"
    """There is a database, and no outbox in it: nothing has run yet."""

    OLDER = "older"
    """The package is newer than the outbox: nothing has run since it was installed."""


def readiness(engine: Engine) -> Readiness:
    """Whether the outbox can be asked.

    :raises OutboxUnavailable, SetupError: if there is no telling.
    """
    found = schema_version(engine)
    if found is None:
        return Readiness.EMPTY
    return Readiness.OLDER if found < OLDEST_SCHEMA else Readiness.READY


@contextmanager
def snapshot(engine: Engine, *, seconds: float) -> Iterator[Connection]:
    """A connection on which all questions are answered from one state of the outbox.

    Takes no lock that a worker could wait for, and refuses to write.

    :param seconds: longest time that one question may take, where the database can be told (PostgreSQL).
    :raises OutboxUnavailable: the database did not answer, or not in time.
    """
    with translated(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            connection.execute(sa.text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{seconds:.3f}s"})
        else:
            connection.execution_options(reads=True)
        yield connection


class Rows(NamedTuple):
    """Staged rows of a day or a month, by what became of them."""

    delivered: int = 0
    pending: int = 0
    refused: int = 0

    def __add__(self, other: Rows) -> Rows:  # type: ignore[override]  # a sum of counts, not a longer tuple
        return Rows(*(one + another for one, another in zip(self, other, strict=True)))

    @property
    def staged(self) -> int:
        """All of them."""
        return sum(self)


class Reading(NamedTuple):
    """A reading of a window of the source.

    :ivar finished_at: ``None`` while it is under way, or if it was cut off.
    :ivar rejected: rows set aside, by reason code.
    """

    id: int
    kind: str
    label: str
    window_start: datetime
    window_end: datetime
    run_id: str
    started_at: datetime
    finished_at: datetime | None
    rows_read: int
    rows_new: int
    rows_known: int
    duplicates: int
    excluded: int
    rejected: Counter[str]

    @classmethod
    def of(cls, row: Any) -> Reading:
        """A row of ``extraction``."""
        values = {name: getattr(row, name) for name in cls._fields}
        return cls(**values | {"rejected": Counter(row.rejected)})


class Proof(NamedTuple):
    """What ``reconcile`` found for a window at an instant.

    :ivar recount: rows in the source then; ``None`` if it could not be counted.
    :ivar settled: nothing pending, and the sum closed.
    """

    id: int
    kind: str
    label: str
    window_start: datetime
    window_end: datetime
    run_id: str
    counted_at: datetime
    rows_read: int
    delivered: int
    rejected: Counter[str]
    excluded: int
    duplicates: int
    pending: int
    recount: int | None
    settled: bool

    @classmethod
    def of(cls, row: Any) -> Proof:
        """A row of ``reconciliation``."""
        values = {name: getattr(row, name) for name in cls._fields}
        return cls(**values | {"rejected": Counter(row.rejected)})


def as_table(connection: Connection, windows: Iterable[Window]) -> sa.FromClause:
    """Windows as a table of ``label``, ``first`` and ``after``, so that one query looks at each of them.

    They travel as one JSON value: hundreds of bound values would take longer to write down than to look up.
    """
    columns: tuple[sa.ColumnClause[Any], ...] = (
        sa.column("label", sa.String),
        sa.column("first", Instant),
        sa.column("after", Instant),
    )
    if connection.dialect.name == "postgresql":
        given: list[Any] = [
            {"label": window.label, "first": window.start.isoformat(), "after": window.end.isoformat()} for window in windows
        ]
        records = sa.func.jsonb_to_recordset(sa.bindparam(None, given, JSONB))
        return records.table_valued(*columns).render_derived(name="windows", with_types=True)
    given = [(window.label, to_microseconds(window.start), to_microseconds(window.end)) for window in windows]
    each = sa.func.json_each(orjson.dumps(given).decode()).table_valued("value")
    fields = (
        sa.type_coerce(sa.func.json_extract(each.c.value, f"$[{number}]"), column.type).label(column.name)
        for number, column in enumerate(columns)
    )
    return sa.select(*fields).cte("windows")
