"""Finding the rows that a refusal is about, and telling bad rows from a dashboard that refuses everything."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import Answer, Outcome

#: Single rows that the dashboard refuses, nothing accepted in between, after which it is taken to refuse everything.
REFUSES_EVERYTHING_AFTER = 5

#: Failures of the dashboard on one batch (HTTP 500) after which it may be a row of it that they come from.
FAILS_ON_BATCH_AFTER = 3

#: Names in an answer that are believed before anything was accepted: a list of all rows says nothing about rows.
_BELIEVED_NAMES = 16


def cut_out_named(changes: Sequence[StatusChange], answer: Answer) -> list[int]:
    """Where to cut a batch so that each row which the answer names stands alone; nowhere if it names none, or all."""
    named = [index for index in answer.named if index < len(changes)]
    if not named or len(named) == len(changes):
        return []
    return sorted({edge for index in named for edge in (index, index + 1)} - {0, len(changes)})


def halve(changes: Sequence[StatusChange]) -> list[int]:
    """Where to cut a batch in two: between two requests, where it holds more than one."""
    middle = len(changes) // 2
    edges = [i for i in range(1, len(changes)) if changes[i].request_id != changes[i - 1].request_id]
    return [min(edges, key=lambda edge: abs(edge - middle), default=middle)]


def probe(changes: Sequence[StatusChange], answer: Answer, services: Collection[str]) -> list[int]:
    """Where to cut a batch so that one telling row stands alone, and the rest in two.

    :param services: of rows refused alone before; a row of another service, which the answer does not name, tells most.
    """
    fresh = (i for i, change in enumerate(changes) if change.service_id not in services and i not in answer.named)
    unnamed = (i for i in range(len(changes)) if i not in answer.named)
    row = next(fresh, next(unnamed, 0))
    middle = row // 2 if row > len(changes) // 2 else (row + 1 + len(changes)) // 2
    return sorted({row, row + 1, middle} - {0, len(changes)})


def believable(answer: Answer, refused_by_name: int) -> bool:
    """Whether names are worth following while nothing was accepted yet.

    :param refused_by_name: single rows that were refused after an answer had named them.
    """
    return len(answer.named) <= _BELIEVED_NAMES and refused_by_name < REFUSES_EVERYTHING_AFTER


def is_own_failure(answer: Answer) -> bool:
    """Whether the dashboard itself failed, neither X-Road nor a gateway on the way: a service that cannot cope with a row
    answers so, and always will.
    """
    return answer.outcome is Outcome.UNKNOWN and answer.status == 500 and answer.xroad_error is None


def fails_on_row(answer: Answer) -> str:
    """What is kept with a row that the dashboard failed on when it was alone, while it took others."""
    told = (
        "El tablero falla con esta fila, incluso sola (HTTP 500), y acepta otras: corríjala en la fuente, o pida a Burocracia"
        " Cero que la revise. / The dashboard fails on this row, even alone (HTTP 500), and accepts others: correct it at the"
        " source, or ask Burocracia Cero to look into it."
    )
    return f"{told} «{answer.message}»" if answer.message else told


def refuses_everything(refused: Sequence[tuple[StatusChange, Answer]]) -> Answer:
    """The permanent error of a dashboard that accepts nothing.

    :param refused: rows that it refused alone.
    """
    services = ", ".join(sorted({change.service_id for change, _ in refused}))
    first = refused[0][1]
    return Answer(
        Outcome.PERMANENT,
        status=first.status,
        error=(
            f"El tablero rechazó {len(refused)} filas, enviadas una por una (service_id {services}), y no aceptó ninguna:"
            " revise service_id y la versión del contrato con Burocracia Cero; no son filas malas. / The dashboard refused"
            f" {len(refused)} rows, sent one by one (service_id {services}), and accepted none: check service_id and the"
            " version of the contract with Burocracia Cero; these are not bad rows."
        ),
        message=first.message,
    )
