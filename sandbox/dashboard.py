"""The dashboard: judges one ``POST /api/load`` by the contract, and answers as a NestJS service.

Source: Burocracia Cero, "Tablero de Monitoreo - APIs Externos" v1.3.1. A call is accepted or refused
as a whole. Written without a model per entry, because a benchmark must measure the client and not its
stand-in: 1000 entries cost about 3 ms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from starlette.responses import Response

from sandbox.settings import Settings

#: service_id, request_id, opening_date, status_id, last_modified_date
Row = tuple[str, str, str, int, str]

FIELDS = ("service_id", "request_id", "opening_date", "status_id", "last_modified_date")
LAST_STATUS = 21

#: Requests opened before this are forbidden: 2020-01-01 by the institution's clock, as UTC text.
EARLIEST_OPENING = (
    datetime(2020, 1, 1, tzinfo=ZoneInfo("America/Santo_Domingo")).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
)

# The hour is spelled out because Python 3.13 began to take "24:00:00".
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{6})?Z", re.ASCII)


@dataclass(frozen=True)
class Verdict:
    """The dashboard's verdict on one call."""

    status: int
    body: dict[str, Any]
    #: The entries to store: all of an accepted call, otherwise none.
    rows: list[Row]
    #: The entries as sent, as far as they could be read; faults are matched against them.
    sent: list[Any]
    #: Breaches of the contract worth counting, for example ``opened_before_2020``.
    violations: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the call satisfies the contract."""
        return self.status == HTTPStatus.CREATED


def nest_error(status: int, message: str | list[str]) -> dict[str, Any]:
    """The body of a NestJS ``HttpException``."""
    try:
        name = HTTPStatus(status).phrase
    except ValueError:
        name = "Error"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        name = "Payload Too Large"  # Python renamed this phrase in 3.13
    return {"statusCode": status, "message": message, "error": name}


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """``body`` as the dashboard sends JSON."""
    return Response(orjson.dumps(body), status, {**(headers or {}), "Content-Type": "application/json; charset=utf-8"})


def not_found(method: str, path: str) -> Response:
    """NestJS's answer to a route that does not exist."""
    return answer(404, nest_error(404, f"Cannot {method} {path}"))


def gone() -> Response:
    """The answer of the deprecated ``POST /services-data/requests``."""
    return answer(410, nest_error(410, "POST /services-data/requests is deprecated: use POST /api/load"))


def judge(body: bytes, content_type: str, content_encoding: str, settings: Settings) -> Verdict:
    """Judge the body of a call by the contract, and the answer if nothing else goes wrong."""
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if media_type.strip() != "application/json" or charset not in ("", "charset=utf-8"):
        return _refused(415, f"Unsupported content type: {content_type or 'none'}", violations=("content_type",))
    if content_encoding.strip().lower() not in ("", "identity"):
        return _refused(415, f"Unsupported content encoding: {content_encoding}", violations=("compressed",))
    if len(body) > settings.max_bytes:
        return _refused(413, "request entity too large")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        return _refused(400, str(exc))
    complaints = _complaints_about_body(document)
    if complaints:
        return _refused_400(complaints, [], settings)
    requests = document["requests"]
    if len(requests) > settings.max_entries:
        violations = ("too_many_entries",) if len(requests) > 1000 else ()
        message = f"requests must contain no more than {settings.max_entries} elements"
        return _refused(413, message, requests, violations)
    return _judge_entries(requests, settings)


def conflict(verdict: Verdict) -> Verdict:
    """The dashboard's answer to a call with an entry that it already has."""
    return _refused(409, "La solicitud ya existe", verdict.sent)


def _judge_entries(requests: list[Any], settings: Settings) -> Verdict:
    rows: list[Row] = []
    complaints: list[str] = []
    for position, entry in enumerate(requests):
        row = _row(entry)
        if row is None:
            complaints.extend(f"requests.{position}.{text}" for text in _complaints_about_entry(entry))
        else:
            rows.append(row)
    if complaints:
        return _refused_400(complaints, requests, settings)
    body = {"code": 201, "success": True, "message": f"{len(rows)} solicitudes recibidas correctamente"}
    return Verdict(201, body, rows, requests)


