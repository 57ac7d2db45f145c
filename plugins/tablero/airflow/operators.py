"""``@tablero_task``: what our tasks do beyond calling their function.

* A task that has to wait (``send_hours`` have closed, the dashboard asked for patience) is deferred: it holds no worker, loses
  no try, and is called again when it is time.
* An error of ours ends the task without a traceback: what an operator must read is a sentence, and the last one of the log
  (:func:`tablero.airflow.callbacks.task_failed` writes it there).
* A task that is told to stop (SIGTERM) stops: calls under way are recorded, and nothing new is begun.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred
from tablero.errors import TableroError

if TYPE_CHECKING:
    from types import FrameType

    from airflow.sdk import Context


class Ended(SystemExit):
    """How a task ends that met an error of ours: Airflow asks the retry policy all the same, and prints no traceback.

    :ivar error: of ours.
    """

    def __init__(self, error: TableroError) -> None:
        super().__init__(1)
        self.error = error

    def __str__(self) -> str:
        return str(self.error)


class Stopped(SystemExit):
    """The task was told to stop."""

    def __str__(self) -> str:
        return "SIGTERM"


class TableroOperator(DecoratedOperator, PythonOperator):
    """``@task`` which is deferred where the function has to wait, and ends in a sentence where it fails."""

    custom_operator_name = "@tablero_task"

    def __init__(self, *, python_callable: Callable[..., Any], op_args: Any, op_kwargs: Any, **kwargs: Any) -> None:
        super().__init__(
            kwargs_to_upstream={"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs},
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            **kwargs,
        )

    def execute(self, context: Context) -> Any:
        """Call the function."""
        try:
            with stopping_on_sigterm():
                return super().execute(context)
        except TableroError as error:
            moment = resumes_at(error)
            if moment is None:
                raise Ended(error) from error
            self.log.info("%s", error)
            raise TaskDeferred(trigger=DateTimeTrigger(moment=moment), method_name="resume") from error

    def resume(self, context: Context, event: object = None) -> Any:
        """Called when it is time: the function finds by itself what is left to do."""
        return self.execute(context)


def resumes_at(error: TableroError) -> datetime | None:
    """When a task that met this error goes on, at no cost of a try; ``None`` if it does not."""
    moment = getattr(error, "opens_at", None) or getattr(error, "resume_at", None)
    return moment if isinstance(moment, datetime) else None


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, which would end the process at once, or never, raise :class:`Stopped` where the task is at work."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough; the tidying up is not interrupted
        raise Stopped(143)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tablero_task(**kwargs: Any) -> TaskDecorator:
    """Decorator, used like Airflow's ``@task(...)``; what the function returns is one XCom, also if it is a dictionary."""
    # Of a function which says that it returns one, Airflow pushes each key, too: a call to its server for every one.
    return task_decorator_factory(decorated_operator_class=TableroOperator, multiple_outputs=False, **kwargs)
