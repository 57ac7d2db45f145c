"""An incident is told once, when it is time, and its end too."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.engine import Engine
from tablero.outbox import incidents, ledger
from tablero.outbox.incidents import OpenWindow, Trouble

from tests.integration.samples import FEBRUARY, NOW, changes, month, stage

DAG = "daily_send"


def fail(engine: Engine, run: str, *, threshold: int = 1, permanent: bool = False, dag: str = DAG) -> bool:
    return incidents.run_failed(engine, dag, run, threshold=threshold, permanent=permanent, now=NOW)


def succeed(engine: Engine, dag: str = DAG) -> bool:
    return incidents.run_succeeded(engine, dag, now=NOW)


def test_told_once(outbox: Engine) -> None:
    """Not once a run, and not once a try of it."""
    assert [fail(outbox, run) for run in ("1", "1", "2", "3")] == [True, False, False, False]


def test_told_from_the_threshold_on(outbox: Engine) -> None:
    """Three failed days in a row, as in the guide's example."""
    assert [fail(outbox, run, threshold=3) for run in ("1", "2", "3", "4")] == [False, False, True, False]


def test_a_cleared_run_is_no_second_failure(outbox: Engine) -> None:
    """It may fail as often as it likes: it is one day."""
    assert [fail(outbox, "1", threshold=2) for _ in range(5)] == [False] * 5
    assert fail(outbox, "2", threshold=2)


def test_a_permanent_error_is_told_at_once(outbox: Engine) -> None:
    """It will fail tomorrow too; nobody has to wait for that."""
    assert not fail(outbox, "1", threshold=3)
    assert fail(outbox, "2", threshold=3, permanent=True)


def test_its_end_is_told(outbox: Engine) -> None:
    """If it was told itself; once."""
    fail(outbox, "1")
    assert [succeed(outbox), succeed(outbox)] == [True, False]


def test_an_incident_that_nobody_heard_of_ends_in_silence(outbox: Engine) -> None:
    """And the count begins anew."""
    fail(outbox, "1", threshold=2)
    assert not succeed(outbox)
    assert not fail(outbox, "2", threshold=2)


def test_the_next_incident_is_told_again(outbox: Engine) -> None:
    """After a recovery."""
    fail(outbox, "1")
    succeed(outbox)
    assert fail(outbox, "2")


def test_dags_are_apart(outbox: Engine) -> None:
    """A load that fails says nothing about the daily send."""
    assert fail(outbox, "1")
    assert fail(outbox, "1", dag="historical_load")
    assert not succeed(outbox, "another")


def test_what_is_known_of_a_run(outbox: Engine) -> None:
    """Its failed tasks in order, and the windows that its last reconciliation left open; of no other run."""
    for task, words in (("post", "no access"), ("reconcile", "w" * 5000)):
        incidents.record_trouble(outbox, DAG, "1", task, permanent=True, words=words, now=NOW)
    incidents.record_trouble(outbox, DAG, "2", "post", permanent=False, words="other", now=NOW)
    stage(outbox, changes(7))
    ledger.keep(outbox, ledger.account(outbox, month("2020-03")), "1", NOW)
    ledger.keep(outbox, ledger.account(outbox, FEBRUARY), "1", NOW)
    ledger.keep(outbox, ledger.account(outbox, FEBRUARY), "1", NOW + timedelta(minutes=1))
    found = incidents.situation(outbox, DAG, "1", since=None)
    assert found.troubles == [Trouble("post", True, "no access"), Trouble("reconcile", True, "w" * 2000)]
    assert found.windows == [OpenWindow("2020-02", 7), OpenWindow("2020-03", 0)]


def test_nothing_is_known(outbox: Engine) -> None:
    """A run that failed before it did anything."""
    assert incidents.situation(outbox, DAG, "1", since=None) == ([], [])
