"""Use case: what an alert says. Which windows, how many rows, the first cause, what to do; in Spanish and English."""

from __future__ import annotations

from typing import NamedTuple

from tablero.outbox.incidents import Situation

#: Windows that are named; the rest is counted.
_NAMED = 12

_REMEDY = (
    "Qué hacer: corrija la causa, y en Airflow limpie (Clear) la tarea fallida con las posteriores (Downstream): solo se envía"
    " lo que falta.",
    "What to do: mend the cause, and clear the failed task in Airflow with its downstream tasks: only what is missing is sent.",
)


class Message(NamedTuple):
    """An alert.

    :ivar subject: one line.
    :ivar text: plain text of some lines.
    """

    subject: str
    text: str


def failure(dag_id: str, run_id: str, found: Situation | None, reason: str) -> Message:
    """A run failed.

    :param found: what the outbox knows; ``None`` if it did not answer.
    :param reason: Airflow's own words.
    """
    pending = sum(window.pending for window in found.windows) if found else 0
    lines = [f"{dag_id}, {run_id}", f"Airflow: {reason}" if reason else ""]
    if found is None:
        lines += [
            "El outbox no responde: revíselo primero (conexión tablero_outbox).",
            "The outbox does not answer: look at it first (connection tablero_outbox).",
        ]
    else:
        lines += _windows(found)
        if found.troubles:
            first = found.troubles[0]
            lines += [f"Primera causa / first cause ({first.task}):", first.words]
    return Message(
        f"[Tablero] {dag_id} FALLÓ / FAILED: {pending} filas pendientes / rows pending",
        "\n".join(line for line in (*lines, *_REMEDY) if line),
    )


def recovery(dag_id: str, run_id: str) -> Message:
    """A run succeeded after an incident that was told."""
    return Message(
        f"[Tablero] {dag_id} se recuperó / has recovered",
        f"{dag_id}, {run_id}\nTodo lo leído está entregado, rechazado con motivo o excluido."
        "\nEverything that was read is delivered, rejected for a reason, or excluded.",
    )


def late(dag_id: str, run_id: str, deadline: str, found: Situation | None) -> Message:
    """A scheduled day is not settled in time.

    :param deadline: local time.
    """
    lines = [
        f"{dag_id}, {run_id}",
        f"El día no quedó completo a las {deadline}. La tarea sigue intentando, o espera que alguien actúe: mire su registro.",
        f"The day was not settled by {deadline}. The task is still trying, or waits for someone to act: look at its log.",
    ]
    if found is not None:
        lines += _windows(found)
        lines += [f"{trouble.task}: {trouble.words}" for trouble in found.troubles[:1]]
    return Message(f"[Tablero] {dag_id} ATRASADO / LATE ({deadline})", "\n".join((*lines, *_REMEDY)))


def _windows(found: Situation) -> list[str]:
    if not found.windows:
        return []
    named = ", ".join(f"{window.label} ({window.pending})" for window in found.windows[:_NAMED])
    more = f" … +{len(found.windows) - _NAMED}" if len(found.windows) > _NAMED else ""
    return [f"Ventanas sin completar, con filas pendientes / windows not settled, with rows pending: {named}{more}"]
