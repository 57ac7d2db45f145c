"""A signal handler that raises in the main thread, as SIGTERM and Airflow's ``execution_timeout`` do."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.waiting import PATIENCE


class TimeIsUp(BaseException):
    """Like ``AirflowTaskTimeout``: no library catches it."""


@contextmanager
def interruptions() -> Iterator[None]:
    """Meanwhile :func:`interrupt` raises :class:`TimeIsUp` in the main thread."""

    def raise_it(_number: int, _frame: Any) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def interrupt() -> None:
    """Send the signal; called from whichever thread."""
    os.kill(os.getpid(), signal.SIGALRM)


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeIsUp` in the main thread after that many seconds, for a wait that nothing else ends."""
    with interruptions():
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def interrupted_once(has_begun: Callable[[], Any]) -> Iterator[None]:
    """Raise :class:`TimeIsUp` in the main thread as soon as what it does has begun, which another thread watches."""
    over = threading.Event()
    problems: list[Exception] = []

    def watch() -> None:
        deadline = time.monotonic() + PATIENCE
        try:
            while not over.wait(0.02):
                if has_begun() or time.monotonic() > deadline:
                    break
            else:
                return
        except Exception as error:  # what it watches would otherwise wait for ever
            problems.append(error)
        interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    with interruptions():
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            if problems:
                raise problems[0]
