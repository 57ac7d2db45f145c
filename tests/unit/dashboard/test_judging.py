"""How an answer is judged: a table of statuses and bodies, and every way in which no answer arrives."""

from __future__ import annotations

import inspect
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
import requests
import urllib3
from tablero.dashboard.answer import Answer, Outcome
from tablero.dashboard.judging import Received, judge
from tablero.dashboard.no_answer import lost
from tablero.dashboard.retry_after import Patience

NOW = datetime(2026, 11, 24, 6, tzinfo=timezone.utc)
DELIVERED, REFUSED, TRANSIENT, PERMANENT, UNKNOWN = Outcome

CREATED = {"code": 201, "success": True, "message": "Datos cargados"}
NESTJS = {"statusCode": 400, "message": ["requests.3.status_id must be an integer"], "error": "Bad Request"}
HTML = "<!doctype html><html><body>Service</body></html>"
SOAP = '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault>'


def answer(status: int, body: Any = "", sent: bytes = b"", **headers: str) -> Answer:
    """Judge an answer with this status and body; headers by keyword, ``_`` for ``-``."""
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    named = requests.structures.CaseInsensitiveDict((name.replace("_", "-"), value) for name, value in headers.items())
    return judge(Received(status, named, text), NOW, str, sent)


def call(count: int) -> bytes:
    """The body of a call with this many rows; the second value of each row is its position."""
    rows = [
        {"service_id": "1", "request_id": f"R-{n}", "opening_date": "x", "status_id": 2, "last_modified_date": "y"}
        for n in range(count)
    ]
    return orjson.dumps({"requests": rows})


