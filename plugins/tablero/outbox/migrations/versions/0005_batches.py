"""The outbox stores batches instead of rows: the status changes of a batch become one value, and their table is dropped.

``prepare`` migrates the rows in steps, each in its own transaction, so that neither memory nor the database's log grows with
the outbox. It may be interrupted at any point and is repeated until nothing is left; until then the schema version is 0004.
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
from tablero.contract.status_change import StatusChange
from tablero.outbox.content import pack_rows, request_hashes, service_of
from tablero.outbox.engine import Instant
from tablero.outbox.schema import Text
from tablero.outbox.upgrade import migrating

revision = "0005"
down_revision = "0004"

log = logging.getLogger(__name__)

#: Batches migrated in one transaction, of at most a thousand rows each.
STEP = 50


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("settled_how", sa.String(12)),
        sa.Column("cuts", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("first_refused_at", Instant),
        sa.Column("unknown_in_a_row", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("ever_unknown", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("strikes", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("struck_by", sa.String(36)),
        sa.Column("service_id", Text),
        sa.Column("first_request", Text, nullable=False, server_default=""),
        sa.Column("last_request", Text, nullable=False, server_default=""),
        sa.Column("requests", sa.LargeBinary()),
        sa.Column("content", sa.LargeBinary()),
    ]


_batch = sa.table(
    "batch",
    *(sa.column(name) for name in ("id", "parent_id", "rows", "state")),
    *(sa.column(column.name, column.type) for column in _columns()),
)
_change = sa.table(
    "status_change",
    sa.column("batch_id"),
    *(sa.column(name) for name in ("service_id", "request_id")),
    sa.column("opening_date", Instant),
    sa.column("status_id"),
    sa.column("last_modified_date", Instant),
)
_ORDER = ("request_id", "last_modified_date", "status_id", "service_id", "opening_date")

#: Batches whose rows have not been migrated.
_LEFT = sa.and_(_batch.c.content.is_(None), _batch.c.rows > 0, _batch.c.state != "split")

#: Among the given batches, those of which an attempt, of the batch itself or of one it was split off, has no known outcome.
_EVER_UNKNOWN = sa.text("""
    WITH RECURSIVE line (id, ancestor) AS (
        SELECT id, id FROM batch WHERE id IN :ids
        UNION ALL
        SELECT line.id, batch.parent_id FROM line JOIN batch ON batch.id = line.ancestor WHERE batch.parent_id IS NOT NULL
    )
    SELECT DISTINCT line.id FROM line JOIN attempt ON attempt.batch_id = line.ancestor
    WHERE attempt.outcome = 'unknown' OR attempt.outcome IS NULL
""").bindparams(sa.bindparam("ids", expanding=True))

#: Among the given batches, those that a person adopted: a delivered attempt for which no call was made.
_ADOPTED = sa.text(
    "SELECT DISTINCT batch_id FROM attempt WHERE batch_id IN :ids AND outcome = 'delivered' AND seconds IS NULL"
).bindparams(sa.bindparam("ids", expanding=True))


def prepare(engine: Engine) -> None:
    """Add the columns and migrate the rows of all batches into them."""
    with migrating(engine) as connection:
        if sa.inspect(connection).has_table("status_change"):
            _add_columns(Operations(MigrationContext.configure(connection)))
    after, carried = 0, 0
    while (step := _carry_over(engine, after)) is not None:
        after, rows = step
        carried += rows
        log.info("The outbox is being carried over to schema %s: %d rows so far.", revision, carried)


def _add_columns(operations: Any) -> None:
    there = {found["name"] for found in sa.inspect(operations.get_bind()).get_columns("batch")}
    for column in _columns():
        if column.name not in there:
            operations.add_column("batch", column)


def _carry_over(engine: Engine, after: int) -> tuple[int, int] | None:
    """Migrate the next batches; returns the last id and the number of rows, or ``None`` if nothing is left."""
    with migrating(engine) as connection:
        if not sa.inspect(connection).has_table("status_change"):
            return None  # another process has finished
        waiting = sa.select(_batch.c.id, _batch.c.parent_id, _batch.c.state).where(_batch.c.id > after, _LEFT)
        found = connection.execute(waiting.order_by(_batch.c.id).limit(STEP)).all()
        if not found:
            return None
        ids = [row.id for row in found]
        changes = _changes_of(connection, ids)
        unknown = set(connection.scalars(_EVER_UNKNOWN, {"ids": ids}))
        adopted = set(connection.scalars(_ADOPTED, {"ids": ids}))
        connection.execute(
            sa.update(_batch).where(_batch.c.id == sa.bindparam("of_batch")),
            [
                {
                    "of_batch": row.id,
                    "settled_how": _settled_how(row, adopted),
                    "cuts": int(row.parent_id is not None),
                    "ever_unknown": row.id in unknown,
                    "service_id": service_of(changes[row.id]),
                    "first_request": changes[row.id][0].request_id,
                    "last_request": changes[row.id][-1].request_id,
                    "requests": request_hashes(changes[row.id]),
                    "content": pack_rows(changes[row.id]),
                }
                for row in found
            ],
        )
        return ids[-1], sum(map(len, changes.values()))


def _changes_of(connection: Connection, ids: list[int]) -> dict[int, list[StatusChange]]:
    query = (
        sa.select(_change.c.batch_id, *(_change.c[name] for name in StatusChange._fields))
        .where(_change.c.batch_id.in_(ids))
        .order_by(_change.c.batch_id, *(_change.c[name] for name in _ORDER))
    )
    changes = defaultdict(list)
    for identity, *values in connection.execute(query):
        changes[identity].append(StatusChange._make(values))
    return changes


def _settled_how(row: Any, adopted: set[int]) -> str | None:
    if row.state == "withdrawn":
        return "refused"  # nothing else was ever withdrawn
    if row.state != "delivered":
        return None
    return "adopted" if row.id in adopted else "acknowledged"


def upgrade() -> None:
    """Drop the table of rows, and create the indexes that batches need now."""
    _add_columns(op)
    if op.get_bind().scalar(sa.select(_batch.c.id).where(_LEFT).limit(1)) is not None:
        raise RuntimeError("rows of the outbox are not carried over yet: tablero.outbox.upgrade.migrate does it")
    op.drop_table("status_change")
    op.drop_index("batch_pending", "batch")
    pending = sa.text("state = 'pending'")
    op.create_index("batch_pending", "batch", ["first_change", "id"], sqlite_where=pending, postgresql_where=pending)
    op.create_index("batch_request", "batch", ["first_request", "last_request"])
    # The name of the third kind of window is longer.
    for name in ("extraction", "reconciliation"):
        with op.batch_alter_table(name) as table:
            table.alter_column("kind", existing_type=sa.String(5), type_=sa.String(8), existing_nullable=False)
    if op.get_context().dialect.name == "postgresql":
        for column in ("requests", "content"):  # compressed already
            op.execute(f"ALTER TABLE batch ALTER COLUMN {column} SET STORAGE EXTERNAL")
