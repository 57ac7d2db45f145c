"""Answers that echo the request: no password and no secret header is stored, shown or logged, in any spelling."""

from __future__ import annotations

import html
import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy.engine import Engine
from tablero.dashboard.answer import MAX_KEPT, Answer
from tablero.dashboard.client import Dashboard
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.errors import TableroError
from tablero.outbox.schema import attempt, metadata

from tests.hostile.answers import answer
from tests.hostile.conftest import Client
from tests.hostile.wire import Script, WireServer
from tests.integration.samples import FEBRUARY, changes, clock, settings, stage

LOGIN = "institución"
PASSWORD = 'hunter2"Clave\\<secreta>&ñ/9'
API_KEY = "tok-0123456789abcdef"
TOKEN = "eyJhbGciOi.JIUzI1NiJ9"
SESSION = "5f2b9c41d7e8"
#: As sent: HTTP's own authentication uses Latin-1.
BASIC = b64encode(f"{LOGIN}:{PASSWORD}".encode("latin-1")).decode()

#: The length of a part of a secret that could be of use to someone.
_REVEALING = 8

#: The spellings in which a server may return the secrets.
SPELLINGS = {
    "password": PASSWORD,
    "password in JSON": json.dumps(PASSWORD)[1:-1],
    "password in JSON, UTF-8": json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
    "password in HTML": html.escape(PASSWORD),
    "password in a URL": quote(PASSWORD, safe=""),
    "authorization": f"Basic {BASIC}",
    "header": API_KEY,
    "bearer": f"Bearer {TOKEN}",
    "token without its scheme": TOKEN,
    "cookie without its name": SESSION,
}

Echo = Callable[[str], bytes]

#: Where a server may return them.
PLACES: dict[str, Echo] = {
    "message": lambda secret: answer(json.dumps({"message": f"who is {secret}?"}).encode(), "401 Unauthorized"),
    "list of messages": lambda secret: answer(json.dumps({"message": ["a", f"requests.1 {secret}"]}).encode(), "400 Bad"),
    "text": lambda secret: answer(f"<pre>{secret}</pre>".encode(), "503 Busy"),
    "where the text is cut": lambda secret: answer(("x" * (MAX_KEPT - 12) + secret).encode(), "500 Oops"),
    "where the reading is cut": lambda secret: answer(("x" * (4 * MAX_KEPT - 12) + secret).encode(), "500 Oops"),
    "X-Road error": lambda secret: _with(answer(b"{}", "500 Oops"), "X-Road-Error", f"Server.{secret}"),
    "X-Road message": lambda secret: _xroad(json.dumps({"type": "x", "message": f"Read timed out {secret}"})),
    "X-Road detail": lambda secret: _xroad(json.dumps({"type": "x", "message": "m", "detail": secret})),
    "X-Road request id": lambda secret: _with(answer(b"[]", "201 Created"), "X-Road-Request-Id", secret),
    "redirect": lambda secret: _with(answer(b"", "302 Found"), "Location", f"/login?key={secret}"),
}