TABLE = [
    # success requires all of: 2xx, a JSON object, success true or absent, no code from 400 on, no error
    (201, CREATED, DELIVERED),
    (201, {"success": True, "status": "success", "error": None, "errors": []}, DELIVERED),
    (201, {"success": True, "code": 400}, REFUSED),  # a contradiction is no acknowledgement
    (201, {"code": 400, "message": ["requests.3.status_id must be an integer"]}, REFUSED),
    (201, {"statusCode": "422"}, REFUSED),
    (201, {"status": 500}, UNKNOWN),  # it failed while processing
    (201, {"success": "false"}, REFUSED),
    (201, {"success": 0}, REFUSED),
    (201, {"success": True, "error": "Bad Request"}, REFUSED),
    (201, {"success": True, "errors": ["one was wrong"]}, REFUSED),  # names no row
    (201, {"success": True, "errors": {"count": 1}}, REFUSED),
    (200, CREATED, DELIVERED),
    (202, {}, DELIVERED),  # nothing contradicts it
    (200, {"success": None}, DELIVERED),
    (200, {"success": False, "message": "no"}, REFUSED),  # a refusal inside a 200
    (201, {"success": False}, REFUSED),
    (204, "", UNKNOWN),  # no body is no acknowledgement
    (200, "", UNKNOWN),
    (201, '{"code": 201, "succ', UNKNOWN),  # truncated in transit: it may have been accepted
    (200, HTML, UNKNOWN),  # a login page or a portal: the outcome is unknown
    (200, [CREATED], UNKNOWN),  # JSON, but not from the dashboard
    (200, "null", UNKNOWN),
    (200, "true", UNKNOWN),
    # redirects are not followed, since a POST would become a GET
    (301, "", PERMANENT),
    (302, HTML, PERMANENT),
    (307, "", PERMANENT),
    # the content is refused: the batch is split
    (400, NESTJS, REFUSED),
    (409, NESTJS, REFUSED),
    (413, HTML, REFUSED),  # from a proxy in between: still too large
    (422, NESTJS, REFUSED),
    # a person must act
    (401, {"message": "Unauthorized"}, PERMANENT),
    (403, HTML, PERMANENT),
    (404, {"message": "Cannot POST /api/laod"}, PERMANENT),
    (405, "", PERMANENT),
    (406, "", PERMANENT),
    (410, "", PERMANENT),
    (415, "", PERMANENT),
    (418, "", PERMANENT),
    (501, "", PERMANENT),
    (505, "", PERMANENT),
    # certainly not accepted, and may pass by itself
    (423, "", TRANSIENT),
    (425, "", TRANSIENT),
    (429, "", TRANSIENT),
    (503, HTML, TRANSIENT),
    (511, HTML, TRANSIENT),  # a portal of the network
    # it, or a gateway, failed while processing: the rows may have arrived
    (500, {"statusCode": 500, "message": "Internal server error"}, UNKNOWN),
    (502, HTML, UNKNOWN),
    (504, HTML, UNKNOWN),
    (408, "", UNKNOWN),  # gateways say so of a server that is slow
    (499, "", UNKNOWN),
    (507, "", UNKNOWN),
    *((status, HTML, UNKNOWN) for status in (506, 508, 509, 510, 520, 521, 522, 523, 524, 525, 526, 530, 561, 598, 599)),
    # no HTTP answer at all
    (102, "", UNKNOWN),
    (199, "", UNKNOWN),
    (600, "", UNKNOWN),
    (999, "", UNKNOWN),
    # a clear no in a success, however it is written
    (201, {"Success": False}, REFUSED),
    (201, {"isSuccess": False}, REFUSED),
    (201, {"ok": False, "success": True}, REFUSED),
    (201, {"StatusCode": 400}, REFUSED),
    (201, {"status": "error", "message": "Validation failed"}, REFUSED),
    (201, {"status": "fail", "data": {"title": "required"}}, REFUSED),
    (201, {"success": True, "data": {"code": 400}}, REFUSED),
    (201, {"success": True, "data": {"success": False}}, REFUSED),
    (201, {"response": {"statusCode": 400, "error": "Bad Request"}}, REFUSED),
    (201, {"success": True, "result": {"errors": ["one was wrong"]}}, REFUSED),
    (207, {"results": [{"status": 201}, {"status": 400}]}, REFUSED),
    (201, {"success": True, "data": [{"success": False}]}, REFUSED),
    # yes, however it is written, and fields that may be anything
    (201, {"success": "true"}, DELIVERED),
    (201, {"success": 1}, DELIVERED),
    (201, {"Success": "True"}, DELIVERED),
    (201, {"ok": "Datos cargados", "status": "created"}, DELIVERED),
    (201, {"success": True, "data": [{"request_id": "R-1", "status_id": 2, "code": 1203}]}, DELIVERED),
    (201, {"success": True, "data": {"id": 17, "status": "pending"}, "results": "all"}, DELIVERED),
    (201, {"success": "perhaps"}, REFUSED),
]


@pytest.mark.parametrize(("status", "body", "outcome"), TABLE)
def test_an_answer(status: int, body: Any, outcome: Outcome) -> None:
    """An answer is judged by status and body; anything but success says what to do, or what happens next."""
    found = answer(status, body)
    assert found.outcome is outcome
    assert found.status == status
    assert bool(found.error) == (outcome is not DELIVERED)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("body", [SOAP, SOAP.replace("SOAP-ENV", "soap"), SOAP.replace("SOAP-ENV:", "")])
def test_the_soap_face_of_xroad(status: int, body: str) -> None:
    """A SOAP fault is never a success: ``api_path`` lacks /r1/, which a person must add. Java's prefix is ``SOAP-ENV``."""
    found = answer(status, body, Content_Type="text/xml;charset=UTF-8")
    assert found.outcome is PERMANENT
    assert "/r1/" in found.error
    assert answer(status, body, Content_Type="text/plain").outcome is PERMANENT


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(
    ("kind", "message", "outcome"),
    [
        ("Server.ServerProxy.AccessDenied", "Request is not allowed", PERMANENT),
        ("server.serverproxy.access_denied", "Request is not allowed", PERMANENT),
        ("Server.ServerProxy.ServiceDisabled", "until Monday", TRANSIENT),
        ("Server.ClientProxy.NetworkError", "Could not connect to any target host", TRANSIENT),
        ("Server.ServerProxy.IOError", "Read timed out", UNKNOWN),
        ("Server.ClientProxy.IOError", "Message size exceeds maximum loggable size", REFUSED),
        ("Server.ServerProxy.NeverHeardOf", None, UNKNOWN),
    ],
)
def test_an_error_of_xroad(status: int, kind: str, message: str | None, outcome: Outcome) -> None:
    """An X-Road error is judged by its type alone, since mixed server versions turn 500 into 400; type and log id are kept."""
    found = answer(status, {"type": kind, "message": message, "detail": "d41e"}, X_Road_Error=kind)
    assert found.outcome is outcome
    assert (found.xroad_error, found.xroad_detail) == (kind, "d41e")
    assert found.error.startswith(f"X-Road {kind}: ")
    assert found.too_large == (outcome is REFUSED)
    assert found.named == ()


