"""A NestJS application and an nginx in front of it, started for these tests."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.waiting import wait_for

NEST = Path(__file__).parent / "nest"

#: Debian's nginx with the limits of a strict gateway.
_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 40k;
    location = / {{ return 444; }}
    location = /moved/api/load {{ return 301 https://otro.gob.do/api/load; }}
    location = /login/api/load {{ default_type text/html; return 200 "<html>Login</html>"; }}
    location = /impatient/api/load {{ proxy_read_timeout 1s; proxy_pass http://127.0.0.1:{behind}/api/load; }}
    location / {{ proxy_pass http://127.0.0.1:{behind}; }}
  }}
}}
"""


@dataclass(frozen=True)
class Peer:
    """A dashboard implemented with NestJS.

    :ivar port: of the application itself.
    """

    port: int

    def behave(self, behaviour: str, **state: Any) -> None:
        """Set how it answers calls from now on."""
        self._ask({"behaviour": behaviour, **state})

    @property
    def holds(self) -> dict[str, Any]:
        """The numbers of calls and of stored rows, and how often it accepted a row at most."""
        return self._ask(None)

    def _ask(self, body: Any) -> dict[str, Any]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/control", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def nest(platform: str) -> Iterator[Peer]:
    """The application on ``express`` or ``fastify``; its packages are downloaded from npm the first time."""
    if shutil.which("node") is None:
        pytest.skip("needs Node")
    if not (NEST / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=NEST, check=True, timeout=900, capture_output=True)
    port = free_port()
    process = subprocess.Popen(["node", "server.js", platform, str(port)], cwd=NEST)
    try:
        wait_for(f"something listens on {port}", lambda: _accepts(port))
        yield Peer(port)
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def nginx(behind: int, folder: Path) -> Iterator[int]:
    """Start a gateway in front of a port; yields its own port."""
    if shutil.which("nginx") is None:
        pytest.skip("needs nginx")
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, port=port, behind=behind))
    process = subprocess.Popen(["nginx", "-c", str(configuration), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        wait_for(f"something listens on {port}", lambda: _accepts(port))
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
