"""Queries about one window: its readings, proofs, batches and attempts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import DATED, Window
from tablero.outbox.batches import touching
from tablero.outbox.content import unpack_rows
from tablero.outbox.reports.snapshot import Proof, Reading
from tablero.outbox.schema import attempt, batch, batch_content, extraction, reconciliation


class Batch(NamedTuple):
    """A batch as the page shows it.

    :ivar run_id: the run that read its rows.
    :ivar kind: kind of the window that was read, ``month``, ``day`` or ``undated``.
    :ivar label: label of that window.
    :ivar words: the dashboard's explanation, if it refused the row.
    :ivar settled_how: how a delivered batch was confirmed: ``acknowledged``, ``recognised`` or ``adopted``.
    :ivar ever_unknown: whether an attempt with its rows ever had an unknown outcome.
    :ivar cuts: how many times the search has split its rows off another batch.
    """

    id: int
    state: str
    rows: int
    first_change: datetime
    last_change: datetime
    settled_at: datetime | None
    claimed_until: datetime | None
    parent_id: int | None
    after_id: int | None
    words: str | None
    run_id: str | None
    kind: str | None
    label: str | None
    settled_how: str | None
    ever_unknown: bool
    cuts: int

    @property
    def is_unconfirmed(self) -> bool:
        """Whether the dashboard may have its rows, although the search has found no row that it fails on.

        If the dashboard answers every repeat with an error, only a person can settle such a batch.
        """
        return self.state == "pending" and self.ever_unknown and self.cuts > 0


class Attempt(NamedTuple):
    """A POST of a batch.

    :ivar message_id: sent as ``X-Road-Id``.
    :ivar outcome: ``None`` while the call is in flight.
    :ivar seconds: response time; ``None`` without an answer.
    :ivar error: what went wrong, for the operator.
    :ivar message: the message in the answer.
    """

    id: int
    batch_id: int
    run_id: str
    message_id: str
    started_at: datetime
    outcome: str | None
    seconds: float | None
    http_status: int | None
    error: str | None
    message: str | None
    xroad_request_id: str | None
    xroad_error: str | None
    xroad_detail: str | None


#: Selects batches, with the reading of each one.
BATCHES = sa.select(
    *((extraction if name in ("run_id", "kind", "label") else batch).c[name] for name in Batch._fields)
).outerjoin(extraction, extraction.c.id == batch.c.extraction_id)

_ATTEMPT = [attempt.c[name] for name in Attempt._fields]


def readings_of(connection: Connection, window: Window, *, limit: int) -> list[Reading]:
    """The last readings of days and months that touch ``window``, newest first."""
    query = (
        sa.select(*(extraction.c[name] for name in Reading._fields))
        .where(*_touches(extraction, window))
        .order_by(extraction.c.id.desc())
        .limit(limit)
    )
    return [Reading.of(row) for row in connection.execute(query)]


def proofs_of(connection: Connection, window: Window, *, limit: int) -> list[Proof]:
    """The last reconciliations of days and months that touch ``window``, newest first."""
    query = (
        sa.select(*(reconciliation.c[name] for name in Proof._fields))
        .where(*_touches(reconciliation, window))
        .order_by(reconciliation.c.id.desc())
        .limit(limit)
    )
    return [Proof.of(row) for row in connection.execute(query)]


def _touches(table: sa.Table, window: Window) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.window_start < window.end, table.c.window_end > window.start, table.c.kind.in_(DATED)


def last_proof(connection: Connection, window: Window) -> Proof | None:
    """The last reconciliation of this window, or of as much of it as there was; not of parts of it."""
    query = (
        sa.select(*(reconciliation.c[name] for name in Proof._fields))
        .where(reconciliation.c.window_start == window.start, reconciliation.c.kind == window.kind)
        .order_by(reconciliation.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Proof.of(row)


def batches_of(connection: Connection, window: Window, *, state: str | None, after: int, limit: int) -> list[Batch]:
    """Batches that touch ``window``, ordered by id.

    :param state: only those in this state.
    :param after: only those with a greater id.
    """
    query = BATCHES.where(touching(window), batch.c.id > after).order_by(batch.c.id).limit(limit)
    if state is not None:
        query = query.where(batch.c.state == state)
    return [Batch(**row) for row in connection.execute(query).mappings()]


def batch_of(connection: Connection, identity: int) -> Batch | None:
    """A batch by its id; ``None`` if there is none."""
    row = connection.execute(BATCHES.where(batch.c.id == identity)).mappings().one_or_none()
    return None if row is None else Batch(**row)


def parts_of(connection: Connection, identity: int, *, limit: int) -> list[Batch]:
    """The batches that were split directly off this one."""
    query = BATCHES.where(batch.c.parent_id == identity).order_by(batch.c.id).limit(limit)
    return [Batch(**row) for row in connection.execute(query).mappings()]


def unconfirmed_parts(connection: Connection, identity: int) -> list[Batch]:
    """The unconfirmed ones among a batch and its parts: see :attr:`Batch.is_unconfirmed`."""
    found: list[Batch] = []
    query = BATCHES.where(batch.c.id == identity)
    while parts := [Batch(**row) for row in connection.execute(query.order_by(batch.c.id)).mappings()]:
        found += [part for part in parts if part.is_unconfirmed]
        query = BATCHES.where(batch.c.parent_id.in_([part.id for part in parts if part.state == "split"]))
    return found


def last_attempts(connection: Connection, ids: Sequence[int], *, each: int) -> dict[int, list[Attempt]]:
    """The last attempts of each of these batches, newest first; at most ``each`` per batch."""
    rank = sa.func.row_number().over(partition_by=attempt.c.batch_id, order_by=attempt.c.id.desc()).label("rank")
    ranked = sa.select(*_ATTEMPT, rank).where(attempt.c.batch_id.in_(ids)).subquery()
    columns = [ranked.c[name] for name in Attempt._fields]
    found: dict[int, list[Attempt]] = {identity: [] for identity in ids}
    for row in connection.execute(sa.select(*columns).where(ranked.c.rank <= each).order_by(ranked.c.id.desc())):
        found[row.batch_id].append(Attempt._make(row))
    return found


def attempts_of(connection: Connection, identity: int, *, before: int | None, limit: int) -> list[Attempt]:
    """The attempts of a batch, newest first; with ``before``, only those with a smaller id."""
    query = sa.select(*_ATTEMPT).where(attempt.c.batch_id == identity).order_by(attempt.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(attempt.c.id < before)
    return [Attempt._make(row) for row in connection.execute(query)]


def rows_of(connection: Connection, identity: int, *, skip: int, limit: int) -> list[StatusChange]:
    """The rows of a batch in the order in which they are posted; none if it was split, since its parts have them."""
    content = connection.scalar(sa.select(batch_content.c.content).where(batch_content.c.batch_id == identity))
    return [] if content is None else unpack_rows(content)[skip : skip + limit]