def test_an_error_that_the_dashboard_only_calls_so() -> None:
    """An answer that X-Road relayed has a hash header, so an error header in it is the provider's own."""
    found = answer(400, NESTJS, X_Road_Error="x", X_Road_Request_Hash="aGFzaA==", X_Road_Request_Id="r-1")
    assert found.outcome is REFUSED
    assert found.xroad_error is None
    assert found.xroad_request_id == "r-1"


def test_too_large() -> None:
    """A 413 is about the size of the call; a 400 is not."""
    assert answer(413).too_large
    assert not answer(400, NESTJS).too_large


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (["requests.3.status_id must be an integer", "requests.0.opening_date must be a date"], (0, 3)),
        (["requests.3.status_id must be an integer", "requests.3.service_id should not be empty"], (3,)),
        ("requests[12].request_id is too long", (12,)),
        (["requests.12345.status_id"], ()),  # larger than any batch
        (["requests must be an array"], ()),
        (["status_id of 3 requests is wrong"], ()),
        ("Bad Request", ()),
        (None, ()),
        (7, ()),
        ([{"property": "requests.4.status_id"}, None, 5], (4,)),
    ],
)
@pytest.mark.parametrize("status", [400, 422, 200])
def test_rows_that_a_refusal_names(status: int, message: Any, named: tuple[int, ...]) -> None:
    """Refused rows are found by the path in NestJS's messages, in any form, without raising an error."""
    found = answer(status, {"success": False, "message": message})
    assert found.outcome is REFUSED
    assert found.named == named


PATIENCE = Patience(usual=60.0, most=1800.0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        (format_datetime(NOW.replace(minute=10), usegmt=True), 600.0),
        ("Tue, 24 Nov 2026 02:10:00 -0400", 600.0),
        # asked to wait, but not for how long
        ("0", 60.0),
        ("-5", 60.0),
        (format_datetime(NOW.replace(hour=5), usegmt=True), 60.0),  # past
        ("soon", 60.0),
        ("1e9", 60.0),
        ("٥", 60.0),
        ("Tue, 99 Nov 2026 06:10:00 GMT", 60.0),
        ("", 60.0),
        # longer than anyone should wait before asking again
        ("31536000", 1800.0),
        ("9" * 400, 1800.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1800.0),
        ("Tue, 01 Jan 2030 00:00:00 GMT", 1800.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 500, 403])
def test_retry_after(status: int, value: str, seconds: float) -> None:
    """``Retry-After`` is read in both forms, and has a limit; whatever else it says, it asks to wait."""
    headers = {"Retry-After": value}
    found = judge(Received(status, headers, ""), NOW, str, patience=PATIENCE)
    assert found.retry_after == seconds
    assert found.outcome is (UNKNOWN if status == 500 else TRANSIENT)


@pytest.mark.parametrize(("status", "seconds"), [(429, 60.0), (503, None), (500, None), (201, None), (403, None)])
def test_without_retry_after(status: int, seconds: float | None) -> None:
    """A 429 always asks to wait; other answers only by the header."""
    assert judge(Received(status, {}, ""), NOW, str, patience=PATIENCE).retry_after == seconds