#: Where a client's own errors quote the answer.
QUOTED: dict[str, Echo] = {
    "reason": lambda secret: answer(b"[]", f"500 {secret}"),
    "status line": lambda secret: f"{secret}\r\n\r\n".encode(),
    "chunk size": lambda secret: answer(f"{secret}\r\n".encode(), "201 C", Content_Length="", Transfer_Encoding="chunked"),
}


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture, mocker: MockerFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All log lines of all loggers, at every level."""
    mocker.patch.object(logging.getLogger("airflow.task"), "propagate", True)
    with caplog.at_level(logging.DEBUG):
        yield caplog


#: One header is secret as a whole, others in part.
WITH_SECRETS = {
    "login": LOGIN,
    "password": PASSWORD,
    "extra": {"X-Api-Key": API_KEY, "X-Authorization": f"Bearer {TOKEN}", "Cookie": f"lang=es; session={SESSION}"},
}


@pytest.fixture
def dashboard(client: Client, wire: WireServer) -> Dashboard:
    """A client with a login, a password and secret headers."""
    return client(wire.port, **WITH_SECRETS)


def test_the_secrets_are_sent(client: Client, wire: WireServer) -> None:
    """The server receives the secrets; otherwise these tests would prove nothing."""
    dashboard = client(wire.port, **WITH_SECRETS)
    calls = []
    wire.put(Script("keep", lambda call: calls.append(call) or [answer(b"{}")]))  # type: ignore[func-returns-value]
    dashboard.post(b"{}", message_id="m", issue="1")
    assert f"authorization: basic {BASIC}".lower() in calls[0].decode().lower()
    for secret in (API_KEY, f"Bearer {TOKEN}", SESSION):
        assert f": {secret}" in calls[0].decode() or f"={secret}" in calls[0].decode()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("place", PLACES)
def test_no_answer_gives_them_away(
    dashboard: Dashboard,
    wire: WireServer,
    everything_logged: pytest.LogCaptureFixture,
    place: str,
    spelling: str,
) -> None:
    """Neither the answer nor the log contains even the beginning of a secret."""
    wire.put(Script("echo", [PLACES[place](SPELLINGS[spelling])]))
    found = dashboard.post(b"{}", message_id="m", issue="1")
    _gives_nothing_away(repr(found))
    _gives_nothing_away(everything_logged.text)


@pytest.mark.parametrize("spelling", ["password", "authorization", "header", "token without its scheme"])
@pytest.mark.parametrize("place", QUOTED)
def test_no_error_quotes_them(
    dashboard: Dashboard,
    wire: WireServer,
    everything_logged: pytest.LogCaptureFixture,
    place: str,
    spelling: str,
) -> None:
    """An answer that is not HTTP ends in an exception of the library, which quotes it; the secrets are removed."""
    wire.put(Script("echo", [QUOTED[place](SPELLINGS[spelling])]))
    found = dashboard.post(b"{}", message_id="m", issue="1")
    _gives_nothing_away(repr(found))
    _gives_nothing_away(everything_logged.text)


def test_a_whole_echo_of_the_call(dashboard: Dashboard, wire: WireServer, everything_logged: pytest.LogCaptureFixture) -> None:
    """A debugging proxy that returns the whole request, header by header, reveals nothing."""
    wire.put(Script("echo", lambda call: [answer(call, "400 Bad Request")]))
    found: Answer = dashboard.post(b"{}", message_id="m", issue="1")
    _gives_nothing_away(repr(found))
    _gives_nothing_away(everything_logged.text)


def test_the_client_does_not_show_them(dashboard: Dashboard) -> None:
    """The client's ``repr`` and ``str``, which appear in tracebacks and debuggers, show no secret."""
    _gives_nothing_away(repr(dashboard))
    _gives_nothing_away(str(dashboard))


@pytest.mark.integration
@pytest.mark.parametrize("backend", ["sqlite"])
def test_neither_outbox_nor_error_nor_log_keeps_them(
    outbox: Engine, dashboard: Dashboard, wire: WireServer, everything_logged: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """After sending, no table of the outbox, nor its file, contains a secret."""
    stage(outbox, changes(len(SPELLINGS) * 3), size=1)
    texts = []
    for spelled in SPELLINGS.values():
        for place in ("text", "X-Road detail"):
            wire.put(Script("echo", [PLACES[place](spelled)]))
        for _ in range(2):
            with pytest.raises(TableroError) as caught:
                send(outbox, lambda: dashboard, settings(concurrency="1"), [FEBRUARY], Run("run", clock))
            texts.append(str(caught.value))
    with outbox.connect() as connection:
        recorded = connection.scalar(sa.select(sa.func.count()).select_from(attempt))
        texts += [str(row) for table in metadata.sorted_tables for row in connection.execute(sa.select(table))]
    assert recorded >= len(SPELLINGS) * 2
    outbox.dispose()
    texts += [file.read_bytes().decode("latin-1") for file in tmp_path.glob("*.db*")]
    for text in [*texts, everything_logged.text]:
        _gives_nothing_away(text)


def _gives_nothing_away(text: str) -> None:
    for name, spelled in SPELLINGS.items():
        core = spelled.removeprefix("Basic ").removeprefix("Bearer ")
        # The beginning of a secret counts as well: one cut off by a length limit is no better.
        assert core[:_REVEALING] not in text, f"{name} is in: …{text[max(0, text.find(core[:_REVEALING]) - 80) :][:200]}"


def _with(whole: bytes, name: str, value: str) -> bytes:
    return whole.replace(b"\r\n", f"\r\n{name}: {value}\r\n".encode(), 1)


def _xroad(body: str) -> bytes:
    return _with(answer(body.encode(), "500 Oops"), "X-Road-Error", "Server.ServerProxy.IOError")
