"""Copying an outbox to another database, from SQLite to PostgreSQL, and comparing the two row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.errors import SetupError
from tablero.outbox import ledger
from tablero.outbox.engine import reading, writing
from tablero.outbox.schema import batch_content, metadata
from tablero.outbox.upgrade import MOVING, migrate, schema_version, set_schema_version
from tablero.texts import outbox as texts

#: Rows copied in one transaction; fewer of the contents of batches, which are large.
_STEP = 2_000
_STEP_BATCHES = 200


class Moved(NamedTuple):
    """A table that is identical in both outboxes.

    :ivar rows: number of rows.
    """

    table: str
    rows: int


def move(source: Engine, target: Engine) -> Iterator[Moved]:
    """Copy an outbox to another database, which must be empty, and compare the two row by row.

    The source is only read. May be interrupted and repeated: existing rows are compared and missing ones copied. Until it has
    finished, no task can use the target, which would send again what it does not know yet. Both DAGs must be paused: rows
    written to the source in the meantime are detected by the comparison.

    :raises SetupError: if the target is in use, or the source was written to in the meantime.
    """
    migrate(source)
    version = schema_version(source)
    if schema_version(target) != MOVING:
        migrate(target)
        if not ledger.is_empty(target):
            yield from _require_same(source, target, texts.IN_USE)
            return
        set_schema_version(target, MOVING)
    for table in metadata.sorted_tables:
        for _ in _differences(source, target, table, mend=True):
            pass
    yield from _require_same(source, target, texts.CHANGED_MEANWHILE)
    _advance_ids(target)
    set_schema_version(target, str(version))


def _require_same(source: Engine, target: Engine, complaint: Any) -> Iterator[Moved]:
    for table in metadata.sorted_tables:
        rows = 0
        for page, differing in _differences(source, target, table):
            if differing:
                raise SetupError(complaint(table=table.name))
            rows += page
        yield Moved(table.name, rows)


def _differences(source: Engine, target: Engine, table: sa.Table, *, mend: bool = False) -> Iterator[tuple[int, int]]:
    """Compare a table in both outboxes page by page in the order of its key; yields rows and differing rows of each page.

    :param mend: make the target equal to the source.
    """
    size = _STEP_BATCHES if table is batch_content else _STEP
    last: tuple[Any, ...] | None = None
    while True:
        with reading(source) as connection:
            page = _page(connection, table, last, size=size)
        until = next(reversed(page)) if len(page) == size else None
        with writing(target) if mend else reading(target) as connection:
            there = _page(connection, table, last, until=until)
            wrong = [key for key in page if there.get(key) != page[key]]
            extra = [key for key in there if key not in page]
            if mend:
                _delete(connection, table, [*extra, *(key for key in wrong if key in there)])
                if wrong:
                    connection.execute(sa.insert(table), [dict(page[key]) for key in wrong])
        yield len(page), len(wrong) + len(extra)
        if until is None:
            return
        last = until


def _page(
    connection: Connection,
    table: sa.Table,
    after: tuple[Any, ...] | None,
    *,
    size: int | None = None,
    until: tuple[Any, ...] | None = None,
) -> dict[tuple[Any, ...], Any]:
    """Rows by key, in the order of the key: those after ``after``, limited to ``size`` rows or up to the key ``until``."""
    columns = list(table.primary_key)
    key, types = sa.tuple_(*columns), [column.type for column in columns]
    query = sa.select(table).order_by(*columns).limit(size)
    if after is not None:
        query = query.where(key > sa.tuple_(*after, types=types))
    if until is not None:
        query = query.where(key <= sa.tuple_(*until, types=types))
    names = [column.name for column in columns]
    return {tuple(row[name] for name in names): row for row in connection.execute(query).mappings()}


def _delete(connection: Connection, table: sa.Table, keys: list[tuple[Any, ...]]) -> None:
    if keys:
        columns = list(table.primary_key)
        named = sa.and_(*(column == sa.bindparam(f"key_{column.name}") for column in columns))
        values = [{f"key_{column.name}": value for column, value in zip(columns, key, strict=True)} for key in keys]
        connection.execute(sa.delete(table).where(named), values)


def _advance_ids(target: Engine) -> None:
    """Advance the sequences, so that new rows do not reuse ids. SQLite does this by itself."""
    if target.dialect.name != "postgresql":
        return
    with writing(target) as connection:
        for table in metadata.sorted_tables:
            if table.autoincrement_column is None:
                continue
            highest = connection.scalar(sa.select(sa.func.max(table.autoincrement_column)))
            if highest is not None:
                sequence = sa.func.pg_get_serial_sequence(table.name, table.autoincrement_column.name)
                connection.execute(sa.select(sa.func.setval(sequence, highest)))