def test_a_date_in_retry_after_is_of_the_other_sides_clock() -> None:
    """A server whose clock is minutes behind, or a year ahead, is waited for as long as it means."""
    for year in (2025, 2026, 2027):
        sent = NOW.replace(year=year, minute=1)
        headers = {
            "Date": format_datetime(sent, usegmt=True),
            "Retry-After": format_datetime(sent.replace(minute=4), usegmt=True),
        }
        assert judge(Received(429, headers, ""), NOW, str, patience=PATIENCE).retry_after == 180.0


def test_words_are_kept_clean() -> None:
    """The other side's words become one line of limited length, messages joined; without one, the start of the body."""
    assert answer(400, {"message": ["a\nb", "c"]}).message == "a b; c"
    assert answer(500, HTML).message == HTML
    assert len(answer(500, "x" * 10_000).message) == 500
    assert "\x1b" not in answer(500, "\x1b[31mred").message


def test_only_the_message_of_an_answer_is_quoted() -> None:
    """Rows that a service echoes, whole or cut, never get into a record."""
    echo = {"success": True, "message": "Datos cargados", "data": [{"request_id": "402-1234567-8"}]}
    assert answer(201, echo).message == "Datos cargados"
    assert answer(201, orjson.dumps(echo).decode()[:-3]).message == ""
    assert answer(500, [{"request_id": "402-1234567-8"}]).message == ""
    assert "402-1234567-8" not in answer(201, {"errors": [{"request_id": "402-1234567-8", "error": "no"}]}).message


def test_an_answer_as_long_as_the_call_is_judged() -> None:
    """An answer of several megabytes is judged by its beginning and its end."""
    rows = [{"request_id": f"R-{n}", "note": "x" * 1000} for n in range(3000)]
    assert answer(201, {"data": rows, "success": True}).outcome is DELIVERED
    assert answer(201, {"data": rows, "success": False}).outcome is REFUSED


@pytest.mark.parametrize(
    "errors",
    [
        [{"index": 1, "message": "wrong"}, {"index": 3, "message": "wrong"}],
        [{"request_id": "R-1", "message": "wrong"}, {"request_id": "R-3"}],
        [{"request_id": "R-1", "index": 1}, {"index": 3}],
        ["requests.1.status_id must be an integer", "requests.3.service_id is wrong"],
        [{"path": "requests[1].status_id"}, {"property": "requests.3.x", "constraints": {"isInt": "must be"}}],
    ],
)
def test_errors_that_name_entries_acknowledge_the_others(errors: list[Any]) -> None:
    """If errors name entries by position or by content, those are refused and the others are accepted."""
    found = answer(201, {"success": True, "errors": errors}, call(5))
    assert (found.outcome, found.partial, found.named) == (REFUSED, True, (1, 3))


@pytest.mark.parametrize(
    "errors",
    [
        [{"index": 1}, {"message": "another"}],  # one of them names no entry
        [{"index": 5}],  # not in the call
        [{"index": -1}],
        [{"index": 5, "path": "requests.4.status_id"}],
        ["requests.5.status_id must be an integer"],  # the last of five rows, counted from 1
        [{"property": "requests[5].status_id"}],
        ["requests.1.status_id is wrong", "requests.5.status_id is wrong"],
        [{"index": True}],
        [{"request_id": "R-9"}],
        [{"request_id": "R-1", "index": 2}],  # contradicts itself
        [{"index": n} for n in range(5)],  # all of them
        "requests are wrong",
        7,
    ],
)
def test_errors_that_do_not_name_each_entry_refuse_the_call(errors: Any) -> None:
    """Nothing is acknowledged on a guess: if an error names no entry of the call, the call is refused."""
    found = answer(201, {"success": True, "errors": errors}, call(5))
    assert (found.outcome, found.partial) == (REFUSED, False)


