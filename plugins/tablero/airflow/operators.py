"""``@tablero_task``: Airflow's ``@task`` with three additions.

* A task that has to wait (``send_hours`` have closed, or the dashboard sent ``Retry-After``) is deferred: it occupies no
  worker, uses up no try, and is resumed at the right time.
* A :class:`~tablero.errors.TableroError` ends the task without a traceback: the operator needs one sentence, and finds it at
  the end of the log, where :func:`tablero.airflow.callbacks.task_failed` writes it.
* SIGTERM, and the death of the supervisor, stop the task in an orderly way: calls in flight are recorded, and no new one
  begins.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred
from tablero.errors import Deferral, TableroError

if TYPE_CHECKING:
    from types import FrameType

    from airflow.sdk import Context


#: Seconds between two checks that the process which started this one is still its parent.
_CHECK_SUPERVISOR = 2.0


class Ended(SystemExit):
    """Ends a task with one of our errors. Airflow consults the retry policy as for any exception, but prints no traceback.

    :ivar error: the reason.
    """

    def __init__(self, error: TableroError) -> None:
        super().__init__(1)
        self.error = error

    def __str__(self) -> str:
        return str(self.error)


def reason_of(error: BaseException) -> BaseException:
    """What an exception that ended a task stands for: for :class:`Ended`, the error that it carries."""
    return error.error if isinstance(error, Ended) else error


class Stopped(SystemExit):
    """The task received SIGTERM."""

    def __str__(self) -> str:
        return "SIGTERM"


class TableroOperator(DecoratedOperator, PythonOperator):
    """``@task`` that defers when its function has to wait, and ends without a traceback when it fails."""

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
        except Deferral as error:
            from tablero.airflow.callbacks import task_waits

            task_waits(context, error)
            self.log.info("%s", error)
            raise TaskDeferred(trigger=DateTimeTrigger(moment=error.resume_at), method_name="resume") from error
        except TableroError as error:
            raise Ended(error) from error

    def resume(self, context: Context, event: object = None) -> Any:
        """Continue after a deferral: the function itself finds out what is left to do."""
        return self.execute(context)


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Make SIGTERM raise :class:`Stopped` in the task; by default it would end the process at once, or be ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the clean-up
        raise Stopped(143)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with _sigterm_without_supervisor():
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _sigterm_without_supervisor() -> Iterator[None]:
    """Send this process SIGTERM once its supervisor has died.

    Nobody sends heartbeats for the task any more, or would record its result: Airflow starts another try while this one works.
    """
    supervisor, done = os.getppid(), threading.Event()

    def watch() -> None:
        while not done.wait(_CHECK_SUPERVISOR):
            if os.getppid() != supervisor:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    threading.Thread(target=watch, name="supervisor", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def tablero_task(**kwargs: Any) -> TaskDecorator:
    """Decorator, used like Airflow's ``@task(...)``; whatever the function returns is a single XCom."""
    # Airflow would push each key of a returned dictionary as well, with a call to its server for every one.
    return task_decorator_factory(decorated_operator_class=TableroOperator, multiple_outputs=False, **kwargs)
