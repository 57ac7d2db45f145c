"""Several worker processes on one outbox."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from sqlalchemy.engine import URL, Engine
from tablero.outbox import ledger
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import schema_version

from tests.integration import workers
from tests.integration.samples import FEBRUARY, all_batches, change, changes, check_books, stage, staged, states
from tests.waiting import PATIENCE

SPAWN = multiprocessing.get_context("spawn")


def at_once(number: int, work: Callable[..., None], *arguments: Any) -> list[Any]:
    """Run ``work`` in this many processes that start together; returns their results."""
    barrier = SPAWN.Barrier(number)
    results = SPAWN.Queue()
    processes = []
    for position in range(number):
        mine = [argument[position] if isinstance(argument, list) else argument for argument in arguments]
        processes.append(SPAWN.Process(target=work, args=(mine[0], barrier, *mine[1:], results)))
    for process in processes:
        process.start()
    found = [results.get(timeout=PATIENCE) for _ in processes]
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * number
    return found


def text(address: URL) -> str:
    return address.render_as_string(hide_password=False)


def test_the_schema_is_made_by_two_processes_at_once(new_database: Callable[..., URL]) -> None:
    """Two processes creating the schema at once both succeed."""
    address = new_database()
    found = at_once(2, workers.migrate_outbox, text(address))
    engine = connect(address)
    assert found == [schema_version(engine)] * 2
    engine.dispose()


@pytest.mark.parametrize("overlap", [1.0, 0.5])
def test_the_same_window_is_staged_twice_at_once(outbox: Engine, overlap: float) -> None:
    """Each row is staged once, the counts of batches and days are right, and the reported numbers of new rows add up."""
    shift = int(3000 * (1 - overlap))
    numbers = [list(range(3000)), list(range(shift, 3000 + shift))]
    found = at_once(2, workers.stage_rows, text(outbox.url), FEBRUARY.to_json(), numbers, 100)
    rows = {change(number) for number in range(3000 + shift)}
    assert staged(outbox) == rows
    assert sum(found) == len(rows)
    check_books(outbox)
    account = ledger.account(outbox, FEBRUARY)
    assert account.pending == len(rows)
    # Neither has seen the rows that only the other found; the next reading does.
    assert (account.read == account.accounted) == (overlap == 1.0)
    assert stage(outbox, rows) == 0
    account = ledger.account(outbox, FEBRUARY)
    assert account.read == account.accounted == len(rows)


def test_two_workers_deliver_each_batch_once(outbox: Engine) -> None:
    """Whatever the timing, no row is posted by both workers and none is left out."""
    stage(outbox, changes(400), size=5)
    found = at_once(2, workers.send_all, text(outbox.url), FEBRUARY.to_json())
    posted = sorted(chain.from_iterable(found))
    assert posted == sorted(change(number).request_id for number in range(400))
    assert states(outbox) == {"delivered": 400}
    assert {row.state for row in all_batches(outbox)} == {"delivered"}
    check_books(outbox)
