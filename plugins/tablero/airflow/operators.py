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
from tablero.airflow.retries import Ended
from tablero.errors import Deferral, PermanentError, TableroError

if TYPE_CHECKING:
    from types import FrameType

    from airflow.sdk import Context
    from tablero.texts.text import Text


#: Seconds between two checks that the process which started this one is still its parent.
_CHECK_SUPERVISOR = 2.0


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
        result = self._call(context)
        if getattr(context.get("ti"), "try_number", 1) > 1:
            self._forget_wait(context)
        return result

    def resume(self, context: Context, event: object = None) -> Any:
        """Continue after a deferral: the function itself finds out what is left to do."""
        result = self._call(context)
        self._forget_wait(context)
        return result

    def _call(self, context: Context) -> Any:
        try:
            with stopping_on_sigterm():
                return super().execute(context)
        except Deferral as error:
            self._record_wait(context, error)
            self.log.info("%s", error)
            raise TaskDeferred(trigger=DateTimeTrigger(moment=error.resume_at), method_name="resume") from error
        except TableroError as error:
            raise Ended(error) from error

    def _record_wait(self, context: Context, error: Deferral) -> None:
        from tablero.outbox.alerts import troubles

        try:
            record_state(context, error, error.text, troubles.record_wait)
        except Exception:  # it only tells the alert of a late day what the task waits for
            self.log.debug("the wait could not be recorded", exc_info=True)

    def _forget_wait(self, context: Context) -> None:
        """A task that is done waits for nothing, although an earlier try of it did."""
        from tablero.airflow import configuration
        from tablero.outbox.alerts import troubles

        try:
            if is_dry_run(context["dag_run"]):
                return
            ti = context["ti"]
            with configuration.outbox() as engine:
                troubles.forget_wait(engine, ti.dag_id, ti.run_id, ti.task_id, _index(ti))
        except Exception:  # as above
            self.log.debug("the wait could not be removed", exc_info=True)


def record_state(context: Any, error: BaseException, words: Text, record: Callable[..., None]) -> None:
    """Store in the outbox why a task is not done; nothing of a dry run.

    :param words: what an operator is told about it.
    :param record: one of the functions of :mod:`tablero.outbox.alerts.troubles`.
    """
    from tablero.airflow import configuration
    from tablero.outbox.alerts.troubles import Trouble, cause_of

    if is_dry_run(context["dag_run"]):
        return
    ti = context["ti"]
    index = _index(ti)
    label = getattr(ti, "rendered_map_index", None) or (index if index >= 0 else "")
    found = Trouble(
        f"{ti.task_id} {label}".strip(),
        isinstance(error, PermanentError),
        str(words),
        cause_of(error),
        ti.task_id,
        index,
        getattr(ti, "try_number", None),
    )
    with configuration.outbox() as engine:
        record(engine, ti.dag_id, ti.run_id, found, now=configuration.clock())


def _index(ti: Any) -> int:
    return ti.map_index if ti.map_index is not None else -1


def is_dry_run(run: Any) -> bool:
    """Whether a run sends nothing, so that it neither opens nor closes an incident."""
    return bool((run.conf or {}).get("dry_run"))


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
