"""The checks of the fault run can fail: each planted fault in a correct history is found and named."""

from __future__ import annotations

import math
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import Answer
from tablero.delivery.planning import plan_history
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.errors import DashboardUnavailable
from tablero.outbox.content import pack_rows, unpack_rows
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate
from tablero.source.reader import Source

from sandbox.memory import CallRecord, Memory
from tests.chaos import checks
from tests.chaos.checks import Arrival, Evidence
from tests.chaos.institution import AFTER_LAST_DAY, FIRST_DAY, OFFSET, Institution
from tests.integration.fake_dashboard import DELIVERED, LOST, refused
from tests.integration.samples import settings

NOW = (AFTER_LAST_DAY + OFFSET + timedelta(hours=2)).replace(tzinfo=timezone.utc)
SETTINGS = settings(batch_size="5", concurrency="1")
WINDOWS = plan_history(SETTINGS, start_month=f"{FIRST_DAY:%Y-%m}", end_month=None, now=NOW)


@dataclass(frozen=True)
class Story:
    """The state after a load with one lost answer and one refused request.

    :ivar memory: the dashboard's.
    """

    outbox: Path
    memory: Path
    institution: Institution

    def complaints(self) -> list[str]:
        """All violations that the checks report."""
        engine = connect(f"sqlite:///{self.outbox}")
        try:
            evidence = Evidence(engine, self.memory)
            return [
                *checks.standing(evidence, engine, self.institution),
                *(words for window in WINDOWS for words in checks.window(evidence, self.institution, window)),
                *checks.settled(evidence, self.institution),
            ]
        finally:
            engine.dispose()

    def evidence(self) -> Evidence:
        """The contents of outbox and dashboard."""
        engine = connect(f"sqlite:///{self.outbox}")
        try:
            return Evidence(engine, self.memory)
        finally:
            engine.dispose()


class Recorder:
    """A dashboard that accepts all calls, loses its first answer, and refuses one request for good."""

    def __init__(self, memory: Memory, refuses: str) -> None:
        self._memory = memory
        self._refuses = refuses
        self._lost = False

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        rows = [tuple(entry.values()) for entry in orjson.loads(body)["requests"]]
        call = CallRecord("POST", "/api/load", x_road_id=message_id, entries=len(rows), status=201)
        if any(row[1] == self._refuses for row in rows):
            self._memory.record(call)
            return refused()
        self._memory.record(call, rows)
        answer = DELIVERED if self._lost else LOST
        self._lost = True
        return answer


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The history as it happened."""
    folder = tmp_path_factory.mktemp("story")
    institution = Institution(folder / "source.db", random.Random(5), rows=60, busiest=8)
    engine = connect(f"sqlite:///{folder / 'outbox.db'}")
    migrate(engine)
    source_engine = sa.create_engine(f"sqlite:///{institution.path}")
    zone = SETTINGS.timezone
    source = Source(source_engine, table="tablero_status_changes", sql=None, zone=zone, day_zone=zone)
    for window in WINDOWS:
        stage(engine, source, SETTINGS, window, Run("run", _clock))
    memory = Memory(folder / "dashboard.db")
    recorder = Recorder(memory, refuses=min(row[1] for row in institution.ever_valid))
    with suppress(DashboardUnavailable):
        send(engine, lambda: recorder, SETTINGS, WINDOWS, Run("run", _clock))
    send(engine, lambda: recorder, SETTINGS, WINDOWS, Run("run", _clock))
    memory.close()
    for each in (engine, source_engine):
        each.dispose()
    return Story(folder / "outbox.db", folder / "dashboard.db", institution)


@pytest.fixture
def story(original: Story, tmp_path: Path) -> Story:
    """A copy of it to be falsified."""
    for path in (original.outbox, original.memory):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(path, tmp_path)
    return Story(tmp_path / original.outbox.name, tmp_path / original.memory.name, original.institution)


def test_the_truth(story: Story) -> None:
    """The correct history has no violations, although a row arrived twice and others were refused."""
    assert story.complaints() == []
    evidence = story.evidence()
    assert evidence.states().keys() == {"delivered", "refused"}
    assert max(map(len, evidence.holders.values())) == 2


Plant = Callable[[Story], None]


def outbox(*statements: str) -> Plant:
    """SQL statements for the outbox, each of which must change something."""
    return lambda story: _execute(story.outbox, *statements)


def repacked(change: Callable[[list[StatusChange]], list[StatusChange]]) -> Plant:
    """Put other rows into a delivered batch."""

    def plant(story: Story) -> None:
        with closing(sqlite3.connect(story.outbox)) as connection, connection:
            query = f"SELECT batch_id, content FROM batch_content WHERE batch_id = {_ONE_DELIVERED}"
            identity, content = connection.execute(query).fetchone()
            rows = pack_rows(change(unpack_rows(content)))
            connection.execute("UPDATE batch_content SET content = ? WHERE batch_id = ?", (rows, identity))

    return plant


def dashboard(*statements: str) -> Plant:
    """SQL statements for the dashboard's memory."""
    return lambda story: _execute(story.memory, *statements)


