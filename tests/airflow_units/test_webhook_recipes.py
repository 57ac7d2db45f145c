"""The recipes for Slack, Telegram and Teams: each stand-in accepts only what the vendor documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from airflow.sdk.log import redact
from tablero.airflow.alerts.channels import WEBHOOK, Message, beat, send
from tablero.airflow.alerts.content import Alert, failure
from tablero.outbox.alerts.troubles import OpenWindow, Situation, Trouble
from tablero.settings import Settings

#: Status and body of an answer, for the address, the content type and the JSON of a call.
Vendor = Callable[[str, str, dict[str, Any]], tuple[int, bytes]]

SINCE = datetime(2026, 11, 23, 6, tzinfo=timezone.utc)
DOWN = Trouble("post", False, "HTTP 503: " + "not available. " * 150, "DashboardUnavailable", "post", -1, 10)
ALERT: Alert = failure(
    "daily_send",
    "scheduled__2026-11-24T06:00:00+00:00",
    Situation([DOWN], [OpenWindow("2026-11-23", 400, SINCE, SINCE)]),
    base_url="https://airflow.example.gob.do",
    since=SINCE,
)


def slack(address: str, content_type: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """An incoming webhook: JSON with a ``text``; answers in plain text."""
    if not address.startswith("/services/T000/B000/"):
        return 404, b"no_service"
    if content_type != "application/json":
        return 400, b"invalid_payload"
    text = body.get("text")
    return (200, b"ok") if isinstance(text, str) and 0 < len(text) <= 40_000 else (400, b"no_text")


def telegram(address: str, content_type: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """``sendMessage``: parameters from both URL and JSON; a text of 1 to 4096 characters; unknown ones are ignored."""
    parts = urlsplit(address)
    if parts.path != "/bot42:TOKEN/sendMessage":
        return 404, b'{"ok": false, "error_code": 404}'
    given = dict(parse_qsl(parts.query)) | (body if content_type == "application/json" else {})
    fits = isinstance(given.get("text"), str) and 0 < len(given["text"].encode("utf-16-le")) // 2 <= 4_096
    is_plain = not {"parse_mode", "entities", "reply_markup"} & set(given)
    return (200, b'{"ok": true}') if given.get("chat_id") == "-100123" and fits and is_plain else (400, b'{"ok": false}')


def teams(address: str, content_type: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """A workflow that begins with *When a Teams webhook request is received* and posts ``triggerBody()?['text']``: it needs a
    JSON object, and a message has at most 28 KB."""
    parts = urlsplit(address)
    if not parts.path.endswith("/triggers/manual/paths/invoke") or "sig" not in dict(parse_qsl(parts.query)):
        return 401, b""
    text = body.get("text")
    return (
        (202, b"")
        if content_type == "application/json" and isinstance(text, str) and len(text.encode()) < 28_000
        else (400, b"")
    )


@contextmanager
def answering(vendor: Vendor) -> Iterator[tuple[str, list[int], list[dict[str, Any]]]]:
    """The vendor's server: its address, the statuses it returned, and what it received."""
    statuses: list[int] = []
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, answer = vendor(self.path, self.headers["Content-Type"], bodies[-1])
            statuses.append(status)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", statuses, bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("vendor", "address", "status"),
    [
        (slack, "/services/T000/B000/XXXX", 200),
        (telegram, "/bot42:TOKEN/sendMessage?chat_id=-100123", 200),
        (teams, "/workflows/1/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sig=abc", 202),
    ],
)
def test_an_alert_is_taken(vendor: Vendor, address: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An alert is accepted with a connection configured as in the guide: type HTTP, and the whole address as host."""
    with answering(vendor) as (server, statuses, bodies):
        connection = orjson.dumps({"conn_type": "http", "host": f"{server}{address}"}).decode()
        monkeypatch.setenv("AIRFLOW_CONN_ALERT_HOOK", connection)
        settings = Settings.read({"api_path": "/api/load", "alert_webhook_conn_id": "alert_hook"})
        assert send(settings, {WEBHOOK: [Message.of(ALERT)]}, seconds=30) == {WEBHOOK: [True]}
    assert statuses == [status]
    text = bodies[0]["text"]
    assert text.startswith("[Tablero] daily_send FALLÓ / FAILED: 400 filas pendientes / rows pending")
    assert "https://airflow.example.gob.do/tablero/" in text


@pytest.fixture
def refused_address(monkeypatch: pytest.MonkeyPatch) -> str:
    """The secret in the address of a server that does not answer, and of a monitor."""
    connection = {"conn_type": "http", "host": "http://127.0.0.1:1/services/T000/B000/SECRET", "extra": {"X-Key": "KEY-0123"}}
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_HOOK", orjson.dumps(connection).decode())
    return "SECRET"


SETTINGS = Settings.read({"api_path": "/api/load", "alert_webhook_conn_id": "alert_hook"})

CALLS: dict[str, Callable[[], object]] = {
    "webhook": lambda: send(SETTINGS, {WEBHOOK: [Message.of(ALERT)]}, seconds=30),
    "heartbeat": lambda: beat("alert_hook", seconds=30),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_that_fails_keeps_the_address_secret(
    call: Callable[[], object], refused_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which connection failed and how, but neither Tablero nor Airflow's hook writes the address into it."""
    with caplog.at_level("DEBUG"):
        call()
    assert "alert_hook" in caplog.text
    assert "Error" in caplog.text
    assert refused_address not in caplog.text
    assert "T000" not in caplog.text
    assert refused_address not in str(redact(f"elsewhere: /services/T000/B000/{refused_address}"))


def test_a_refusal_keeps_the_address_secret(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same if the server answers, and quotes the address."""
    with answering(lambda address, *_: (403, f"no right to {address}".encode())) as (server, statuses, _):
        connection = {"conn_type": "http", "host": f"{server}/services/T000/B000/SECRET"}
        monkeypatch.setenv("AIRFLOW_CONN_ALERT_HOOK", orjson.dumps(connection).decode())
        with caplog.at_level("DEBUG"):
            assert send(SETTINGS, {WEBHOOK: [Message.of(ALERT)]}, seconds=30) == {WEBHOOK: [False]}
    assert statuses == [403]
    assert "Forbidden" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("status", "answers"),
    [(400, [True, False, True]), (403, [True, False, True]), (500, [True, False, True]), (429, [True]), (503, [True])],
)
def test_an_alert_that_is_refused_holds_up_no_other(status: int, answers: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """The next alert is sent after an answer about this one, not after one that asks to wait."""

    def refuses_the_second(_address: str, _type: str, body: dict[str, Any]) -> tuple[int, bytes]:
        return (status if body["kind"] == "second" else 200), b""

    with answering(refuses_the_second) as (server, _, _):
        monkeypatch.setenv("AIRFLOW_CONN_ALERT_HOOK", orjson.dumps({"conn_type": "http", "host": server}).decode())
        messages = [Message.of(replace(ALERT, kind=kind)) for kind in ("first", "second", "third")]
        assert send(SETTINGS, {WEBHOOK: messages}, seconds=30) == {WEBHOOK: answers}
