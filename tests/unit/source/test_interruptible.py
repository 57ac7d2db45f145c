"""Waiting for a driver that lets no signal through: the wait ends, and the driver's statement is cancelled."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest
from tablero.source.interruptible import interruptible

from tests.interrupting import TimeIsUp, interrupt, interruptions

#: Seconds after which a test that hangs would fail.
LONGEST = 60.0


def never() -> None:
    raise AssertionError("nothing was to be cancelled")


def test_the_result_is_passed_on() -> None:
    """The result of the work is returned, and its exception raised, whatever its class."""
    assert interruptible(lambda: 7, never, 0.0) == 7
    for error in (ValueError("wrong"), SystemExit(1)):
        with pytest.raises(type(error)) as caught:
            interruptible(lambda error=error: (_ for _ in ()).throw(error), never, 0.0)  # type: ignore[misc]
        assert caught.value is error


def test_a_signal_ends_the_wait_and_cancels_the_work() -> None:
    """What a signal handler raises is raised once the work, which was cancelled, has ended."""
    cancelled, ended = threading.Event(), threading.Event()

    def work() -> None:
        interrupt()
        cancelled.wait(LONGEST)
        ended.set()

    with pytest.raises(TimeIsUp), interruptions():
        interruptible(work, cancelled.set, LONGEST)
    assert ended.is_set()


def test_work_that_cannot_be_cancelled_is_left() -> None:
    """If the work does not end, the wait does, after the grace period."""
    released = threading.Event()

    def work() -> None:
        interrupt()
        released.wait(LONGEST)

    with pytest.raises(TimeIsUp), interruptions():
        interruptible(work, lambda: None, 0.05)
    released.set()


def test_no_thread_is_used_outside_the_main_thread() -> None:
    """Signals reach only the main thread, so another one works by itself."""
    workers: list[threading.Thread] = []
    caller = threading.Thread(target=lambda: interruptible(lambda: workers.append(threading.current_thread()), never, 0.0))
    caller.start()
    caller.join()
    assert workers == [caller]


def test_the_context_of_the_caller_is_seen() -> None:
    """Context variables, such as those of a log, have the values that they have in the caller."""
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("here")
    assert interruptible(lambda: variable.get(), never, 0.0) == "here"
