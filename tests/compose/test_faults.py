"""A million rows, two workers, and every server fails midway: nothing is lost, and nothing acknowledged is posted again."""

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

# The one that began last first: it will still be running when something happens to it.
_RUNNING = "select hostname from task_instance where task_id = 'load_month' and state = 'running' order by start_date desc"
_LOADED = "select count(*) as months from task_instance where task_id = 'load_month' and state = 'success'"


def at_work(stack: Stack) -> list[str]:
    """The workers which load a month at this moment."""
    return [row["hostname"] for row in stack.sql("airflow", _RUNNING)]


def after(stack: Stack, months: int) -> list[str]:
    """Wait until so many months are loaded and another one is under way; the workers which are at it."""

    def look() -> list[str]:
        (loaded,) = stack.sql("airflow", _LOADED)
        return at_work(stack) if loaded["months"] >= months else []

    return wait_for(f"{months} months loaded", look, every=0.5)


def test_a_worker_redis_and_postgresql_fail_midway(tmp_path: Path) -> None:
    """A worker is killed with signal 9, Redis and PostgreSQL are restarted, each while months are being loaded."""
    if not engine_answers():
        pytest.skip("no Docker engine answers")
    with running(tmp_path, rows=ROWS, settings=SETTINGS) as stack:
        both = set(stack.containers("airflow-worker"))
        assert after(stack, months=10)
        with stack.timed("redis restarted"):
            stack.compose("restart", "redis")
        assert after(stack, months=25)
        with stack.timed("postgres restarted"):
            stack.compose("restart", "postgres")
        victim = after(stack, months=40)[0]
        stack.kill(victim)
        assert victim in at_work(stack), "Airflow does not know yet that its task is dead"

        run_id, state = account.ended(stack, "historical_load")
        assert state == "success"
        found = account.take(stack, run_id)
        log.info("%s; tries by worker: %s", found, account.workers(stack))
        assert found.institution >= ROWS
        assert account.workers(stack).keys() == both
    assert stack.left_over() == []
