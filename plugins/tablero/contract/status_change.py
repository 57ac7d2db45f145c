"""What the dashboard accepts: one status change, its rules, its wire form and its identity.

Source of every rule: the publisher's guide (Burocracia Cero, "Tablero de Monitoreo - APIs Externos", v1.3.1), its
sections on payload and statuses. Rules that the guide leaves open are marked *ours*.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from tablero.contract.instants import UTC, InstantReader, was_skipped

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
    :ivar status_id: 1 to 21, a key of :data:`STATUSES`.
    :ivar last_modified_date: the instant of this change; aware, in UTC.
    """

    service_id: str
    request_id: str
    opening_date: datetime
    status_id: int
    last_modified_date: datetime


#: A status change out of a row which is one already, without the detour through keyword arguments.
_status_change = partial(tuple.__new__, StatusChange)


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


class Reason(Enum):
    """Why a row is set aside; the value is the code, ``es`` and ``en`` say it to a person."""

    MISSING_SERVICE_ID = "missing_service_id"
    MISSING_REQUEST_ID = "missing_request_id"
    ID_NOT_TEXT = "id_not_text"
    TOO_LONG = "too_long"
    CONTROL_CHARACTERS = "control_characters"
    UNKNOWN_STATUS = "unknown_status"
    OPENING_NOT_A_DATE = "opening_not_a_date"
    CHANGE_NOT_A_DATE = "change_not_a_date"
    NO_SUCH_LOCAL_TIME = "no_such_local_time"
    OPENING_AFTER_CHANGE = "opening_after_change"
    IN_THE_FUTURE = "in_the_future"
    REFUSED_BY_DASHBOARD = "refused_by_dashboard"

    @property
    def es(self) -> str:
        """The reason as a Spanish sentence."""
        return _SENTENCES[self][0]

    @property
    def en(self) -> str:
        """The reason as an English sentence."""
        return _SENTENCES[self][1]


_SENTENCES: dict[Reason, tuple[str, str]] = {
    Reason.MISSING_SERVICE_ID: ("Falta service_id o está en blanco.", "service_id is missing or blank."),
    Reason.MISSING_REQUEST_ID: ("Falta request_id o está en blanco.", "request_id is missing or blank."),
    Reason.ID_NOT_TEXT: (
        "service_id o request_id no es texto ni un número entero.",
        "service_id or request_id is neither text nor a whole number.",
    ),
    Reason.TOO_LONG: (
        f"service_id o request_id tiene más de {MAX_ID_LENGTH} caracteres.",
        f"service_id or request_id is longer than {MAX_ID_LENGTH} characters.",
    ),
    Reason.CONTROL_CHARACTERS: (
        "service_id o request_id contiene caracteres de control o inválidos.",
        "service_id or request_id contains control or invalid characters.",
    ),
    Reason.UNKNOWN_STATUS: (
        "status_id no es uno de los 21 estados del tablero.",
        "status_id is not one of the dashboard's 21 statuses.",
    ),
    Reason.OPENING_NOT_A_DATE: (
        "opening_date falta o no es una fecha ISO 8601.",
        "opening_date is missing or not an ISO 8601 date.",
    ),
    Reason.CHANGE_NOT_A_DATE: (
        "last_modified_date no es una fecha ISO 8601.",
        "last_modified_date is not an ISO 8601 date.",
    ),
    Reason.NO_SUCH_LOCAL_TIME: (
        "Una fecha cae en la hora que el cambio de horario saltó; no existió en la zona de la fuente.",
        "A date falls in the hour that daylight saving skipped; it never existed in the source's time zone.",
    ),
    Reason.OPENING_AFTER_CHANGE: (
        "opening_date es posterior a last_modified_date.",
        "opening_date is later than last_modified_date.",
    ),
    Reason.IN_THE_FUTURE: ("La fecha está en el futuro.", "The date is in the future."),
    Reason.REFUSED_BY_DASHBOARD: (
        "El tablero rechazó esta fila; vea sus palabras.",
        "The dashboard refused this row; see its words.",
    ),
}


class Rejected(NamedTuple):
    """A row that breaks the contract, and the first rule that it breaks."""

    reason: Reason
    row: tuple[Any, ...]


class Excluded(NamedTuple):
    """A row which the dashboard does not want: its request was opened before ``earliest``. Nothing is wrong with it."""

    row: tuple[Any, ...]


