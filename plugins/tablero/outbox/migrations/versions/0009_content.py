"""The rows of a batch move into a table of their own, and their counts by day from a table of their own into the batch.

``prepare`` moves them in steps, each in its own transaction, and may be interrupted at any point. The values stay as they are:
:mod:`tablero.outbox.content` also reads the layout that they were written in.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.engine import Connection, Engine
from tablero.outbox.schema import Id
from tablero.outbox.upgrade import migrating

revision = "0009"
down_revision = "0008"

log = logging.getLogger(__name__)

#: Batches moved in one transaction.
STEP = 200

_batch = sa.table(
    "batch",
    sa.column("id"),
    sa.column("requests", sa.LargeBinary),
    sa.column("content", sa.LargeBinary),
    sa.column("days", sa.JSON(none_as_null=True)),
)
_batch_content = sa.table(
    "batch_content",
    sa.column("batch_id"),
    sa.column("requests", sa.LargeBinary),
    sa.column("content", sa.LargeBinary),
)
_batch_day = sa.table("batch_day", sa.column("batch_id"), sa.column("day", sa.Date), sa.column("rows"))


def prepare(engine: Engine) -> None:
    """Create the table and the column, and move the contents of all batches."""
    with migrating(engine) as connection:
        if _is_left(connection):
            _create(connection)
    after, moved = 0, 0
    while ids := _move(engine, after):
        after, moved = ids[-1], moved + len(ids)
        log.info("The outbox is being carried over to schema %s: %d batches so far.", revision, moved)


def _is_left(connection: Connection) -> bool:
    """Whether no other process has finished the migration."""
    return sa.inspect(connection).has_table("batch_day")


def _create(connection: Connection) -> None:
    operations: Any = Operations(MigrationContext.configure(connection))
    inspector = sa.inspect(connection)
    if "days" not in {column["name"] for column in inspector.get_columns("batch")}:
        operations.add_column("batch", sa.Column("days", sa.JSON()))
    if not inspector.has_table("batch_content"):
        operations.create_table(
            "batch_content",
            sa.Column("batch_id", Id, primary_key=True, autoincrement=False),
            sa.Column("requests", sa.LargeBinary(), nullable=False),
            sa.Column("content", sa.LargeBinary(), nullable=False),
        )
        if connection.dialect.name == "postgresql":
            for column in ("requests", "content"):  # compressed already
                operations.execute(f"ALTER TABLE batch_content ALTER COLUMN {column} SET STORAGE EXTERNAL")


def _move(engine: Engine, after: int) -> list[int]:
    """Move the contents of the next batches; returns their ids, ascending."""
    with migrating(engine) as connection:
        if not _is_left(connection):
            return []
        left = sa.select(_batch.c.id).where(_batch.c.content.is_not(None), _batch.c.id > after)
        ids = list(connection.scalars(left.order_by(_batch.c.id).limit(STEP)))
        if not ids:
            return []
        contents = sa.select(_batch.c.id, _batch.c.requests, _batch.c.content).where(_batch.c.id.in_(ids))
        connection.execute(sa.insert(_batch_content).from_select(["batch_id", "requests", "content"], contents))
        days = _days_of(connection, ids)
        emptied = sa.update(_batch).where(_batch.c.id == sa.bindparam("moved"))
        connection.execute(
            emptied.values(requests=None, content=None, days=sa.bindparam("counted")),
            [{"moved": identity, "counted": days[identity]} for identity in ids],
        )
        return ids


def _days_of(connection: Connection, ids: list[int]) -> dict[int, dict[str, int]]:
    """The value of ``batch.days`` of each batch."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    query = sa.select(_batch_day.c.batch_id, _batch_day.c.day, _batch_day.c.rows).where(_batch_day.c.batch_id.in_(ids))
    for identity, day, rows in connection.execute(query.order_by(_batch_day.c.batch_id, _batch_day.c.day)):
        counts[identity][day.isoformat()] = rows
    return counts


def upgrade() -> None:
    """Drop what was moved."""
    if op.get_bind().scalar(sa.select(_batch.c.id).where(_batch.c.content.is_not(None)).limit(1)) is not None:
        raise RuntimeError("the contents of batches are not moved yet: tablero.outbox.upgrade.migrate does it")
    with op.batch_alter_table("batch") as table:
        table.drop_column("requests")
        table.drop_column("content")
    op.drop_table("batch_day")
