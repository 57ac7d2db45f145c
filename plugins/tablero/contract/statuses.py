"""The dashboard's statuses.

Source: the publisher's guide (Burocracia Cero, "Tablero de Monitoreo - APIs Externos", v1.3.1), its table of statuses. A status
that the dashboard adds later can be allowed by the setting ``extra_statuses`` until it is listed here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """A status as named in the guide, in Spanish only."""

    name: str
    category: str


_IN_PROGRESS, _COMPLETED, _CANCELLED = "en proceso", "completado", "cancelado"

#: The 21 statuses of the guide, by id.
STATUSES: dict[int, Status] = {
    1: Status("Generado", _IN_PROGRESS),
    2: Status("En revisión", _IN_PROGRESS),
    3: Status("Aprobado", _IN_PROGRESS),
    4: Status("En aprobación", _IN_PROGRESS),
    5: Status("En espera de pago", _IN_PROGRESS),
    6: Status("Devuelto", _IN_PROGRESS),
    7: Status("Completado", _COMPLETED),
    8: Status("Rechazado", _CANCELLED),
    9: Status("Recibido", _IN_PROGRESS),
    10: Status("Cancelado", _CANCELLED),
    11: Status("Temporal", _IN_PROGRESS),
    12: Status("Atraso por el cliente", _IN_PROGRESS),
    13: Status("Disponible Para Entrega", _IN_PROGRESS),
    14: Status("Entregado", _COMPLETED),
    15: Status("En espera de acción requerida", _IN_PROGRESS),
    16: Status("Pagado/No Actualizado", _IN_PROGRESS),
    17: Status("Queja/Reclamación Abierta", _IN_PROGRESS),
    18: Status("Queja/Reclamación en proceso", _IN_PROGRESS),
    19: Status("Queja/Reclamación Cerrada", _COMPLETED),
    20: Status("Queja/Reclamación Descartada", _CANCELLED),
    21: Status("En proceso", _IN_PROGRESS),
}


def known_statuses(extra: Collection[int] = ()) -> frozenset[int]:
    """The ids of all statuses that the dashboard accepts.

    :param extra: those of the setting ``extra_statuses``.
    """
    return frozenset(STATUSES).union(extra)


def status_name(status_id: int) -> str:
    """The name of a status in the guide; for others the bare number."""
    status = STATUSES.get(status_id)
    return status.name if status else str(status_id)
