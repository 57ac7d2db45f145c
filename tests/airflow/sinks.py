"""Where alerts arrive: a real SMTP server and a real HTTP server, which keep what they are given."""

from __future__ import annotations

import email
import email.policy
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson
from aiosmtpd.controller import Controller


class Mail(NamedTuple):
    """A mail that arrived."""

    to: list[str]
    subject: str
    text: str


class Mailbox:
    """All mails that arrived, in order."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Called by the SMTP server for each mail."""
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = message.get_body(("html", "plain"))
        self.mails.append(Mail(list(envelope.rcpt_tos), str(message["subject"]), body.get_content() if body else ""))
        return "250 OK"

    def about(self, words: str) -> list[Mail]:
        """Mails with ``words`` in the subject or the text."""
        return [mail for mail in self.mails if words in mail.subject or words in mail.text]


@contextmanager
def smtp_server() -> Iterator[tuple[Mailbox, int]]:
    """A mailbox, and the port of the SMTP server which fills it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox, port
    finally:
        controller.stop()


@contextmanager
def webhook_server() -> Iterator[tuple[list[dict[str, Any]], int]]:
    """The JSON bodies that were posted to ``/hook``, in order, and the port of the server which takes them."""
    received: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/hook":
                received.append(orjson.loads(body))
            self.send_response(204 if self.path == "/hook" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield received, server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
