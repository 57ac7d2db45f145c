"""Moving an outbox to another database is complete, row for row, even if it is interrupted at any point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy.engine import URL, Engine
from tablero.delivery.run import Run
from tablero.delivery.staging import stage as stage_window
from tablero.errors import OutboxUnavailable, SetupError
from tablero.outbox import moving
from tablero.outbox.engine import connect
from tablero.outbox.moving import move
from tablero.outbox.queue import claiming, recording, suspects
from tablero.outbox.queue.claims import Leaseholder
from tablero.outbox.schema import batch, extraction, metadata
from tablero.outbox.upgrade import migrate, schema_version

from tests.integration.conftest import empty_sqlite_outbox
from tests.integration.fake_dashboard import DELIVERED, refused
from tests.integration.institution import Institution
from tests.integration.samples import (
    FEBRUARY,
    NOW,
    ZONE,
    change,
    changes,
    check_books,
    clock,
    settings,
    stage,
    staged,
    states,
)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Engine]:
    """An SQLite outbox with data in every large table: delivered, refused and pending rows, rejections, attempts."""
    path = tmp_path / "former.db"
    path.write_bytes(empty_sqlite_outbox())
    engine = connect(f"sqlite:///{path}")
    institution = Institution(tmp_path / "institution.db")
    institution.add([*changes(30), ("1041", "R-bad", "2020-01-15", 99, "2020-02-10 10:00:00")])
    stage_window(engine, institution.source, settings(batch_size=7), FEBRUARY, Run("run", clock))
    stage(engine, [*changes(30), change(99, at=FEBRUARY.start + timedelta(days=3, microseconds=7))])
    *delivered, last = claiming.claim(engine, [FEBRUARY], Leaseholder("w", "run", 100), limit=6, zone=ZONE, now=NOW)
    recording.record(engine, [(one, DELIVERED) for one in delivered], now=NOW)
    recording.record(engine, [(last, refused())], keep=[last.batch_id], now=NOW)
    suspects.refuse(engine, [(last, "«no» ☃")], now=NOW)
    yield engine
    engine.dispose()


@pytest.fixture
def target(new_database: Callable[..., URL]) -> Iterator[Engine]:
    """An empty database."""
    engine = connect(new_database())
    yield engine
    engine.dispose()


def content(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


def test_everything_is_there(file: Engine, target: Engine) -> None:
    """Each row of each table is copied, and the target is usable: new batches get unused ids."""
    moved = {one.table: one.rows for one in move(file, target)}
    assert content(target) == content(file)
    assert moved == {name: len(rows) for name, rows in content(file).items()}
    assert all(moved[name] for name in ("extraction", "batch", "batch_content", "attempt", "rejection"))
    assert schema_version(target) == schema_version(file)
    migrate(target)
    before = states(target)
    assert stage(target, [*staged(target), change(500)]) == 1
    check_books(target)
    assert states(target)["pending"] == before.get("pending", 0) + 1


def test_again_it_only_compares(file: Engine, target: Engine) -> None:
    """Repeating a finished move gives the same answer and writes nothing."""
    first = list(move(file, target))
    assert list(move(file, target)) == first


def test_killed_at_any_point(file: Engine, target: Engine, mocker: MockerFixture) -> None:
    """An unfinished target cannot be used by tasks, and a repeated move resumes, even if the source was used meanwhile."""
    mocker.patch.object(moving, "_STEP", 2)
    mocker.patch.object(moving, "_STEP_BATCHES", 2)
    steps = 0
    page = moving._page

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps % 7 == 0:
            raise OutboxUnavailable("the machine is switched off")
        return page(*arguments, **options)

    mocker.patch.object(moving, "_page", dying)
    for attempt in range(100):
        try:
            list(move(file, target))
            break
        except OutboxUnavailable:
            with pytest.raises(SetupError, match="not finished"):
                migrate(target)
        if attempt == 5:
            with file.begin() as connection:
                connection.execute(sa.update(batch).where(batch.c.id == 1).values(words="meanwhile"))
                connection.execute(sa.delete(extraction).where(extraction.c.id == 2))
        mocker.patch.object(moving, "_page", dying if attempt < 8 else page)
    assert content(target) == content(file)


def test_another_outbox_in_use_is_left_alone(file: Engine, target: Engine) -> None:
    """An outbox in use, with the same batch numbers but other rows, is not overwritten."""
    migrate(target)
    stage(target, changes(3))
    before = content(target)
    with pytest.raises(SetupError, match="is in use already"):
        list(move(file, target))
    assert content(target) == before


def test_written_to_meanwhile(file: Engine, target: Engine, mocker: MockerFixture) -> None:
    """If a running task writes to the source meanwhile, the move is refused; running the command again succeeds."""
    differences = moving._differences

    def busy(*arguments: Any, **options: Any) -> Any:
        yield from differences(*arguments, **options)
        if arguments[2] is metadata.sorted_tables[-1] and options.get("mend"):
            with file.begin() as connection:
                connection.execute(sa.update(batch).where(batch.c.id == 1).values(words="meanwhile"))

    mocker.patch.object(moving, "_differences", busy)
    with pytest.raises(SetupError, match="was written to while it was moved"):
        list(move(file, target))
    mocker.patch.object(moving, "_differences", differences)
    list(move(file, target))
    assert content(target) == content(file)