def posted_again(outcome: str | None) -> Plant:
    """Post a batch once more after it was acknowledged; the dashboard accepts it."""

    def plant(story: Story) -> None:
        evidence = story.evidence()
        batch_id, rows = _delivered_once(evidence)
        memory = Memory(story.memory)
        memory.record(CallRecord("POST", "/api/load", x_road_id="again", entries=len(rows), status=201), rows)
        memory.close()
        with closing(sqlite3.connect(story.outbox)) as connection, connection:
            connection.execute(
                "INSERT INTO attempt (batch_id, run_id, message_id, started_at, outcome) VALUES (?, 'run', 'again', 0, ?)",
                (batch_id, outcome),
            )

    return plant


def swapped(story: Story) -> None:
    """Let two changes of a request arrive in the wrong order."""
    with closing(sqlite3.connect(story.memory)) as connection, connection:
        first, second = connection.execute(
            "SELECT a.seq, b.seq FROM entries a JOIN entries b USING (call_id, request_id)"
            " WHERE a.last_modified_date < b.last_modified_date AND call_id > 1 LIMIT 1"
        ).fetchone()
        for old, new in ((first, 0), (second, first), (0, second)):
            connection.execute("UPDATE entries SET seq = ? WHERE seq = ?", (new, old))


def set_aside_too(story: Story) -> None:
    """List a delivered row among the rejected ones as well."""
    evidence = story.evidence()
    row = next(row for row in story.institution.rows.values() if row.fate == "valid" and row.wire in evidence.holders)
    changed = (row.changed + OFFSET).replace(tzinfo=timezone.utc)
    with closing(sqlite3.connect(story.outbox)) as connection, connection:
        connection.execute(
            "INSERT INTO rejection VALUES ('digest', 'UNKNOWN_STATUS', ?, ?, ?, ?, ?, ?, 1, 0)",
            (*map(str, row.values), _microseconds(changed)),
        )


_ONE_DELIVERED = "(SELECT max(id) FROM batch WHERE state = 'delivered')"
_ONE_REFUSED = "(SELECT max(id) FROM batch WHERE state = 'refused')"