class _Invalid(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


#: Digits of a status in text, leading zeros included.
_MOST_DIGITS = 20

#: Services that are remembered while validating.
_MOST_SERVICES = 10_000

#: C0, DEL and C1 controls, and lone surrogates, which UTF-8 cannot carry.
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _identifier(value: object, missing: Reason) -> str:
    if isinstance(value, str):
        text = value.strip()
    elif value is None:
        raise _Invalid(missing)
    elif isinstance(value, bool):
        raise _Invalid(Reason.ID_NOT_TEXT)
    elif isinstance(value, UUID):
        text = str(value)
    elif isinstance(value, (int, Decimal)):
        text = _whole_number(value)
    else:
        raise _Invalid(Reason.ID_NOT_TEXT)
    if not text:
        raise _Invalid(missing)
    if len(text) > MAX_ID_LENGTH:
        raise _Invalid(Reason.TOO_LONG)
    if not text.isprintable() and _UNSENDABLE.search(text):
        raise _Invalid(Reason.CONTROL_CHARACTERS)
    return text


def _whole_number(value: int | Decimal) -> str:
    if isinstance(value, Decimal) and not value.is_finite():
        raise _Invalid(Reason.ID_NOT_TEXT)
    # Before anything is computed or written out: Decimal("1e999999") would be a megabyte of zeros.
    if value.adjusted() >= MAX_ID_LENGTH if isinstance(value, Decimal) else abs(value) >= 10**MAX_ID_LENGTH:
        raise _Invalid(Reason.TOO_LONG)
    if value != int(value):
        raise _Invalid(Reason.ID_NOT_TEXT)
    return str(int(value))


def _status(value: object) -> int:
    if type(value) is int and value in STATUSES:
        return value
    if isinstance(value, str):
        digits = value.strip()
        value = int(digits) if len(digits) < _MOST_DIGITS and digits.isascii() and digits.isdigit() else None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        # NaN and the infinities are in no dictionary, and 2.0 finds 2.
        try:
            if value in STATUSES:
                return int(value)
        except TypeError:  # a signalling NaN has no hash
            pass
    raise _Invalid(Reason.UNKNOWN_STATUS)


def validator(
    *, zone: tzinfo, earliest: datetime, now: datetime
) -> Callable[[tuple[Any, ...]], StatusChange | Rejected | Excluded]:
    """Build the function which turns a row of the source into a status change, or says why not.

    :param zone: the time zone of naive timestamps (``source_timezone``).
    :param earliest: first instant of a request's opening that the dashboard takes (``earliest`` in the institution's zone).
    :param now: later instants are in the future.
    :returns: a function of a row, the five values in the order of :data:`FIELDS`. Surrounding blanks of ids are cut
        (padded CHAR columns). An excluded row is not examined further: it would not be sent however right it were.
    """

    read = InstantReader(zone)
    #: Services seen, as they came and as they are sent: there are few, and a look-up is quicker than a check.
    services: dict[object, str] = {}

    def instant(value: object, invalid: Reason) -> datetime:
        moment = read(value)
        if moment is None:
            raise _Invalid(invalid)
        if was_skipped(moment):
            raise _Invalid(Reason.NO_SUCH_LOCAL_TIME)
        return moment

    def service(value: object) -> str:
        text = _identifier(value, Reason.MISSING_SERVICE_ID)
        if type(value) is str and len(services) < _MOST_SERVICES:
            services[value] = text
        return text

    def validate(row: tuple[Any, ...]) -> StatusChange | Rejected | Excluded:
        service_id, request_id, opening_date, status_id, last_modified_date = row
        # Nearly every row of a typed column: nothing to convert, nothing wrong. Whatever is less plain goes the careful way.
        if (
            type(opening_date) is datetime is type(last_modified_date)
            and opening_date.tzinfo is UTC is last_modified_date.tzinfo
            and earliest <= opening_date <= last_modified_date <= now
            and type(service_id) is str is type(request_id)
            and services.get(service_id) == service_id
            and type(status_id) is int
            and status_id in STATUSES
            and 0 < len(request_id) <= MAX_ID_LENGTH
            and request_id.isprintable()
            and request_id.strip() == request_id
        ):
            return _status_change(row)
        try:
            opened = instant(opening_date, Reason.OPENING_NOT_A_DATE)
            if opened < earliest:
                return Excluded(row)
            known = services.get(service_id) if type(service_id) is str else None
            change = StatusChange(
                known or service(service_id),
                _identifier(request_id, Reason.MISSING_REQUEST_ID),
                opened,
                _status(status_id),
                instant(last_modified_date, Reason.CHANGE_NOT_A_DATE),
            )
            if change.last_modified_date > now:
                raise _Invalid(Reason.IN_THE_FUTURE)
            if opened > change.last_modified_date:
                raise _Invalid(Reason.IN_THE_FUTURE if opened > now else Reason.OPENING_AFTER_CHANGE)
        except _Invalid as broken:
            return Rejected(broken.reason, row)
        return change

    return validate


def encode(changes: Iterable[StatusChange]) -> bytes:
    """The wire form of a batch: UTF-8 JSON, keys in the order of the contract, instants in UTC with ``Z``.

    Fractions of a second are written with six digits, and only where there are any.
    """
    requests = [
        {
            "service_id": service_id,
            "request_id": request_id,
            "opening_date": opening_date,
            "status_id": status_id,
            "last_modified_date": last_modified_date,
        }
        for service_id, request_id, opening_date, status_id, last_modified_date in changes
    ]
    return orjson.dumps({"requests": requests}, option=orjson.OPT_UTC_Z)
