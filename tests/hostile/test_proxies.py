"""A proxy with credentials in front of the security server: they are never stored, shown or logged."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pytest_mock import MockerFixture
from tablero.dashboard.answer import Answer, Outcome
from tablero.dashboard.client import Dashboard
from tablero.delivery.preflight import inspect
from tablero.errors import SetupError

from tests.hostile.answers import answer
from tests.hostile.conftest import Client
from tests.hostile.wire import Script, WireServer
from tests.integration.samples import clock, settings

LOGIN, PASSWORD = "apoderado", "Clave//de:proxy@9ñ"
BASIC = b64encode(f"{LOGIN}:{PASSWORD}".encode("latin-1")).decode()
SECRETS = (PASSWORD, quote(PASSWORD, safe=""), BASIC, BASIC[:12], "de:proxy", "Clave//de")

#: The security server, which is reachable only through the proxy.
SERVER = "ss.institucion.example"


def proxy(port: int) -> str:
    return f"http://{LOGIN}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def everything_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture
) -> Iterator[pytest.LogCaptureFixture]:
    """All log lines of all loggers."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    mocker.patch.object(logging.getLogger("airflow.task"), "propagate", True)
    with caplog.at_level(logging.DEBUG):
        yield caplog


Connect = Callable[..., Dashboard]


@pytest.fixture(params=["environment", "extra"])
def connect(request: pytest.FixtureRequest, client: Client, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """A client whose proxy is in the environment, or in the connection's extra."""

    def made(port: int, schema: str = "http") -> Dashboard:
        if request.param == "environment":
            monkeypatch.setenv(f"{schema}_proxy", proxy(port))
            return client(80, host=SERVER, schema=schema)
        return client(80, host=SERVER, schema=schema, extra={"proxies": {schema: proxy(port)}})

    return made


def gives_nothing_away(*texts: str) -> None:
    for text in texts:
        for secret in SECRETS:
            assert secret not in text, f"…{text[max(0, text.find(secret) - 120) :][:300]}"


def post(dashboard: Dashboard) -> Answer:
    return dashboard.post(b'{"requests": []}', message_id="m", issue="1")


def test_the_credentials_reach_the_proxy(connect: Connect, wire: WireServer) -> None:
    """The proxy receives the credentials; otherwise these tests would prove nothing."""
    calls: list[bytes] = []
    wire.put(Script("keep", lambda call: calls.append(call) or [answer(b"{}")]))  # type: ignore[func-returns-value]
    post(connect(wire.port))
    assert calls[0].startswith(f"POST http://{SERVER}:80/".encode())
    assert b"proxy-authorization: basic " in calls[0].lower()


ECHOES: dict[str, Callable[[bytes], bytes]] = {
    "the whole call": lambda call: answer(call, "400 Bad Request"),
    "a page": lambda call: answer(b"<pre>" + call + b"</pre>", "502 Bad Gateway"),
    "its refusal": lambda _: answer(json.dumps({"message": f"not {LOGIN}:{PASSWORD}"}).encode(), "407 Authentication Required"),
    "a redirect": lambda _: answer(b"", "302 Found", Location=f"http://{LOGIN}:{quote(PASSWORD, safe='')}@elsewhere/"),
    "the reason": lambda _: answer(b"{}", f"500 {BASIC}"),
    "no HTTP": lambda _: f"{LOGIN}:{PASSWORD} {BASIC}\r\n\r\n".encode(),
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("schema", ["http", "https"])
def test_no_answer_of_the_proxy_gives_them_away(
    connect: Connect, wire: WireServer, everything_logged: pytest.LogCaptureFixture, echo: str, schema: str
) -> None:
    """With plain HTTP and with a refused tunnel, credentials are in no answer, error, log or preflight."""
    wire.put(Script(echo, lambda call: [ECHOES[echo](call)]))
    dashboard = connect(wire.port, schema)
    found = post(dashboard)
    assert found.outcome is not Outcome.DELIVERED
    wire.put(Script(echo, lambda call: [ECHOES[echo](call)]))
    findings = inspect(settings(), source=no_source, outbox=None, dashboard=lambda: dashboard, clock=clock)
    gives_nothing_away(repr(found), *map(str, findings), everything_logged.text, repr(dashboard), str(dashboard))


@pytest.mark.parametrize("schema", ["http", "https"])
def test_a_proxy_that_is_not_there(connect: Connect, everything_logged: pytest.LogCaptureFixture, schema: str) -> None:
    """A proxy that is not there is a transient error that names the server to be reached."""
    found = post(connect(1, schema))
    assert found.outcome is Outcome.TRANSIENT
    assert SERVER in found.error
    gives_nothing_away(repr(found), everything_logged.text)


@pytest.mark.parametrize(
    "address", [f"nohttp://{LOGIN}:{PASSWORD}@127.0.0.1:1", f"http://{LOGIN}:{PASSWORD}@:x", f"{LOGIN}:{PASSWORD}@"]
)
def test_a_proxy_whose_address_is_none(
    client: Client, monkeypatch: pytest.MonkeyPatch, everything_logged: pytest.LogCaptureFixture, address: str
) -> None:
    """The library's error for an invalid proxy address quotes it, so it is not shown."""
    monkeypatch.setenv("http_proxy", address.format(f"{LOGIN}:{PASSWORD}"))
    found = post(client(80, host=SERVER))
    assert found.outcome is not Outcome.DELIVERED
    gives_nothing_away(repr(found), everything_logged.text)


def test_a_password_in_the_host_is_refused(client: Client, everything_logged: pytest.LogCaptureFixture) -> None:
    """A password in the host is refused, since it would be shown in every address; its own fields are masked."""
    with pytest.raises(SetupError, match="into their own fields") as caught:
        client(80, host=f"http://{LOGIN}:{quote(PASSWORD, safe='')}@{SERVER}")
    gives_nothing_away(str(caught.value), everything_logged.text)


def no_source() -> Any:
    raise SetupError("no source here")
