"""A million rows, two workers, and failures of every server: nothing is lost, and no acknowledged row is posted again."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.compose import account
from tests.compose.stack import Stack, engine_answers, running, wait_for

log = logging.getLogger(__name__)

ROWS = int(os.environ.get("TABLERO_COMPOSE_FAULT_ROWS", "1000000"))

#: Airflow's defaults, shortened: how long a worker may be silent before its tasks count as dead, and the wait before a retry.
SETTINGS = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__TABLERO__RETRY_DELAY": "10",
}

#: Before each failure, the dashboard delays this many calls for this many seconds before accepting them.
HELD, SECONDS = 8, 15

_AT_WORK = "select hostname, map_index from task_instance where task_id = 'load_month' and state = 'running'"
_LOADED = "select count(*) as months from task_instance where task_id = 'load_month' and state = 'success'"
_IN_FLIGHT = """
select distinct label from attempt join batch on batch.id = batch_id join extraction on extraction.id = extraction_id
 where outcome is null and kind = 'month'
"""
_CUT_OFF = "select hostname, count(*) as tries from task_instance_history where task_id = 'load_month' group by hostname"


def posting(stack: Stack) -> list[str]:
    """The workers that have calls in flight."""
    months = {row["label"] for row in stack.sql("outbox", _IN_FLIGHT)}
    return [row["hostname"] for row in stack.sql("airflow", _AT_WORK) if _month(row["map_index"]) in months]


def _month(map_index: int) -> str:
    return f"{2020 + map_index // 12}-{map_index % 12 + 1:02}"


def in_the_middle(stack: Stack, months: int) -> list[str]:
    """Wait until this many months are loaded and other calls are in flight; returns the workers waiting for their answers."""

    def enough() -> bool:
        (loaded,) = stack.sql("airflow", _LOADED)
        return bool(loaded["months"] >= months)

    wait_for(f"{months} months loaded", enough)
    stack.sandbox("/faults", {"kind": "delay", "seconds": SECONDS, "times": HELD})
    return wait_for("calls in flight", lambda: posting(stack), every=0.2)


def test_a_worker_redis_and_postgresql_fail_midway(tmp_path: Path) -> None:
    """A worker is killed, and Redis and PostgreSQL are restarted, each while months are being loaded."""
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    with running(tmp_path, rows=ROWS, settings=SETTINGS) as stack:
        both = set(stack.containers("airflow-worker"))
        assert in_the_middle(stack, months=10)
        with stack.timed("redis restarted"):
            stack.compose("restart", "redis")
        assert in_the_middle(stack, months=25)
        with stack.timed("postgres restarted"):
            stack.compose("restart", "postgres")
        victim = in_the_middle(stack, months=40)[0]
        stack.kill(victim)

        run_id, state = account.ended(stack, "historical_load")
        assert state == "success"
        found = account.take(stack, run_id)
        cut_off = {row["hostname"]: row["tries"] for row in stack.sql("airflow", _CUT_OFF)}
        log.info("%s; tries by worker: %s, of them failed: %s", found, account.workers(stack), cut_off)
        assert found.institution >= ROWS
        assert account.workers(stack).keys() == both
        assert cut_off.get(victim), "the worker was loading a month when it was killed"
        assert found.unacknowledged, "the dashboard took calls whose answer nobody heard"
    assert stack.left_over() == []
