"""The REST API when it fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sandbox.demo_api import Api
from sandbox.demo_failure import DemoError

Answers = dict[str, list[tuple[int, object]]]


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], Api]]:
    """Starts a server with prepared answers by path, the last of which repeats; returns a client for it."""
    servers: list[HTTPServer] = []

    def start(answers: Answers) -> Api:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                prepared = answers[self.path.partition("?")[0]]
                status, body = prepared.pop(0) if len(prepared) > 1 else prepared[0]
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PATCH = do_GET

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return Api(f"http://127.0.0.1:{server.server_port}", "admin", "secret")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


TOKEN = [(201, {"access_token": "t"})]


def test_a_token_that_has_expired_is_replaced(serve: Callable[[Answers], Api]) -> None:
    """An expired token is replaced, since the demo may stay open for days."""
    run = "/api/v2/dags/d/dagRuns/r"
    api = serve({"/auth/token": TOKEN, run: [(401, {}), (200, {"state": "running"})]})
    assert api.state("d", "r") == "running"


def test_a_server_that_is_starting_is_no_error() -> None:
    """A server that does not listen yet is no error."""
    assert not Api("http://127.0.0.1:9", "admin", "secret").log_in()


def test_a_server_that_has_gone_is_an_error_that_the_demo_explains() -> None:
    """A server that has gone is an error with an explanation instead of a traceback."""
    with pytest.raises(DemoError, match="no responde / does not answer"):
        Api("http://127.0.0.1:9", "admin", "secret").state("d", "r")


def test_a_refusal_is_shown_in_the_servers_words(serve: Callable[[Answers], Api]) -> None:
    """A refusal is reported in the server's words, for example if a run exists already."""
    api = serve({"/api/v2/dags/d/dagRuns": [(409, {"detail": "already exists"})]})
    with pytest.raises(DemoError, match=r"HTTP 409 .*already exists"):
        api.trigger("d", "r", {})


def test_a_dag_that_cannot_be_imported_is_an_error(serve: Callable[[Answers], Api]) -> None:
    """A DAG that cannot be imported is an error with the traceback that Airflow kept."""
    problem = {"filename": "daily_send.py", "stack_trace": "ImportError: no such thing"}
    api = serve({"/api/v2/importErrors": [(200, {"import_errors": [problem]})]})
    with pytest.raises(DemoError, match=r"daily_send.py:\nImportError: no such thing"):
        api.parsed_at("daily_send")


def test_a_dag_that_was_never_read_is_older_than_any(serve: Callable[[Answers], Api]) -> None:
    """A DAG never read is older than any other; a longer name that contains its name does not count."""
    none = {"/api/v2/importErrors": [(200, {"import_errors": []})]}
    read = {"dag_id": "daily_send_2", "last_parsed_time": "2026-11-24T05:00:00Z"}
    api = serve(none | {"/api/v2/dags": [(200, {"dags": [read]})]})
    assert api.parsed_at("daily_send").year == 1
    assert api.parsed_at("daily_send_2").year == 2026
