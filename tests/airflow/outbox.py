"""Reads the outbox from outside, with plain SQL."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from tablero.outbox.content import unpack_rows

from sandbox.dashboard import Row


def ask(outbox: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True, timeout=60)) as connection:
        return connection.execute(query, values).fetchall()


def everything(outbox: Path) -> list[str]:
    """The whole outbox as SQL, except the results of dry runs, which are kept for the page."""
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True, timeout=60)) as connection:
        return [line for line in connection.iterdump() if not line.startswith('INSERT INTO "dry_run"')]


def attempts_by_request(outbox: Path, prefix: str) -> dict[str, list[str]]:
    """How the attempts ended, in order, of the batch that contains each request with that prefix, and of those it was split
    off.
    """
    line = (
        "with recursive line (id) as (select ? union all"
        " select parent_id from batch join line using (id) where parent_id is not null)"
        " select outcome from attempt where batch_id in line order by id"
    )
    found = defaultdict(list)
    on_record = "select id, content from batch join batch_content on batch_id = id where state <> 'withdrawn'"
    for batch_id, content in ask(outbox, on_record):
        requests = {row.request_id for row in unpack_rows(content) if row.request_id.startswith(prefix)}
        outcomes = [outcome for (outcome,) in ask(outbox, line, batch_id)] if requests else []
        for request in requests:
            found[request] += outcomes
    return dict(found)


def unexplained(outbox: Path, prefix: str, received: Counter[Row]) -> list[str]:
    """Rows posted again although acknowledged, or more often than their attempts of unknown outcome explain.

    :param received: how often the dashboard accepted each row with that prefix.
    """
    attempts = attempts_by_request(outbox, prefix)
    found = []
    for row, times in received.items():
        *before, last = attempts[row[1]]
        if last != "delivered" or "delivered" in before or times > 1 + before.count("unknown"):
            found.append(f"{row} was received {times} times, by attempts recorded as {[*before, last]}")
    return found
