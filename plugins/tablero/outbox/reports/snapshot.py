"""What all queries share: the check that the outbox can be queried, the connection, and result types.

All queries only read, all are bounded, and none reads rows where the counts of batches are enough.
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
from tablero.outbox.engine import Instant, to_microseconds, translated
from tablero.outbox.upgrade import usable_version

#: The oldest schema version that the queries support.
OLDEST_SCHEMA = "0010"

#: A page counts rejections up to this number, so that it costs the same however many there are.
COUNT_LIMIT = 10_000


class Count(NamedTuple):
    """A number of rows of which at most :data:`COUNT_LIMIT` were counted at one place.

    It is no number on purpose, so that what was not counted to the end is neither printed nor divided as if it were exact.

    :ivar counted: rows that were counted.
    :ivar is_exact: whether these are all of them; otherwise there are more.
    """

    counted: int
    is_exact: bool = True

    @classmethod
    def up_to_limit(cls, found: int) -> Count:
        """From what a query has found that stops after :data:`COUNT_LIMIT` + 1 rows."""
        return cls(min(found, COUNT_LIMIT), is_exact=found <= COUNT_LIMIT)

    def __add__(self, other: Count) -> Count:  # type: ignore[override]  # a sum of counts, not a longer tuple
        return Count(self.counted + other.counted, self.is_exact and other.is_exact)

    def __bool__(self) -> bool:
        return self.counted > 0 or not self.is_exact


class Readiness(Enum):
    """Whether the outbox can be queried."""

    READY = "ready"

    EMPTY = "empty"
    """The database contains no outbox yet: no task has run."""

    OLDER = "older"
    """The schema is older than this package: no task has run since the upgrade."""


def readiness(engine: Engine) -> Readiness:
    """Whether the outbox can be queried.

    :raises OutboxUnavailable: if the database does not answer; a retry may help.
    :raises SetupError: if access to it is refused, its schema is newer than this package, or a move to it is not finished.
    """
    found = usable_version(engine)
    if found is None:
        return Readiness.EMPTY
    return Readiness.OLDER if found < OLDEST_SCHEMA else Readiness.READY


@contextmanager
def snapshot(engine: Engine, *, seconds: float) -> Iterator[Connection]:
    """A connection on which all queries see the same state of the outbox.

    It takes no lock that a worker would wait for, and cannot write.

    :param seconds: statement timeout; only PostgreSQL supports one.
    :raises OutboxUnavailable: if the database does not answer, or not in time.
    """
    with translated(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            connection.execute(sa.text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{seconds:.3f}s"})
        else:
            connection.execution_options(reads=True)
        yield connection


class Rows(NamedTuple):
    """Staged rows of a day or a month by state."""

    delivered: int = 0
    pending: int = 0
    refused: int = 0

    def __add__(self, other: Rows) -> Rows:  # type: ignore[override]  # a sum of counts, not a longer tuple
        return Rows(*(one + another for one, another in zip(self, other, strict=True)))

    @property
    def staged(self) -> int:
        """Their sum."""
        return sum(self)


class Reading(NamedTuple):
    """A reading of a window: a row of ``extraction``.

    :ivar finished_at: ``None`` while it is in progress, or if it was interrupted.
    :ivar rejected: rejected rows by reason code.
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
        """Build it from a row of ``extraction``."""
        values = {name: getattr(row, name) for name in cls._fields}
        return cls(**values | {"rejected": Counter(row.rejected)})


class Proof(NamedTuple):
    """The result of ``reconcile`` for a window: a row of ``reconciliation``.

    :ivar rows_read: all rows that were ever read of the window, and not replaced: the sum of the five counts after it.
    :ivar gone: those that the source did not return any more.
    :ivar recount: rows in the source at that time; ``None`` if they could not be counted.
    :ivar settled: every row is accounted for, and none is pending.
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
    gone: int
    recount: int | None
    settled: bool

    @classmethod
    def of(cls, row: Any) -> Proof:
        """Build it from a row of ``reconciliation``."""
        values = {name: getattr(row, name) for name in cls._fields}
        return cls(**values | {"rejected": Counter(row.rejected)})

    @property
    def result(self) -> str:
        """``settled``, or why it is not: ``pending``, ``uncounted`` or ``mismatch``."""
        if self.settled:
            return "settled"
        if self.pending:
            return "pending"
        return "uncounted" if self.recount is None else "mismatch"

    def account(self) -> dict[str, int | None]:
        """What became of every row, as pages and documents show it: the first is the sum of the next five, and without those
        that are gone it is the last one.
        """
        parts = {
            "delivered": self.delivered,
            "rejected": self.rejected.total(),
            "excluded": self.excluded,
            "duplicates": self.duplicates,
            "pending": self.pending,
        }
        # Of a window that was never read to its end no number of rows is known.
        was_read = self.rows_read > 0 or not any(parts.values())
        return {"read": self.rows_read if was_read else None, **parts, "gone": self.gone, "source": self.recount}


def as_table(connection: Connection, windows: Iterable[Window]) -> sa.FromClause:
    """Windows as a derived table with the columns ``label``, ``first`` and ``after``, so that one query covers all of them.

    They are bound as one JSON value: compiling hundreds of bound values takes longer than running the query.
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