def test_a_refusal_is_never_partial() -> None:
    """Without ``success: true``, or with a refusing status, the whole call is refused; names only tell where to split it."""
    errors = [{"index": 1}]
    for found in (
        answer(201, {"success": False, "errors": errors}, call(5)),
        answer(201, {"success": True, "code": 400, "errors": errors}, call(5)),
        answer(200, {"error": "Bad Request", "errors": errors}, call(5)),
        answer(200, {"errors": errors}, call(5)),
        answer(400, {"errors": errors}, call(5)),
    ):
        assert (found.outcome, found.partial, found.named) == (REFUSED, False, (1,))


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"success": True, "inserted": 5}, DELIVERED),
        ({"success": True, "count": 6}, DELIVERED),
        ({"success": True, "inserted": 4}, UNKNOWN),
        ({"success": True, "count": 0}, UNKNOWN),
        ({"success": True, "inserted": "4"}, UNKNOWN),
        ({"success": True, "inserted": "all"}, DELIVERED),
        ({"success": True, "inserted": 3, "errors": [{"index": 0}, {"index": 4}]}, REFUSED),
        ({"success": True, "inserted": 2, "errors": [{"index": 0}, {"index": 4}]}, UNKNOWN),  # one more is missing
        ({"success": True, "inserted": 0, "errors": [{"index": 1}]}, UNKNOWN),
    ],
)
def test_a_count_smaller_than_the_call(body: Any, outcome: Outcome) -> None:
    """If the count is smaller than the rows that no error names, nobody knows which rows were accepted."""
    assert answer(201, body, call(5)).outcome is outcome


OTHER_WORDS = [
    "has already been processed",
    "already submitted",
    "already stored",
    "already saved",
    "already imported",
    "already present",
    "exists already",
    "Solicitud ya procesada",
    "La solicitud ya fue procesada",
    "ya fué registrada",
    "ya fue ingresada",
    "ya fue insertada",
    "ya fue enviada",
    "ya fue guardada",
    "ya había sido registrada",
    "ya se registró esta solicitud",
    "ya se recibió",
    "previamente registrada",
    "YA EXISTÍA",
]


