"""When a failed task is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import RetryAction
from tablero import errors
from tablero.airflow.retries import TableroRetryPolicy
from tablero.errors import DashboardUnavailable, Deferral, OutsideHours, PermanentError, TransientError
from tablero.settings import Settings

SETTINGS = Settings.read({})
POLICY = TableroRetryPolicy(10, 60, 1800, "DO/GOB/INST/SOLICITUDES")


def subclasses(kind: type) -> list[type]:
    return [kind, *(one for child in kind.__subclasses__() for one in subclasses(child))]


def decide(error: BaseException, try_number: int = 1, map_index: int = -1, policy: TableroRetryPolicy = POLICY) -> Any:
    ti = SimpleNamespace(dag_id="historical_load", run_id="manual", task_id="load_month", map_index=map_index)
    return policy.evaluate(error, try_number, 10, {"ti": ti})


def delays(policy: TableroRetryPolicy, tries: int, **options: Any) -> list[float]:
    return [policy.delay(number, -1, "run", options.get("retry_after")) for number in range(1, tries + 1)]


@pytest.mark.parametrize("kind", subclasses(PermanentError), ids=lambda kind: kind.__name__)
def test_permanent_errors_fail_at_once(kind: type[PermanentError]) -> None:
    """Permanent errors are not retried, since a person must act; the reason is kept."""
    decision = decide(kind("the service does not exist"))
    assert decision.action is RetryAction.FAIL
    assert decision.reason == f"{kind.__name__}: the service does not exist"


@pytest.mark.parametrize("kind", [one for one in subclasses(TransientError) if not issubclass(one, Deferral)], ids=str)
def test_transient_errors_are_tried_again(kind: type[TransientError]) -> None:
    """Transient errors are retried after our own delay, which replaces Airflow's."""
    decision = decide(kind("not now"))
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay >= timedelta(seconds=60)


def test_every_error_is_of_one_of_the_two_kinds() -> None:
    """Each of our errors is either permanent or transient."""
    for kind in subclasses(errors.TableroError)[1:]:
        assert issubclass(kind, PermanentError) != issubclass(kind, TransientError), kind


@pytest.mark.parametrize("error", [RuntimeError("a bug"), TimeoutError(), SystemExit(1), MemoryError()])
def test_errors_of_no_kind_of_ours_are_tried_again(error: BaseException) -> None:
    """Any other error is retried, since a time limit, exhausted memory or a bug may pass."""
    assert decide(error).action is RetryAction.RETRY


def test_hours_that_have_closed() -> None:
    """A task normally defers before the policy is consulted; if it does not, closed hours are still retried."""
    closed = OutsideHours("closed", resume_at=datetime(2026, 11, 25, tzinfo=timezone.utc))
    assert decide(closed).action is RetryAction.RETRY


def test_the_delay_doubles_up_to_the_cap() -> None:
    """Delays are 60, 120, 240 ... 1800 seconds, each plus at most a quarter."""
    for number, (base, delay) in enumerate(zip([60, 120, 240, 480, 960, 1800, 1800], delays(POLICY, 7), strict=True), 1):
        assert base <= delay <= base * 1.25, number


def test_a_hundred_tries() -> None:
    """The hundredth try does not overflow."""
    assert delays(POLICY, 2000)[-1] <= 1800 * 1.25


@pytest.mark.parametrize(
    ("asked", "at_least", "at_most"),
    [
        (300.0, 300, 375),  # obeyed
        (1.0, 60, 75),  # never sooner than our own delay
        (86_400.0, 1800, 2250),  # capped: a wrong header must not cause a wait of a day
        (0.0, 60, 75),
        (None, 60, 75),
    ],
)
def test_retry_after(asked: float | None, at_least: float, at_most: float) -> None:
    """The other side's Retry-After is obeyed, within bounds."""
    delay = decide(DashboardUnavailable("429", retry_after=asked)).retry_delay.total_seconds()
    assert at_least <= delay <= at_most


@pytest.mark.parametrize("try_number", [1, 2, 6])
@pytest.mark.parametrize("asked", [None, 300.0, 86_400.0])
def test_83_months_never_retry_at_the_same_second(try_number: int, asked: float | None) -> None:
    """Months that fail at the same instant are retried at 83 different seconds."""
    found = [decide(DashboardUnavailable("down", retry_after=asked), try_number, index) for index in range(83)]
    assert len({int(one.retry_delay.total_seconds()) for one in found}) == 83


def test_the_default_tries_outlast_two_hours() -> None:
    """With the default tries an outage from midnight to two needs no intervention, in any institution."""
    for seed in range(50):
        policy = TableroRetryPolicy(SETTINGS.retries, SETTINGS.retry_delay, SETTINGS.max_retry_delay, str(seed))
        assert sum(delays(policy, SETTINGS.retries)) > 2 * 3600


def test_institutions_do_not_call_at_the_same_second() -> None:
    """Institutions that fail at the same instant are retried spread over a quarter of the delay."""
    first = {round(delays(TableroRetryPolicy(10, 60, 1800, f"DO/GOB/{number}/S"), 1)[0], 2) for number in range(200)}
    assert len(first) > 150
    assert max(first) - min(first) > 12


def test_it_is_the_same_each_time() -> None:
    """The delay of a try is deterministic, on any machine; two tries differ."""
    again = TableroRetryPolicy(10, 60, 1800, "DO/GOB/INST/SOLICITUDES")
    assert delays(POLICY, 10) == delays(again, 10)
    assert all(one < other for one, other in pairwise(delays(POLICY, 6)))


def test_without_a_context() -> None:
    """The policy works without a context, which Airflow may omit."""
    assert POLICY.evaluate(DashboardUnavailable("down"), 1, 3).action is RetryAction.RETRY


def test_a_long_reason_is_cut() -> None:
    """Long reasons are cut to Airflow's limit of 500 characters."""
    assert len(decide(PermanentError("x" * 5000)).reason) == 500
