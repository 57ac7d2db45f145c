"""A status change: its five fields, its identity, and the dashboard's statuses.

Source: the publisher's guide (Burocracia Cero, "Tablero de Monitoreo - APIs Externos", v1.3.1), its sections on payload and
statuses. What the guide leaves open is marked *ours*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

#: The columns of the view, the keys of the wire form, in the order of the contract.
FIELDS = ("service_id", "request_id", "opening_date", "status_id", "last_modified_date")

#: Longest id that we send, in characters (*ours*: the guide gives no limit; 255 is what its database is likely to hold).
MAX_ID_LENGTH = 255


class StatusChange(NamedTuple):
    """One entry of the contract: a request was given a status at an instant.

    All five values together are its identity: a corrected row is another status change.

    :ivar service_id: the id which Burocracia Cero gave the service.
    :ivar request_id: the request's unique id at the institution.
    :ivar opening_date: when the request was opened; aware, in UTC.
    :ivar status_id: a key of :data:`STATUSES`, or one of the setting ``extra_statuses``.
    :ivar last_modified_date: the instant of this change; aware, in UTC.
    """

    service_id: str
    request_id: str
    opening_date: datetime
    status_id: int
    last_modified_date: datetime


#: Makes a status change of a tuple of its five values; three times as fast as :class:`StatusChange` called with them.
of_values: Callable[[tuple[Any, ...]], StatusChange] = partial(tuple.__new__, StatusChange)


@dataclass(frozen=True)
class Status:
    """A status of the guide's table: its Spanish name and its category."""

    name: str
    category: str


_IN_PROGRESS, _COMPLETED, _CANCELLED = "en proceso", "completado", "cancelado"

#: The 21 statuses of the guide by id.
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