@pytest.mark.parametrize(
    ("status", "body", "is_repeat"),
    [
        (409, {"statusCode": 409, "message": "Conflict"}, True),
        (400, {"statusCode": 400, "message": "La solicitud ya existe", "error": "Bad Request"}, True),
        (400, {"message": "Las solicitudes ya existen"}, True),
        (400, {"message": "La solicitud R-1 ya fue registrada"}, True),
        (400, {"message": "Las solicitudes ya han sido recibidas"}, True),
        (400, {"message": "El lote ya está cargado"}, True),
        (400, {"message": ["requests already exist"]}, True),
        (400, {"message": ["request R-1 already exists", {"id": "R-2", "reason": "has already been received"}]}, True),
        (400, "request already registered", True),
        (422, {"message": 'duplicate key value violates unique constraint "uq"'}, True),
        (422, {"message": "llave duplicada viola restricción de unicidad"}, True),
        (422, {"error": {"code": "23505", "detail": "Failing row"}}, True),
        (422, {"code": "P2002", "message": "Failed on the fields: (`request_id`)"}, True),
        (422, {"message": "SQLSTATE[23505]"}, True),
        (200, {"success": False, "message": "La solicitud ya existe"}, True),
        (201, {"code": 409}, True),
        (400, NESTJS, False),
        # ordinary refusals that sound similar
        (400, {"statusCode": 400, "message": "El servicio 17 ya está inactivo", "error": "Bad Request"}, False),
        (400, {"message": "El periodo ya fue cerrado"}, False),
        (400, {"message": "La solicitud ya se encuentra en estado final"}, False),
        (400, {"message": "the service has already been disabled"}, False),
        (400, {"message": "requests contains duplicate entries"}, False),
        (400, {"message": "Registros duplicados en la llamada"}, False),
        (400, {"message": "La solicitud 23505 no es válida"}, False),  # the id of a request, and no error code
        (400, {"message": ["request R-1 already exists", "status_id must be an integer"]}, False),  # the second is no repeat
        (400, {"message": "ya existe", "errors": [{"field": "status_id", "message": "must be an integer"}]}, False),
        (400, {}, False),
        (500, {"message": "duplicate key value"}, False),  # it may have stopped at the first of several
        # in the words of databases
        (400, {"message": "Duplicate entry 'R-1' for key 'PRIMARY'"}, True),
        (400, {"code": "ER_DUP_ENTRY"}, True),
        (422, {"message": "ORA-00001: restricción única (X.Y) violada"}, True),
        (422, {"message": "valor de llave duplicado viola la restricción de unicidad"}, True),
        (422, {"message": "insert violates unique index"}, True),
        (422, {"message": "UNIQUE constraint failed: r.id"}, True),
        # in other words
        *((400, {"message": words}, True) for words in OTHER_WORDS),
        (400, {"detail": "La solicitud ya existe"}, True),
        (400, {"results": [{"status": 400, "message": "ya existe"}, {"status": 400, "message": "ya existe"}]}, True),
        (404, {"statusCode": 404, "message": "La solicitud ya existe"}, True),
        (412, {"message": "ya fue registrada"}, True),
        (208, "", True),
        (503, {"message": "ya existe"}, False),
        (429, {"message": "already received too many requests"}, False),
        # a conflict with something else
        (409, "", True),
        (409, "<html>nginx</html>", True),
        (409, {"statusCode": 409, "message": "La solicitud R-1 ya existe", "error": "Conflict"}, True),
        (409, {"statusCode": 409, "message": "El servicio 77 está inactivo", "error": "Conflict"}, False),
        (409, {"statusCode": 409, "message": "El servicio no existe", "error": "Conflict"}, False),
        (409, {"message": "Ya hay una carga en proceso, espere"}, False),
        (409, {"message": "Another load is in progress"}, False),
    ],
)
def test_a_repeat_that_the_dashboard_recognises(status: int, body: Any, is_repeat: bool) -> None:
    """A repeat is recognised by status or by words that mean nothing else, if they are said of every entry objected to."""
    assert answer(status, body).is_repeat is is_repeat


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "registro duplicado"),
        (400, "La solicitud está duplicada"),
        (422, "duplicate record"),
        (500, 'duplicate key value violates unique constraint "uq"'),
        (500, "La solicitud ya existe"),
    ],
)
def test_a_single_row_that_is_recognised(status: int, words: str) -> None:
    """A call of one row holds nothing twice, and a service that failed on it has not taken a part of it."""
    alone = answer(status, {"statusCode": status, "message": words}, call(1))
    assert (alone.outcome, alone.is_repeat) == (REFUSED, True)
    assert not answer(status, {"statusCode": status, "message": words}, call(2)).is_repeat


@pytest.mark.parametrize("words", ["Ya hay una carga en proceso, espere", "Another load is in progress", "Resource is locked"])
def test_a_conflict_with_another_call(words: str) -> None:
    """It passes by itself, and says nothing about these rows."""
    assert answer(409, {"statusCode": 409, "message": words, "error": "Conflict"}).outcome is TRANSIENT
    assert answer(409, {"statusCode": 409, "message": "El servicio está inactivo", "error": "Conflict"}).outcome is REFUSED


def test_too_large_with_a_single_row() -> None:
    """No smaller call exists: the error says who can raise the limit."""
    found = answer(413, HTML, call(1))
    assert (found.outcome, found.too_large) == (PERMANENT, False)
    assert "single row" in found.error
    assert answer(413, HTML, call(2)).too_large


@pytest.mark.parametrize(
    "body",
    [
        {"success": True, "results": [{"status": 201}, {"status": 400}, {"status": 201}, {"status": "error"}]},
        {"success": True, "data": [{"request_id": "R-1", "success": False}, {"request_id": "R-3", "error": "no"}]},
        {"success": True, "data": {"errors": [{"index": 1}, {"index": 3}]}},
    ],
)
def test_results_that_name_rows_acknowledge_the_others(body: Any) -> None:
    """A list of results counts as errors do: by content, by index, or by position if there is one result for each row."""
    found = answer(201, body, call(4))
    assert (found.outcome, found.partial, found.named) == (REFUSED, True, (1, 3))


