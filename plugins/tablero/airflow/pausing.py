"""Tasks that wait for the next opening of ``send_hours`` without holding a worker, and without losing a try."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred
from tablero.errors import OutsideHours

if TYPE_CHECKING:
    from airflow.sdk import Context


class PausableOperator(DecoratedOperator, PythonOperator):
    """``@task`` whose function may raise :class:`OutsideHours`: it is deferred, and called again at the opening."""

    custom_operator_name = "@pausable_task"

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
            return super().execute(context)
        except OutsideHours as closed:
            self.log.info("%s", closed)
            raise TaskDeferred(trigger=DateTimeTrigger(moment=closed.opens_at), method_name="resume") from closed

    def resume(self, context: Context, event: object = None) -> Any:
        """Called at the opening: the function finds by itself what is left to do."""
        return self.execute(context)


def pausable_task(**kwargs: Any) -> TaskDecorator:
    """Decorator, used like Airflow's ``@task(...)``; what the function returns is one XCom, also if it is a dictionary."""
    # Of a function which says that it returns one, Airflow pushes each key, too: a call to its server for every one.
    return task_decorator_factory(decorated_operator_class=PausableOperator, multiple_outputs=False, **kwargs)
