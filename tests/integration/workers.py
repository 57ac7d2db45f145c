"""Work that other processes do in these tests: functions that a spawned interpreter finds by name."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tablero.contract.merging import differences
from tablero.contract.packing import pack
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.contract.wire import encode
from tablero.outbox.engine import connect
from tablero.outbox.queue import claiming, recording
from tablero.outbox.queue.claims import Leaseholder
from tablero.outbox.upgrade import migrate, schema_version

from tests.integration.fake_dashboard import Dashboard
from tests.integration.samples import NOW, begin, change
from tests.waiting import PATIENCE


def migrate_outbox(address: str, barrier: Any, results: Any) -> None:
    """Create the SQLite file, if it is one, and the schema at the same moment as others do; returns its version."""
    barrier.wait(PATIENCE)
    engine = connect(address)
    migrate(engine)
    results.put(schema_version(engine))
    engine.dispose()


def stage_rows(address: str, barrier: Any, window: dict[str, str], numbers: list[int], size: int, results: Any) -> None:
    """Stage changes of these requests step by step, as ``staging`` does; returns the number of new rows."""
    engine = connect(address)
    chosen = Window.from_json(window)
    rows: list[StatusChange] = sorted((change(number) for number in numbers), key=lambda row: row.request_id)
    barrier.wait(PATIENCE)
    extraction = begin(engine, chosen, size=size)
    new = 0
    fresh = (row for piece in differences(rows, extraction.record) for row in piece.new)
    packs = list(pack(fresh, size, by_service=False))
    for start in range(0, len(packs), 10):
        new += extraction.stage(packs[start : start + 10]).new
    extraction.finish(read=len(rows), new=new, known=len(rows) - new, duplicates=0, excluded=0, rejected={}, now=NOW)
    engine.dispose()
    results.put(new)


def send_all(address: str, barrier: Any, window: dict[str, str], results: Any) -> None:
    """Claim and deliver until nothing is left; returns the requests posted."""
    engine = connect(address)
    dashboard = Dashboard()
    holder = Leaseholder(str(uuid4()), "run", 300.0)
    barrier.wait(PATIENCE)
    while taken := claiming.claim(engine, [Window.from_json(window)], holder, limit=3):
        answers = [
            (one, dashboard.post(encode(one.changes), message_id=one.message_id, issue=str(one.batch_id))) for one in taken
        ]
        recording.record(engine, answers)
    engine.dispose()
    results.put(sorted(dashboard.accepted.elements()))
