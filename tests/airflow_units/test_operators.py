"""Tasks that wait without occupying a worker, fail with a sentence, and stop on request."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred
from pytest_mock import MockerFixture
from tablero.airflow import configuration
from tablero.airflow.operators import Stopped, tablero_task
from tablero.airflow.retries import Ended
from tablero.errors import DashboardBusy, DashboardUnavailable, OutboxUnavailable, OutsideHours
from tablero.outbox.alerts import troubles

OPENS = datetime(2026, 11, 25, 0, 0, tzinfo=timezone.utc)


def operator(function: Callable[[], Any], **arguments: Any) -> Any:
    with DAG("d", schedule=None):
        return tablero_task(task_id="work", **arguments)(function)().operator


def closed() -> None:
    raise OutsideHours("send_hours have closed", resume_at=OPENS)


def test_the_task_is_deferred_to_the_opening() -> None:
    """The task is deferred until the opening and resumes in the same function, without using up a try."""
    with pytest.raises(TaskDeferred) as caught:
        operator(closed).execute({})
    assert isinstance(caught.value.trigger, DateTimeTrigger)
    assert caught.value.trigger.serialize()[1]["moment"] == OPENS
    assert caught.value.method_name == "resume"


def test_what_it_waits_for_is_on_record(mocker: MockerFixture) -> None:
    """The alert of a late day names what the task waits for, if the outbox takes it; a dry run records nothing."""
    outbox, record = mocker.patch.object(configuration, "outbox"), mocker.patch.object(troubles, "record_wait")
    ti = SimpleNamespace(dag_id="daily_send", run_id="run", task_id="post", map_index=-1, try_number=1)
    for conf in ({}, {"dry_run": True}):
        with pytest.raises(TaskDeferred):
            operator(closed).execute({"ti": ti, "dag_run": SimpleNamespace(conf=conf)})
    (call,) = record.call_args_list
    assert (call.args[1:3], call.args[3].words) == (("daily_send", "run"), "send_hours have closed")
    outbox.side_effect = OutboxUnavailable("away")
    with pytest.raises(TaskDeferred):
        operator(closed).execute({"ti": ti, "dag_run": SimpleNamespace(conf={})})


@pytest.mark.parametrize(("method", "try_number", "forgotten"), [("execute", 1, 0), ("execute", 2, 1), ("resume", 1, 1)])
def test_a_task_that_is_done_waits_for_nothing(method: str, try_number: int, forgotten: int, mocker: MockerFixture) -> None:
    """Once it has succeeded, the alert of a late day no longer names what an earlier try, or the deferral, waited for."""
    outbox, forget = mocker.patch.object(configuration, "outbox"), mocker.patch.object(troubles, "forget_wait")
    ti = SimpleNamespace(dag_id="daily_send", run_id="run", task_id="post", map_index=None, try_number=try_number)
    task, context = operator(lambda: 7), {"ti": ti, "dag_run": SimpleNamespace(conf={})}
    assert getattr(task, method)(context) == 7
    assert [call.args[1:] for call in forget.call_args_list] == [("daily_send", "run", "post", -1)] * forgotten
    outbox.side_effect = OutboxUnavailable("away")
    assert getattr(task, method)(context) == 7


def test_resumed_at_the_opening() -> None:
    """After the opening the function is called again and finds what is left; its result is the task's."""
    results = iter([OutsideHours("closed", resume_at=OPENS), {"delivered": 7}])

    def work() -> Any:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    task = operator(work)
    with pytest.raises(TaskDeferred):
        task.execute({})
    assert task.resume({}, None) == {"delivered": 7}


def test_a_dictionary_is_one_value() -> None:
    """A dictionary is one XCom, although Airflow would push each key as well."""

    def work() -> dict[str, int]:
        return {"delivered": 7, "refused": 0}

    assert operator(work).multiple_outputs is False


def test_resumed_too_early() -> None:
    """If it resumes too early, the task is deferred again."""
    with pytest.raises(TaskDeferred):
        operator(closed).resume({}, None)


def test_an_error_of_ours_ends_the_task_in_its_words() -> None:
    """One of our errors is logged as its message, without a traceback; the retry policy sees the error itself."""

    def fail() -> None:
        raise DashboardUnavailable("down")

    with pytest.raises(Ended, match="down") as caught:
        operator(fail).execute({})
    assert isinstance(caught.value, SystemExit)
    assert isinstance(caught.value.error, DashboardUnavailable)


def test_an_error_that_nobody_foresaw_passes() -> None:
    """An unexpected error keeps its traceback, for maintainers."""

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        operator(fail).execute({})


def test_a_dashboard_that_asks_to_wait() -> None:
    """It defers the task as closed hours do."""

    def busy() -> None:
        raise DashboardBusy("wait", resume_at=OPENS)

    with pytest.raises(TaskDeferred):
        operator(busy).execute({})


def test_stopped_by_a_signal() -> None:
    """SIGTERM interrupts the function once; afterwards the previous handler is restored."""
    before = signal.getsignal(signal.SIGTERM)

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # a second signal does not interrupt the cleanup

    with pytest.raises(Stopped):
        operator(work).execute({})
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_supervisor_has_died(mocker: MockerFixture) -> None:
    """If the supervisor has died the task stops as on SIGTERM, since another try takes over."""
    mocker.patch("tablero.airflow.operators._CHECK_SUPERVISOR", 0.01)
    mocker.patch("os.getppid", side_effect=chain([4711], repeat(1)))

    def work() -> None:
        threading.Event().wait(600)

    with pytest.raises(Stopped):
        operator(work).execute({})


def test_it_takes_what_a_task_takes() -> None:
    """Retries, outlets and other arguments are passed on to Airflow."""
    assert operator(closed, retries=3, max_active_tis_per_dagrun=2).retries == 3
