"""Millions of staged rows: what every page asks of the database is bounded, and no query scans a large table.

The verdict is what the database reads, not the time that it takes, which ``make bench-page`` prints. Takes some minutes and two
gigabytes. ``TABLERO_ROWS`` reduces the number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate

from tests.postgres import PostgresServer
from tests.web.application import Site, sealed
from tests.web.volume import fill

pytestmark = [pytest.mark.system, pytest.mark.slow]

MILLION = 1_000_000
ROWS = int(os.environ.get("TABLERO_ROWS", 10 * MILLION))

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=timezone.utc)

#: Tables with a row for each invalid row, or for many POSTs.
LARGE = {"rejection", "attempt", "batch_content"}


class Limit(NamedTuple):
    """What a page may ask of the database.

    :ivar statements: including those that begin a transaction, or look whether there is an outbox.
    :ivar pages: of 8 KB that PostgreSQL reads, cached or not.
    :ivar steps: of SQLite's virtual machine, in thousands, with a tenth of the rows.
    """

    statements: int
    pages: int
    steps: int


PAGES = {
    "": Limit(20, 16_000, 3_000),
    "live": Limit(5, 50, 10),
    "window/2026-10": Limit(25, 2_000, 1_000),
    "window/2026-10-07": Limit(25, 2_000, 1_000),
    "batch/500": Limit(12, 100, 10),
    "batches?show=unknown": Limit(12, 4_000, 1_000),
    "batches?show=pending": Limit(12, 4_000, 1_000),
    "request?id=REQ-000500000": Limit(8, 1_000, 100),
    "rejections": Limit(8, 1_500, 1_000),
    "rejections?reason=unknown_status": Limit(8, 300, 300),
    "rejections?reason=unknown_status&service=1041&month=2022-03": Limit(8, 200, 50),
    "rejections?reason=refused_by_dashboard": Limit(8, 400, 50),
    "activity": Limit(12, 4_500, 1_000),
    "evidence": Limit(12, 16_000, 3_000),
    "status.json": Limit(20, 18_000, 4_000),
    # A document, which holds no connection while it is sent: it begins anew for every twenty batches.
    "evidence/2025-03": Limit(60, 16_000, 3_000),
}


@pytest.fixture(scope="module")
def on_postgresql() -> Iterator[Engine]:
    """An outbox of ten million rows."""
    with PostgresServer() as server:
        yield from _filled(server.database(), ROWS)


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An outbox of one million rows."""
    yield from _filled(f"sqlite:///{tmp_path_factory.mktemp('volume') / 'outbox.db'}", ROWS // 10)


def _filled(address: Any, rows: int) -> Iterator[Engine]:
    engine = connect(address)
    migrate(engine)
    fill(engine, rows=rows, now=NOW)
    yield engine
    engine.dispose()


@pytest.fixture
def page_of(site: Site, viewer: Any) -> Callable[[Engine, str], None]:
    """Requests a page over an outbox."""

    def request(engine: Engine, path: str) -> None:
        site.engine, site.now = engine, NOW
        assert viewer.get(sealed(f"/tablero/{path}")).status_code == 200

    return request


@pytest.mark.parametrize("path", PAGES)
def test_what_a_page_reads_of_postgresql(page_of: Callable[[Engine, str], None], on_postgresql: Engine, path: str) -> None:
    """The statements of a page are few, read few pages, and no large table from end to end."""
    with _statements(on_postgresql) as asked:
        page_of(on_postgresql, path)
    assert asked
    plans = list(_plans(on_postgresql, asked))
    read = {name for _, plan in plans for name in _read_whole(plan)}
    found = len(asked), sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for _, plan in plans)
    _record(f"/{path}: {found[0]} statements, {found[1]:,} pages")
    assert not read & LARGE
    assert found[0] <= PAGES[path].statements
    assert found[1] <= PAGES[path].pages


@pytest.mark.parametrize("path", PAGES)
def test_what_a_page_asks_of_sqlite(page_of: Callable[[Engine, str], None], on_sqlite: Engine, path: str) -> None:
    """SQLite needs few steps for a page."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def watch(connection: Any, _: Any) -> None:
        connection.set_progress_handler(count, 1_000)

    on_sqlite.dispose()
    sa.event.listen(on_sqlite, "connect", watch)
    try:
        page_of(on_sqlite, path)
    finally:
        sa.event.remove(on_sqlite, "connect", watch)
        on_sqlite.dispose()
    _record(f"/{path}: {steps:,} thousand steps")
    assert steps <= PAGES[path].steps


@contextmanager
def _statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    asked: list[tuple[str, Any]] = []

    def remember(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", remember)
    try:
        yield asked
    finally:
        sa.event.remove(engine, "before_cursor_execute", remember)


def _plans(engine: Engine, asked: list[tuple[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    with engine.connect() as connection:
        for statement, parameters in asked:
            if statement.lstrip().upper().startswith(("SELECT", "WITH")) and "set_config" not in statement:
                explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
                yield statement, connection.exec_driver_sql(explained, parameters).scalar_one()[0]["Plan"]


def _read_whole(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for part in node.get("Plans", ()):
        yield from _read_whole(part)


def _record(line: str) -> None:
    if kept := os.environ.get("TABLERO_COSTS"):
        with Path(kept).open("a", encoding="utf-8") as file:
            file.write(f"{ROWS:,} rows {line}\n")
