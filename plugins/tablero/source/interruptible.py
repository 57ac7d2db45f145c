"""Waiting for a database so that a signal can end the wait.

Python runs signal handlers in the main thread only, and not before a call into C returns: mysqlclient, pymssql and others wait
for their server inside C, for hours if need be. So the main thread has another thread call the driver, and waits for it in
Python. In any other thread there is nothing to interrupt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")


def interruptible(work: Callable[[], Result], cancel: Callable[[], None], grace: float) -> Result:
    """Call ``work`` and return its result, or raise its exception.

    If a signal handler raises something in the meantime, such as ``SystemExit`` or Airflow's ``AirflowTaskTimeout``, ``cancel``
    is called, and ``work`` may take ``grace`` seconds to end before that exception is raised.

    :param cancel: ends ``work`` soon; must return at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    ended: Future[Result] = Future()

    def run() -> None:
        try:
            ended.set_result(work())
        except BaseException as error:
            ended.set_exception(error)

    # A daemon, so that a driver that cannot be stopped does not keep the process from ending.
    thread = threading.Thread(target=copy_context().run, args=(run,), name="tablero-source", daemon=True)
    try:
        thread.start()
        error = ended.exception()  # waits; raises nothing but what interrupts it
    except BaseException:
        cancel()
        wait([ended], grace)
        raise
    if error is not None:
        raise error
    return ended.result()
