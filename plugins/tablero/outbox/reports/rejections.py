"""Queries about rejected rows: those that violate the contract, and those that the dashboard refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.reasons import Reason
from tablero.contract.status_change import FIELDS
from tablero.contract.windows import Window
from tablero.outbox.content import unpack_rows
from tablero.outbox.record import Connect
from tablero.outbox.reports.snapshot import COUNT_LIMIT, Count, as_table
from tablero.outbox.requeue import Filter as Filter
from tablero.outbox.schema import batch, batch_content, rejection

#: Rows of an export read at a time.
_PAGE = 2_000


class Rejection(NamedTuple):
    """A rejected or refused row.

    :ivar key: the digest of a rejected row, or the batch id of a refused one.
    :ivar reason: reason code.
    :ivar values: the row as the source returned it, in the order of the contract; dates of refused rows are datetimes.
    :ivar changed_at: the instant under which it is filed.
    :ivar words: the dashboard's explanation, if it refused the row.
    """

    key: str
    reason: str
    values: tuple[Any, ...]
    changed_at: datetime
    words: str | None


_REFUSED = Reason.REFUSED_BY_DASHBOARD.value

_NUMBER, _DIGEST = re.compile("[0-9]{1,18}"), re.compile("[0-9a-f]{1,32}")


def count_by_reason(connection: Connection, chosen: Filter) -> dict[str, int]:
    """The number of open rejections by reason, all of them: from an index, at less than a second for a million."""
    return _count(connection, chosen, None)


def count_some_by_reason(connection: Connection, chosen: Filter) -> dict[str, Count]:
    """The same for a page: each reason is counted up to the limit."""
    return {reason: Count.up_to_limit(rows) for reason, rows in _count(connection, chosen, COUNT_LIMIT + 1).items()}


def _count(connection: Connection, chosen: Filter, limit: int | None) -> dict[str, int]:
    counts = []
    for reason in [chosen.reason] if chosen.reason else [reason.value for reason in Reason]:
        query = (_refused if reason == _REFUSED else _broken)(chosen._replace(reason=reason))
        some = query.with_only_columns(sa.literal(1)).limit(limit).subquery()
        counts.append(sa.select(sa.literal(reason), sa.select(sa.func.count()).select_from(some).scalar_subquery()))
    return {reason: int(count) for reason, count in connection.execute(sa.union_all(*counts)) if count}


def page_of(connection: Connection, chosen: Filter, *, before: tuple[datetime, str] | None, limit: int) -> list[Rejection]:
    """A page of rejections for one reason, newest first.

    :param chosen: must have a reason.
    :param before: ``changed_at`` and ``key`` of the last row of the previous page.
    """
    return list(_listed(connection, chosen, before, limit))


def all_of(connect: Connect, chosen: Filter, *, limit: int) -> Iterator[Rejection]:
    """All rejections, grouped by reason. Read in pages; no connection is held between them.

    :param connect: opens a connection for reading.
    """
    for reason in [chosen.reason] if chosen.reason else [reason.value for reason in Reason]:
        before = None
        while limit > 0:
            with connect() as connection:
                page = page_of(connection, chosen._replace(reason=reason), before=before, limit=min(limit, _PAGE))
            if not page:
                break
            limit -= len(page)
            before = page[-1].changed_at, page[-1].key
            yield from page


def is_key(reason: str, text: str) -> bool:
    """Whether ``text`` has the form of a key for ``reason``."""
    return (_NUMBER if reason == _REFUSED else _DIGEST).fullmatch(text) is not None


def named(connection: Connection, reason: str, keys: Sequence[str]) -> list[Rejection]:
    """The rejections with these keys that are still open; malformed keys are ignored."""
    sane = [key for key in keys if is_key(reason, key)]
    if reason == _REFUSED:
        query = _refused(Filter(reason)).where(batch.c.id.in_([int(key) for key in sane]))
    else:
        query = _broken(Filter(reason)).where(rejection.c.digest.in_(sane))
    return [_to_rejection(reason, row) for row in connection.execute(query)]


def windows_with(connection: Connection, chosen: Filter, windows: Iterable[Window]) -> set[str]:
    """The labels of the windows that contain an open rejection for the chosen reason."""
    window = as_table(connection, windows)
    query = (_refused if chosen.reason == _REFUSED else _broken)(chosen)
    column = batch.c.first_change if chosen.reason == _REFUSED else rejection.c.changed_at
    inside = query.where(column >= window.c.first, column < window.c.after).correlate(window)
    return set(connection.scalars(sa.select(window.c.label).where(inside.exists())))


def of_request(connection: Connection, spellings: Collection[str], *, limit: int) -> list[Rejection]:
    """The open rejections of a request: rows that violate the contract.

    :param spellings: of its id, which the source may write with blanks around it.
    """
    same = rejection.c.request_id.in_(list(spellings))
    query = _broken(Filter()).where(same).order_by(rejection.c.changed_at.desc()).limit(limit)
    return [_to_rejection(row.reason, row) for row in connection.execute(query)]


def _listed(connection: Connection, chosen: Filter, before: tuple[datetime, str] | None, limit: int) -> Iterator[Rejection]:
    assert chosen.reason is not None
    if chosen.reason == _REFUSED:
        query, order = _refused(chosen), (batch.c.first_change, batch.c.id)
        last: Any = before and (before[0], int(before[1]))
    else:
        query, order = _broken(chosen), (rejection.c.changed_at, rejection.c.digest)
        last = before
    if last is not None:
        query = query.where(sa.tuple_(*order) < sa.tuple_(*last, types=[column.type for column in order]))
    rows = connection.execute(query.order_by(*(column.desc() for column in order)).limit(limit))
    return (_to_rejection(chosen.reason, row) for row in rows)


def _broken(chosen: Filter) -> sa.Select[Any]:
    query = sa.select(
        rejection.c.digest.label("key"), rejection.c.reason, *(rejection.c[name] for name in FIELDS), rejection.c.changed_at
    ).where(~rejection.c.resolved)
    if chosen.reason is not None:
        query = query.where(rejection.c.reason == chosen.reason)
    if chosen.service_id is not None:
        query = query.where(rejection.c.service_id == chosen.service_id)
    if chosen.start is not None:
        query = query.where(rejection.c.changed_at >= chosen.start)
    if chosen.end is not None:
        query = query.where(rejection.c.changed_at < chosen.end)
    return query


def _refused(chosen: Filter) -> sa.Select[Any]:
    # A refused batch has exactly one row. The content is a subquery so that a count does without it.
    content = sa.select(batch_content.c.content).where(batch_content.c.batch_id == batch.c.id).scalar_subquery()
    columns = (batch.c.id.label("key"), content.label("content"), batch.c.first_change.label("changed_at"), batch.c.words)
    query = sa.select(*columns).select_from(batch).where(sa.text("batch.state = 'refused'"))
    if chosen.service_id is not None:
        query = query.where(batch.c.service_id == chosen.service_id)
    if chosen.start is not None:
        query = query.where(batch.c.first_change >= chosen.start)
    if chosen.end is not None:
        query = query.where(batch.c.first_change < chosen.end)
    return query


def _to_rejection(reason: str, row: Any) -> Rejection:
    if reason == _REFUSED:
        (refused,) = unpack_rows(row.content)
        return Rejection(str(row.key), reason, refused, row.changed_at, row.words)
    return Rejection(str(row.key), reason, tuple(getattr(row, name) for name in FIELDS), row.changed_at, None)
