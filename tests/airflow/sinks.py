"""Receivers of alerts: a real SMTP server and real HTTP servers, which keep what they receive."""

from __future__ import annotations

import email
import email.policy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson
from aiosmtpd.controller import Controller

from tests.ports import free_port
from tests.waiting import PATIENCE


class Mail(NamedTuple):
    """A mail that arrived.

    :ivar text: its HTML.
    :ivar plain: the same as plain text.
    :ivar files: what is attached, by name.
    """

    to: list[str]
    subject: str
    text: str
    plain: str
    files: dict[str, bytes]


class Mailbox:
    """All mails that arrived, in order."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Called by the SMTP server for each mail."""
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        html, plain = (message.get_body((kind,)) for kind in ("html", "plain"))
        self.mails.append(
            Mail(
                list(envelope.rcpt_tos),
                str(message["subject"]),
                html.get_content() if html else "",
                plain.get_content() if plain else "",
                {str(part.get_filename()): part.get_payload(decode=True) for part in message.iter_attachments()},
            )
        )
        return "250 OK"

    def about(self, words: str) -> list[Mail]:
        """Mails with ``words`` in the subject or the text."""
        return [mail for mail in self.mails if words in mail.subject or words in mail.text]


@contextmanager
def smtp_server() -> Iterator[tuple[Mailbox, int]]:
    """A mailbox, and the port of the SMTP server that fills it."""
    mailbox, port = Mailbox(), free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE)
    controller.start()
    try:
        yield mailbox, port
    finally:
        controller.stop()


@contextmanager
def webhook_server() -> Iterator[tuple[list[dict[str, Any]], int]]:
    """The JSON bodies posted to ``/hook``, in order, and the port of the server that receives them."""
    received: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/hook":
                received.append(orjson.loads(body))
            self.send_response(204 if self.path == "/hook" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with _serving(Hook) as port:
        yield received, port


@contextmanager
def monitor_server() -> Iterator[tuple[list[str], int]]:
    """The addresses called by GET, in order, as a heartbeat monitor keeps them, and its port."""
    called: list[str] = []

    class Monitor(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            body = b"OK"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with _serving(Monitor) as port:
        yield called, port


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