@pytest.mark.parametrize(
    "counts", [{"data": {"inserted": 4}}, {"accepted": 0, "rejected": 5}, {"failed": 3}, {"rejected": "1"}]
)
def test_rows_that_are_counted_as_missing(counts: Any) -> None:
    """If some rows are counted as not accepted, and nobody says which, the outcome is unknown."""
    assert answer(201, {"success": True, **counts}, call(5)).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("status", "body", "may_be_content"),
    [
        (404, {"statusCode": 404, "message": "Servicio 666 no encontrado", "error": "Not Found"}, True),
        (403, {"statusCode": 403, "message": "Servicio 666 no permitido", "error": "Forbidden"}, True),
        (404, {"statusCode": 404, "message": "Cannot POST /api/load", "error": "Not Found"}, False),
        (404, {"message": "no Route matched with those values"}, False),  # a gateway
        (404, {"detail": "Not Found"}, False),  # a framework's router
        (404, HTML, False),
        (404, {"message": "Servicio 666 no encontrado"}, True),
        (404, {"error": "Servicio 666 no existe"}, True),
        (404, {"detail": "Servicio 666 no existe"}, True),
        (404, {"code": "SERVICE_NOT_FOUND", "message": "Servicio 666"}, True),
        (404, {"statusCode": "404", "message": "Servicio 666"}, True),
        (404, {"error": {"code": 404, "message": "Servicio 666"}}, True),
        (410, {"statusCode": 410, "message": "Servicio 666 retirado"}, True),
        (412, {"message": "Servicio 666 sin autorización vigente"}, True),
        (451, {"message": "Servicio 666"}, True),
        (401, {"statusCode": 401, "message": "Unauthorized"}, False),
    ],
)
def test_not_found_may_be_about_content(status: int, body: Any, may_be_content: bool) -> None:
    """A 404 by the application itself may be about content; it is permanent until something was accepted on the same path."""
    found = answer(status, body)
    assert found.outcome is PERMANENT
    assert found.may_be_content is may_be_content


def test_a_redirect_says_where_to() -> None:
    """The target of a redirect is shown so that the address can be corrected, without secrets."""
    assert "https://otro.gob.do/api/load" in answer(301, HTML, Location="https://otro.gob.do/api/load").error
    assert "una dirección que no indica" in answer(302).error
    found = answer(302, "", Location="https://u:secreto@ss.example/login?next=/api&token=abcdef123#top").error
    assert "https://ss.example/login" in found
    assert not any(secret in found for secret in ("secreto", "token", "abcdef123", "#top"))


@pytest.mark.parametrize(("status", "body"), [(204, ""), (200, HTML), (201, "[]")])
def test_a_success_that_is_not_the_dashboards(status: int, body: str) -> None:
    """A 2xx answer that is not the dashboard's says what was expected; two, with nothing ever accepted, stop the pass."""
    found = answer(status, body)
    assert found.unexpected
    assert '"success": true' in found.error


# -- no answer -------------------------------------------------------------------------------------------------------------

#: Every exception of requests. All are *unknown* except those of an address that cannot be used: whether anything was sent is
#: known from the connection, and not from the exception.
REQUESTS = {
    "RequestException": UNKNOWN,
    "InvalidJSONError": UNKNOWN,
    "JSONDecodeError": UNKNOWN,
    "HTTPError": UNKNOWN,
    "ConnectionError": UNKNOWN,
    "ProxyError": UNKNOWN,
    "SSLError": UNKNOWN,
    "Timeout": UNKNOWN,
    "ConnectTimeout": UNKNOWN,
    "ReadTimeout": UNKNOWN,
    "URLRequired": UNKNOWN,
    "TooManyRedirects": UNKNOWN,
    "MissingSchema": PERMANENT,
    "InvalidSchema": PERMANENT,
    "InvalidURL": PERMANENT,
    "InvalidHeader": PERMANENT,
    "InvalidProxyURL": PERMANENT,
    "ChunkedEncodingError": UNKNOWN,
    "ContentDecodingError": UNKNOWN,
    "StreamConsumedError": UNKNOWN,
    "RetryError": UNKNOWN,
    "UnrewindableBodyError": UNKNOWN,
}


