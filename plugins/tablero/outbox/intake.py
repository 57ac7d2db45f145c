"""Staging: what one reading of a window gave becomes durable, each status change once.

An extraction commits in steps, so that its memory is flat and a crash costs little. Reading the window again finds what is
already staged and adds only the rest.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from tablero.contract.packing import Packed
from tablero.contract.rules import Rejected
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.outbox import batches
from tablero.outbox.batches import Fresh, Lease
from tablero.outbox.engine import MOST_BOUND, reading, to_microseconds, writing
from tablero.outbox.rows import changes_of
from tablero.outbox.schema import batch, extraction, rejection, status_change

#: Longest text of a rejected value that is kept, in characters.
_MAX_VALUE = 300

_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_FETCH = 5_000


class SetAside(NamedTuple):
    """A rejected row, fit to be kept: its values as texts, cut to a length, without control characters.

    :ivar digest: tells the row, and its reason, from all others.
    :ivar changed_at: where it stands in time.
    """

    digest: str
    reason: str
    values: tuple[str | None, ...]
    changed_at: datetime

    @classmethod
    def of(cls, rejected: Rejected, changed_at: datetime) -> SetAside:
        """Describe a rejected row."""
        texts = [None if value is None else _legible(value) for value in rejected.row]
        digest = hashlib.blake2b(
            repr((rejected.reason.value, texts)).encode("utf-8", "backslashreplace"), digest_size=16
        ).hexdigest()
        cut = tuple(None if text is None else _storable(text) for text in texts)
        return cls(digest, rejected.reason.value, cut, changed_at)


class Step(NamedTuple):
    """What one transaction made durable.

    :ivar new: status changes; fewer than were given if another worker staged some at the same time.
    :ivar fresh: batches that are leased to whoever asked for it.
    """

    new: int
    fresh: list[Fresh]


class Extraction:
    """One reading of a window, under way. Made by :func:`begin`."""

    def __init__(self, engine: Engine, identity: int, window: Window, zone: tzinfo) -> None:
        self._engine = engine
        self._id = identity
        self._window = window
        self._zone = zone
        self._last_batch: int | None = None
        self._refused: dict[StatusChange, int] = {}
        self._withdrawn: set[int] = set()
        self._gone = 0

    def known(self, *, by_service: bool) -> Iterator[StatusChange]:
        """What is staged of the window already, whoever read it, in the order of ``packing.sort_key``.

        Streamed, on a connection of its own.
        """
        order = [status_change.c[name] for name in _KEY_ORDER]
        if by_service:
            order.insert(0, status_change.c.service_id)
        inside = _overlapping(self._window).with_only_columns(batch.c.id)
        query = (
            sa.select(*(status_change.c[name] for name in StatusChange._fields))
            .where(
                status_change.c.batch_id.in_(inside),
                status_change.c.last_modified_date >= self._window.start,
                status_change.c.last_modified_date < self._window.end,
            )
            .order_by(*order)
        )
        with reading(self._engine) as connection:
            self._refused = _refused(connection, self._window)
            rows = connection.execution_options(stream_results=True, yield_per=_FETCH).execute(query)
            yield from map(StatusChange._make, rows)

    def miss(self, change: StatusChange) -> None:
        """Be told of a row which is in the outbox, and which this reading does not find in the source any more."""
        if change in self._refused:
            self._withdrawn.add(self._refused[change])
        else:
            self._gone += 1

    def stage(self, packs: Sequence[Packed], lease: Lease | None = None) -> Step:
        """Make batches durable, in one transaction.

        :param lease: taken for those that may be posted at once.
        """
        with writing(self._engine) as connection:
            return self._stage_batches(connection, packs, lease)

    def _stage_batches(self, connection: Connection, packs: Sequence[Packed], lease: Lease | None) -> Step:
        ids = batches.make(connection, batches.Origin(self._id), [pack.changes for pack in packs], self._zone, lease)
        waiting = set()
        for before, identity, pack in zip([self._last_batch, *ids], ids, packs, strict=False):
            if pack.continues:
                connection.execute(sa.update(batch).where(batch.c.id == identity).values(after_id=before))
                waiting.add(identity)
        self._last_batch = ids[-1]

        rows = [(*change, identity) for identity, pack in zip(ids, packs, strict=True) for change in pack.changes]
        added = _insert(connection, rows)
        if added < len(rows):
            batches.count_again(connection, changes_of(connection, ids), self._zone)
            waiting.update(ids)
        if lease is None:
            return Step(added, [])
        if waiting:
            unleased = sa.update(batch).where(batch.c.id.in_(sorted(waiting)))
            connection.execute(unleased.values(claimed_by=None, claimed_until=None))
        fresh = zip(ids, packs, strict=True)
        return Step(added, [Fresh(identity, pack.changes) for identity, pack in fresh if identity not in waiting])

    def set_aside(self, rejections: Collection[SetAside]) -> None:
        """Keep rejected rows; one that is kept already is seen again."""
        # By digest, since one statement cannot update a row twice; sorted, so that two workers lock in the same order.
        values = {
            aside.digest: {
                "digest": aside.digest,
                "reason": aside.reason,
                **dict(zip(StatusChange._fields, aside.values, strict=True)),
                "changed_at": aside.changed_at,
                "extraction_id": self._id,
            }
            for aside in sorted(rejections, key=itemgetter(0))
        }
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(rejection)
        statement = statement.on_conflict_do_update(
            index_elements=[rejection.c.digest],
            # Two readings may overlap; the newer one decides what is resolved.
            set_={
                "extraction_id": _greater(statement.excluded.extraction_id, rejection.c.extraction_id),
                "resolved": sa.false(),
            },
        )
        with writing(self._engine) as connection:
            connection.execute(statement, list(values.values()))

    def finish(
        self, *, read: int, new: int, known: int, duplicates: int, excluded: int, rejected: Counter[str], now: datetime
    ) -> None:
        """Record that the whole window was read, and what it held; what was wrong and is not there any more is resolved."""
        with writing(self._engine) as connection:
            self._withdraw(connection)
            connection.execute(
                sa.update(rejection)
                .where(
                    rejection.c.changed_at >= self._window.start,
                    rejection.c.changed_at < self._window.end,
                    rejection.c.extraction_id < self._id,
                    ~rejection.c.resolved,
                )
                .values(resolved=sa.true())
            )
            connection.execute(
                sa.update(extraction)
                .where(extraction.c.id == self._id)
                .values(
                    finished_at=now,
                    rows_read=read,
                    rows_new=new,
                    rows_known=known,
                    rows_gone=self._gone,
                    duplicates=duplicates,
                    excluded=excluded,
                    rejected=dict(rejected),
                )
            )

    def _withdraw(self, connection: Connection) -> None:
        """A refused row that was corrected at the source is a new row there: its old self is not to be tried again."""
        found = sorted({*self._refused.values()} - self._withdrawn)
        for before, after, ids in (("refused", "withdrawn", sorted(self._withdrawn)), ("withdrawn", "refused", found)):
            for start in range(0, len(ids), MOST_BOUND):
                of_step = sa.and_(batch.c.id.in_(ids[start : start + MOST_BOUND]), batch.c.state == before)
                connection.execute(sa.update(batch).where(of_step).values(state=after))


_KEY_ORDER = [column.name for column in status_change.primary_key]


def begin(engine: Engine, window: Window, *, run_id: str, zone: tzinfo, now: datetime) -> Extraction:
    """Start to record a reading of ``window``.

    :param zone: the institution's, whose civil days the rows are counted by.
    """
    with writing(engine) as connection:
        identity = connection.scalar(
            sa.insert(extraction)
            .values(
                kind=window.kind,
                label=window.label,
                window_start=window.start,
                window_end=window.end,
                run_id=run_id,
                started_at=now,
                rejected={},
            )
            .returning(extraction.c.id)
        )
    assert identity is not None  # RETURNING of one inserted row
    return Extraction(engine, identity, window, zone)


def _refused(connection: Connection, window: Window) -> dict[StatusChange, int]:
    """Rows that the dashboard refuses, or refused until they were withdrawn, and the batch that each is alone in."""
    query = (
        sa.select(batch.c.id, *(status_change.c[name] for name in StatusChange._fields))
        .join(status_change, status_change.c.batch_id == batch.c.id)
        .where(
            batch.c.state.in_(("refused", "withdrawn")),
            batch.c.first_change >= window.start,
            batch.c.first_change < window.end,
        )
    )
    return {StatusChange._make(change): identity for identity, *change in connection.execute(query)}


def _overlapping(window: Window) -> sa.Select[Any]:
    return sa.select(batch).where(batch.c.first_change < window.end, batch.c.last_change >= window.start)


def _greater(one: sa.ColumnElement[int], other: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((one > other, one), else_=other)


def _legible(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # a number of more digits than Python writes, a nesting too deep, an object with a broken __str__
        return f"<{type(value).__name__}>"
    return text


def _storable(text: str) -> str:
    return _UNSTORABLE.sub(lambda match: match.group().encode("unicode_escape").decode(), text[:_MAX_VALUE])[:_MAX_VALUE]


def _insert(connection: Connection, rows: list[tuple[Any, ...]]) -> int:
    """Insert status changes that are not there yet; returns how many."""
    if connection.dialect.name == "sqlite":
        return _insert_sqlite(connection, rows)
    return _insert_postgresql(connection, rows)


_COLUMNS = (*StatusChange._fields, "batch_id")


def _insert_sqlite(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> int:
    marks = ", ".join("?" * len(_COLUMNS))
    encoded = [
        (service_id, request_id, to_microseconds(opened), status_id, to_microseconds(changed), batch_id)
        for service_id, request_id, opened, status_id, changed, batch_id in rows
    ]
    result = connection.exec_driver_sql(
        f"INSERT OR IGNORE INTO status_change ({', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608 fixed names
        encoded,
    )
    return result.rowcount


def _insert_postgresql(connection: Connection, rows: list[tuple[Any, ...]]) -> int:
    """COPY straight into the table; only if another worker was faster, through a temporary table."""
    import psycopg

    cursor = connection.connection.cursor()
    try:
        cursor.execute("SAVEPOINT straight")
        _copy(cursor, "status_change", rows)
        cursor.execute("RELEASE SAVEPOINT straight")
        return len(rows)
    except psycopg.errors.UniqueViolation:
        cursor.execute("ROLLBACK TO SAVEPOINT straight")
    cursor.execute("CREATE TEMPORARY TABLE incoming (LIKE status_change) ON COMMIT DROP")
    _copy(cursor, "incoming", rows)
    cursor.execute("INSERT INTO status_change SELECT * FROM incoming ON CONFLICT DO NOTHING")
    return int(cursor.rowcount)


def _copy(cursor: Any, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with cursor.copy(f"COPY {table} ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["text", "text", "timestamptz", "int2", "timestamptz", "int8"])
        for row in rows:
            copy.write_row(row)