@pytest.mark.parametrize(
    ("plant", "complaint"),
    [
        pytest.param(
            repacked(lambda changes: changes[1:]),
            "valid rows of the source are not in the outbox",
            id="rows lost before they were staged",
        ),
        pytest.param(
            dashboard("DELETE FROM entries WHERE request_id = (SELECT max(request_id) FROM entries)"),
            "and the dashboard does not hold it",
            id="rows lost that count as delivered",
        ),
        pytest.param(
            outbox(f"UPDATE batch SET state = 'pending', settled_at = NULL WHERE id = {_ONE_DELIVERED}"),
            "rows are still pending",
            id="rows forgotten in the queue",
        ),
        pytest.param(posted_again("delivered"), "was acknowledged twice", id="an acknowledged row posted and taken twice"),
        pytest.param(posted_again("unknown"), "again, after attempt", id="an acknowledged row posted again, answer lost"),
        pytest.param(
            outbox("UPDATE attempt SET outcome = 'transient' WHERE outcome = 'unknown'"),
            "is at the dashboard by calls recorded as ['transient', 'delivered']",
            id="a repeat that no unknown attempt explains",
        ),
        pytest.param(swapped, "did not arrive by date", id="the order within a request broken"),
        pytest.param(set_aside_too, "rows are set aside that are not in the source", id="a row delivered and set aside"),
        pytest.param(
            outbox(f"UPDATE batch SET state = 'refused' WHERE id = {_ONE_DELIVERED}"),
            "is refused, and an attempt was acknowledged",
            id="rows acknowledged and refused",
        ),
        pytest.param(
            outbox(f"UPDATE batch SET state = 'delivered' WHERE id = {_ONE_REFUSED}"),
            "is delivered, and no attempt was acknowledged",
            id="rows refused and delivered",
        ),
        pytest.param(
            outbox(f"UPDATE batch SET state = 'split' WHERE id = {_ONE_DELIVERED}"),
            "the books are wrong",
            id="rows in a batch that was split, and in its parts",
        ),
        pytest.param(
            outbox(f"UPDATE batch SET state = 'parked' WHERE id = {_ONE_DELIVERED}"), "rows are in no state", id="no state"
        ),
        pytest.param(
            outbox(f"UPDATE batch SET words = NULL WHERE id = {_ONE_REFUSED}"),
            "refused rows lack the dashboard's words",
            id="refused without words",
        ),
        pytest.param(
            outbox(f"UPDATE batch SET first_refused_at = 4102444800000000 WHERE id = {_ONE_REFUSED}"),
            "and that proves nothing",
            id="refused before anything was accepted",
        ),
        pytest.param(
            outbox("UPDATE batch SET settled_at = 4102444800000000, settled_how = NULL WHERE state = 'refused'"),
            "may have begun to refuse everything",
            id="refused last of all, and not told",
        ),
        pytest.param(
            outbox("DELETE FROM attempt WHERE id = (SELECT max(id) FROM attempt WHERE outcome = 'delivered')"),
            "calls are on no record",
            id="a call on no record",
        ),
        pytest.param(
            dashboard("UPDATE entries SET status_id = status_id % 21 + 1 WHERE seq = (SELECT max(seq) FROM entries)"),
            "did not carry the rows of batch",
            id="another row posted than was staged",
        ),
        pytest.param(
            repacked(lambda changes: [changes[0]._replace(status_id=changes[0].status_id % 21 + 1), *changes[1:]]),
            "rows are staged that were never valid",
            id="a row out of nowhere",
        ),
        pytest.param(
            outbox("UPDATE attempt SET outcome = NULL WHERE outcome = 'unknown'"),
            "attempts have no outcome",
            id="an attempt left open",
        ),
    ],
)
def test_a_planted_wrong_is_named(story: Story, plant: Plant, complaint: str) -> None:
    """A planted fault is named in the words of the check for it."""
    plant(story)
    assert complaint in "\n".join(story.complaints())


def _execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement


def _delivered_once(evidence: Evidence) -> tuple[int, list[Any]]:
    """A delivered batch without repeats, and its rows."""
    batches: dict[int, list[Any]] = {}
    for row, at in evidence.staged.items():
        if at.state == "delivered":
            batches.setdefault(at.batch_id, []).append(row)
    return next((each, rows) for each, rows in batches.items() if all(len(evidence.holders[row]) == 1 for row in rows))


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000)


def _clock() -> datetime:
    return NOW


@pytest.mark.parametrize(
    ("older", "newer", "is_wrong"),
    [((1, 10), (2, 20), False), ((1, 20), (2, 10), True), ((1, math.inf), (2, 10), True), ((2, 20), (1, 10), False)],
)
def test_order_across_readings(older: tuple[int, float], newer: tuple[int, float], is_wrong: bool) -> None:
    """A newer change that arrives before an older one is named, unless the older one was staged after it."""
    request, today = ("1", "S-1"), NOW.date()
    arrivals = [Arrival(request, today, NOW + timedelta(hours=n), *each) for n, each in enumerate((older, newer))]
    assert (list(checks.order_across_readings(arrivals)) != []) is is_wrong
