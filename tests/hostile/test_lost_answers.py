"""Calls whose answer is lost, directly and through a proxy: whatever was sent may have been accepted."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tablero.dashboard.answer import Answer, Outcome
from tablero.dashboard.client import Dashboard

from tests.hostile.answers import answer
from tests.hostile.certificates import Certificate, self_signed
from tests.hostile.conftest import Client
from tests.hostile.wire import Script, WireServer

BODY = b'{"requests":[{"request_id":"R-1"}]}'
ACCEPTED = answer(b'{"code":201,"success":true}')
HOST = "dashboard.example"


def post(dashboard: Dashboard) -> Answer:
    return dashboard.post(BODY, message_id="m", issue="1")


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("way", ["direct", "proxy"])
def test_a_connection_that_ends_after_the_call_arrived(client: Client, wire: WireServer, way: str, reset: bool) -> None:
    """The outcome is unknown, also through a proxy, where urllib3 calls a lost answer a failure to connect."""
    calls: list[bytes] = []
    wire.put(Script("nothing", lambda call: calls.append(call) or [], reset=reset))  # type: ignore[func-returns-value]
    behind = {"host": HOST, "extra": {"proxies": {"http": f"http://127.0.0.1:{wire.port}"}}}
    found = post(client(wire.port, **(behind if way == "proxy" else {})))
    assert calls[0].endswith(BODY)
    assert found.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("way", ["direct", "proxy"])
def test_a_call_on_an_open_connection(client: Client, wire: WireServer, way: str) -> None:
    """A connection that was kept open, and ends with the second call, leaves that call's outcome unknown."""
    behind = {"host": HOST, "extra": {"proxies": {"http": f"http://127.0.0.1:{wire.port}"}}}
    dashboard = client(wire.port, **(behind if way == "proxy" else {}))
    wire.put(Script("kept open, then closed", [ACCEPTED, 10.0]))
    assert post(dashboard).outcome is Outcome.DELIVERED
    assert post(dashboard).outcome is Outcome.UNKNOWN


class Tunnel:
    """A proxy that opens tunnels to a dashboard of its own, and may end them at any point.

    :param certificate: of the dashboard.
    """

    def __init__(self, certificate: Certificate) -> None:
        self.ends = "after the call"
        self.received = b""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate.path, certificate.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        connection.recv(65_536)
        if self.ends == "before the tunnel":
            return
        if self.ends == "refused":
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            return
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self.ends == "before TLS":
            return
        with self._tls.wrap_socket(connection, server_side=True) as secure:
            while BODY not in self.received:
                self.received += secure.recv(65_536)


@pytest.fixture
def tunnel(tmp_path: Path) -> Iterator[tuple[Tunnel, Certificate]]:
    certificate = self_signed(tmp_path, "dashboard", "127.0.0.1")
    found = Tunnel(certificate)
    yield found, certificate
    found.close()


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        ("before the tunnel", Outcome.TRANSIENT),
        ("refused", Outcome.TRANSIENT),
        ("before TLS", Outcome.TRANSIENT),
        ("after the call", Outcome.UNKNOWN),
    ],
)
def test_a_tunnel_that_ends(client: Client, tunnel: tuple[Tunnel, Certificate], ends: str, outcome: Outcome) -> None:
    """Nothing was sent unless the connection, tunnel and TLS included, was established."""
    proxy, certificate = tunnel
    proxy.ends = ends
    extra = {
        "proxies": {"https": f"http://127.0.0.1:{proxy.port}"},
        "verify": str(certificate.path),
        "assert_hostname": "127.0.0.1",
    }
    found = post(client(443, host=HOST, schema="https", extra=extra))
    assert (found.outcome, BODY in proxy.received) == (outcome, outcome is Outcome.UNKNOWN)


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
REFUSED = answer(b'{"statusCode":400,"message":"no"}', "400 Bad Request")


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        ([INTERIM, ACCEPTED], Outcome.DELIVERED),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", INTERIM, b"HTTP/1.1 102 Processing\r\n\r\n", REFUSED], Outcome.REFUSED),
        ([INTERIM], Outcome.UNKNOWN),
    ],
    ids=["103", "100, 103 and 102", "103 alone"],
)
def test_interim_answers(client: Client, wire: WireServer, steps: list[bytes], outcome: Outcome) -> None:
    """Interim answers are skipped; alone, they leave the outcome unknown."""
    wire.put(Script("interim", steps))
    assert post(client(wire.port)).outcome is outcome


BODIES: dict[str, tuple[bytes, str]] = {
    "with a byte order mark": (b'\xef\xbb\xbf{"code":201,"success":true}', "application/json"),
    "UTF-16": ('{"code":201,"success":true}'.encode("utf-16"), "application/json; charset=utf-16"),
    "UTF-16, undeclared": ('{"code":201,"success":true}'.encode("utf-16"), "application/json"),
    "Latin-1": ('{"code":201,"success":true,"message":"éxito"}'.encode("latin-1"), 'application/json; charset="ISO-8859-1"'),
    "unknown charset": (b'{"code":201,"success":true}', "application/json; charset=x-none"),
    "no text at all": (b'{"code":201,"success":true}', "application/json; charset=hex"),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_acknowledgement_in_any_encoding(client: Client, wire: WireServer, name: str) -> None:
    """The declared charset is used, and byte order marks are understood, as from ASP.NET."""
    body, kind = BODIES[name]
    wire.put(Script(name, [answer(body, Content_Type=kind)]))
    assert post(client(wire.port)).outcome is Outcome.DELIVERED


def test_words_in_latin_1(client: Client, wire: WireServer) -> None:
    """The dashboard's words are kept as they were written."""
    body = '{"statusCode":400,"message":"Código inválido"}'.encode("latin-1")
    wire.put(Script("latin-1", [answer(body, "400 Bad Request", Content_Type="application/json; charset=iso-8859-1")]))
    assert post(client(wire.port)).message == "Código inválido"


CUT = b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"mes\r\n'


@pytest.mark.parametrize(
    ("status", "outcome", "too_large"),
    [
        ("400 Bad Request", Outcome.REFUSED, False),
        ("422 Unprocessable Content", Outcome.REFUSED, False),
        ("413 Content Too Large", Outcome.REFUSED, True),
        ("409 Conflict", Outcome.TRANSIENT, False),  # it may say that it has the rows, or anything else
        ("404 Not Found", Outcome.TRANSIENT, False),
        ("503 Service Unavailable", Outcome.TRANSIENT, False),
        ("201 Created", Outcome.UNKNOWN, False),
        ("500 Internal Server Error", Outcome.UNKNOWN, False),
        ("520 Web Server Error", Outcome.UNKNOWN, False),
    ],
)
def test_an_answer_that_is_cut_off(client: Client, wire: WireServer, status: str, outcome: Outcome, too_large: bool) -> None:
    """If only the status arrived, it is judged by what the status says for certain."""
    wire.put(Script("cut off", [f"HTTP/1.1 {status}\r\n".encode() + CUT]))
    found = post(client(wire.port))
    assert (found.outcome, found.too_large, found.is_repeat) == (outcome, too_large, False)