def exceptions(module: Any, root: type) -> dict[str, type]:
    return {name: kind for name, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, root)}


def test_every_exception_of_requests_is_in_the_table() -> None:
    """An exception added by a new version of requests fails this test instead of a nightly run."""
    kinds = exceptions(requests.exceptions, requests.RequestException)
    assert {kind.__name__ for kind in kinds.values()} == set(REQUESTS)


@pytest.mark.parametrize(("name", "outcome"), REQUESTS.items())
def test_an_exception_of_requests(name: str, outcome: Outcome) -> None:
    """Every exception of requests is described in words and has an outcome that loses nothing."""
    kind = getattr(requests.exceptions, name)
    error = kind("cut off", "", 0) if name == "JSONDecodeError" else kind("cut off")
    found = lost(error, "https://ss/api/load", str)
    assert found.outcome is outcome
    assert found.status is None
    assert "cut off" in found.error
    unsent = lost(error, "https://ss/api/load", str, never_connected=True)
    assert unsent.outcome is (PERMANENT if outcome is PERMANENT else TRANSIENT)


URLLIB3 = exceptions(urllib3.exceptions, urllib3.exceptions.HTTPError)


def made(name: str) -> Exception:
    """An instance of the exception; constructors differ, and two read their own fields when converted to text."""
    if name == "IncompleteRead":
        return urllib3.exceptions.IncompleteRead(3, 10)
    if name == "InvalidChunkLength":
        return urllib3.exceptions.InvalidChunkLength(urllib3.HTTPResponse(b""), b"x")
    return URLLIB3[name].__new__(URLLIB3[name], "cut off")


@pytest.mark.parametrize("name", URLLIB3)
def test_an_exception_of_urllib3(name: str) -> None:
    """An exception of urllib3 that requests lets through leaves the outcome unknown once the connection was established."""
    found = lost(made(name), "https://ss/api/load", str)
    assert found.outcome is UNKNOWN
    assert found.error
    assert lost(made(name), "https://ss/api/load", str, never_connected=True).outcome is TRANSIENT


def wrapped(reason: Exception) -> Exception:
    """As requests raises it: a ConnectionError around urllib3's MaxRetryError around the cause."""
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/api/load", reason))


@pytest.mark.parametrize(
    ("error", "outcome", "words"),
    [
        (wrapped(urllib3.exceptions.ReadTimeoutError(None, "/", "Read timed out")), UNKNOWN, "It will be repeated"),
        (wrapped(urllib3.exceptions.ProtocolError("Connection aborted.")), UNKNOWN, "Connection aborted"),
        (requests.ConnectionError(ConnectionResetError(104, "Connection reset by peer")), UNKNOWN, "Connection reset"),
        (wrapped(urllib3.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED: self-signed certificate")), PERMANENT, "verify"),
        (requests.exceptions.SSLError("certificate verify failed: hostname mismatch"), PERMANENT, "tablero_api"),
        (OSError(28, "No space left on device"), UNKNOWN, "No space left"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_answer_that_was_lost(error: Exception, outcome: Outcome, words: str) -> None:
    """In nested exceptions the innermost cause is reported and decides the outcome."""
    found = lost(error, "https://ss/api/load", str)
    assert found.outcome is outcome
    assert words in found.error


@pytest.mark.parametrize(
    "error",
    [
        wrapped(urllib3.exceptions.NewConnectionError(None, "Connection refused")),
        wrapped(urllib3.exceptions.ConnectTimeoutError(None, "Connection refused")),
        requests.exceptions.SSLError("Connection refused"),
        requests.ConnectionError(ConnectionRefusedError(111, "Connection refused")),
    ],
)
def test_a_call_that_was_never_sent(error: Exception) -> None:
    """Without a connection, tunnel and TLS included, nothing was sent: a retry may succeed."""
    found = lost(error, "https://ss/api/load", str, never_connected=True)
    assert found.outcome is TRANSIENT
    assert "No connection to https://ss/api/load" in found.error
    assert "Connection refused" in found.error