def _row(entry: Any) -> Row | None:
    """The five values of an entry that is completely valid, else None; this path must be fast."""
    if type(entry) is not dict or len(entry) != 5:
        return None
    try:
        service_id, request_id = entry["service_id"], entry["request_id"]
        opened, status_id, changed = entry["opening_date"], entry["status_id"], entry["last_modified_date"]
    except KeyError:
        return None
    # type() rather than isinstance(): True is an int in Python, but not a status.
    if type(service_id) is not str or type(request_id) is not str or type(status_id) is not int:
        return None
    if not service_id.strip() or not request_id.strip() or not 1 <= status_id <= LAST_STATUS:
        return None
    if not _is_instant(opened) or not _is_instant(changed):
        return None
    if opened[:19] < EARLIEST_OPENING or _sortable(opened) > _sortable(changed):
        return None
    return service_id, request_id, opened, status_id, changed


def _is_instant(value: Any) -> bool:
    if type(value) is not str or _INSTANT.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value[:19])  # the calendar: no 30 February, no second 60
    except ValueError:
        return False
    return True


def _sortable(instant: str) -> str:
    return instant if len(instant) > 20 else instant[:19] + ".000000Z"


def _complaints_about_body(document: Any) -> list[str]:
    if not isinstance(document, dict):
        return ["requests must be an array"]
    complaints = [f"property {key} should not exist" for key in document if key != "requests"]
    requests = document.get("requests")
    if not isinstance(requests, list):
        complaints.append("requests must be an array")
    elif not requests:
        complaints.append("requests must contain at least 1 elements")
    return complaints


def _complaints_about_entry(entry: Any) -> list[str]:
    """The reason for refusing an entry, in class-validator's words, without the prefix ``requests.<index>.``."""
    if not isinstance(entry, dict):
        return ["value must be an object"]
    complaints = [f"property {key} should not exist" for key in entry if key not in FIELDS]
    for field in ("service_id", "request_id"):
        value = entry.get(field)
        if not isinstance(value, str):
            complaints.append(f"{field} must be a string")
        elif not value.strip():
            complaints.append(f"{field} should not be empty")
    status_id = entry.get("status_id")
    if type(status_id) is not int:
        complaints.append("status_id must be an integer number")
    elif status_id < 1:
        complaints.append("status_id must not be less than 1")
    elif status_id > LAST_STATUS:
        complaints.append(f"status_id must not be greater than {LAST_STATUS}")
    opened, changed = entry.get("opening_date"), entry.get("last_modified_date")
    dates = [("opening_date", opened), ("last_modified_date", changed)]
    wrong = [field for field, value in dates if not _is_instant(value)]
    complaints.extend(f"{field} must be a valid ISO 8601 date string in UTC" for field in wrong)
    if isinstance(opened, str) and "opening_date" not in wrong:
        if opened[:19] < EARLIEST_OPENING:
            complaints.append("opening_date must not be before 2020-01-01")
        if isinstance(changed, str) and not wrong and _sortable(opened) > _sortable(changed):
            complaints.append("opening_date must not be after last_modified_date")
    return complaints


def _refused_400(complaints: list[str], sent: list[Any], settings: Settings) -> Verdict:
    violations = ("opened_before_2020",) if any("before 2020-01-01" in text for text in complaints) else ()
    if settings.vague_messages:
        complaints = ["The request contains invalid data"]
    return _refused(400, complaints, sent, violations)


def _refused(status: int, message: str | list[str], sent: list[Any] | None = None, violations: tuple[str, ...] = ()) -> Verdict:
    return Verdict(status, nest_error(status, message), [], sent or [], violations)
