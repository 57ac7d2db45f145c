"""Queries about batches of all windows that someone may have to look at: what waits, what was left without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.reports.snapshot import COUNT_LIMIT, Count
from tablero.outbox.reports.windows import BATCHES, Batch
from tablero.outbox.schema import attempt, batch

Kind = Literal["unconfirmed", "unknown", "posting", "pending"]
"""Which batches: those that only a person can settle (:attr:`Batch.is_unconfirmed`), those with an attempt whose outcome is
unknown, those that a task is posting, and those that wait to be delivered.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)

# A literal instead of a bound value: the partial index is used only for a literal.
_PENDING = sa.text("batch.state = 'pending'")


def of_kind(
    connection: Connection, kind: Kind, now: datetime, *, run_id: str | None = None, skip: int, limit: int
) -> list[Batch]:
    """The batches of a kind: pending ones in the order in which they are posted, others newest first.

    :param run_id: only those that this run has posted.
    """
    query = BATCHES.where(_is(kind, now))
    if run_id is not None:
        query = query.where(_posted_by(run_id))
    order = (batch.c.id.desc(),) if kind == "unknown" else (batch.c.first_change, batch.c.id)
    query = query.order_by(*order).offset(skip).limit(limit)
    return [Batch(**row) for row in connection.execute(query).mappings()]


def count_by_kind(connection: Connection, now: datetime) -> Mapping[Kind, Count]:
    """The number of batches of each kind, counted up to the limit."""
    counts = connection.execute(sa.select(*(_count(_is(kind, now)) for kind in KINDS))).one()
    return {kind: Count.up_to_limit(found) for kind, found in zip(KINDS, counts, strict=True)}


def _posted_by(run_id: str) -> sa.ColumnElement[bool]:
    """What this run has posted, also as a part of a batch that was cut since, which has no attempt of its own yet."""
    posted = sa.select(attempt.c.batch_id).where(attempt.c.run_id == run_id)
    has_own = sa.exists().where(attempt.c.batch_id == batch.c.id)
    return sa.or_(batch.c.id.in_(posted), sa.and_(batch.c.parent_id.in_(posted), ~has_own))


def _count(condition: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    some = sa.select(sa.literal(1)).select_from(batch).where(condition).limit(COUNT_LIMIT + 1).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


def _is(kind: Kind, now: datetime) -> sa.ColumnElement[bool]:
    if kind == "unknown":
        # The rows of a batch that was split are in its parts, which have inherited the mark.
        return sa.and_(batch.c.ever_unknown, batch.c.state != "split")
    if kind == "unconfirmed":
        return sa.and_(_PENDING, batch.c.ever_unknown, batch.c.cuts > 0)
    if kind == "posting":
        return sa.and_(_PENDING, batch.c.claimed_until > now)
    return sa.and_(_PENDING)
