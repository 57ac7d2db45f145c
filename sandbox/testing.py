"""The sandbox for tests: in a thread of the test's own process, or as a process that can be killed.

Both give the same :class:`Handle`. It controls the sandbox over HTTP and reads what was received directly from the
SQLite file, so it still works after the sandbox is gone::

    with running_sandbox() as sandbox:
        sandbox.add_fault(kind="drop_after", times=1)
        deliver_to(sandbox.url)
        assert sandbox.counts() == {row: 1 for row in expected}
"""

from __future__ import annotations

import contextlib
import http.client
import os
import selectors
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from sandbox.dashboard import Row
from sandbox.memory import count_entries, read_calls, read_entries
from sandbox.server import KEEP_ALIVE_SECONDS, Server, Tls
from sandbox.settings import Settings

#: Seconds after which it is given up, on a slow and busy machine too.
_START_SECONDS = _STOP_SECONDS = 300.0


class Handle:
    """A running sandbox, from a test's point of view."""

    def __init__(self, url: str, database: Path) -> None:
        #: ``http://127.0.0.1:<port>``, without a trailing slash.
        self.url = url
        #: The SQLite file with everything that was received.
        self.database = database

    @property
    def port(self) -> int:
        """The port it listens on."""
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def add_fault(self, **fields: Any) -> int:
        """Add a fault (see ``sandbox.faults``); returns its number.

        Without ``times`` it lasts until cleared.
        """
        number: int = self._control("POST", "/faults", fields)["id"]
        return number

    def remove_fault(self, number: int) -> None:
        """Remove one fault."""
        self._control("DELETE", f"/faults/{number}")

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._control("DELETE", "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """The active faults with ``id``, ``seen`` and ``fired``."""
        faults: list[dict[str, Any]] = self._control("GET", "/faults")
        return faults

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings (see ``sandbox.settings``) for all later calls; returns all of them."""
        answer: dict[str, Any] = self._control("PATCH", "/settings", changes)
        return answer

    def stats(self, *, distinct: bool = False) -> dict[str, Any]:
        """Totals: ``calls``, ``calls_accepted``, ``entries_accepted``, ``bytes``, ``by_status`` (status
        as text, "none" = no answer), ``by_fault``, ``violations``, ``in_flight``, ``max_in_flight`` and
        optionally ``distinct_entries``.
        """
        answer: dict[str, Any] = self._control("GET", "/stats?" + urlencode({"distinct": str(distinct).lower()}))
        return answer

    def reset(self, *, memory: bool = True, faults: bool = True, settings: bool = True) -> None:
        """Reset everything, or a part."""
        self._control("POST", "/reset", {"memory": memory, "faults": faults, "settings": settings})

    def entries(self) -> list[dict[str, Any]]:
        """Accepted entries in order of arrival: the five values, ``seq``, ``call_id`` and ``position``."""
        return read_entries(self.database)

    def calls(self) -> list[dict[str, Any]]:
        """All calls in order, accepted or not: see the columns of table ``calls`` in ``sandbox.memory``."""
        return read_calls(self.database)

    def counts(self) -> Counter[Row]:
        """How many times each entry was accepted.

        Keys are ``(service_id, request_id, opening_date, status_id, last_modified_date)``.
        """
        return count_entries(self.database)

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        # Not through requests: a test may have patched it, or set a proxy for it.
        parts = urlsplit(self.url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            # Only used for the server that this handle has started.
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            content = None if body is None else orjson.dumps(body)
            connection.request(method, f"/_sandbox{path}", content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ValueError(f"{method} /_sandbox{path}: {response.status} {answer.decode()}")
        return orjson.loads(answer) if answer else None


@contextlib.contextmanager
def running_sandbox(
    database: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: Tls | None = None,
    keep_alive: int = KEEP_ALIVE_SECONDS,
    **settings: Any,
) -> Iterator[Handle]:
    """A sandbox in a background thread, ready on entry and removed on exit.

    ``database`` is continued if it exists; without one, a temporary file that is deleted with the sandbox.
    ``settings`` are those of ``sandbox.settings.Settings``; ``Handle.reset`` also
    restores them.
    """
    with contextlib.ExitStack() as stack:
        if database is None:
            database = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-"))) / "sandbox.db"
        server = Server(database, settings=Settings(**settings), host=host, port=port, tls=tls, keep_alive=keep_alive)
        thread = threading.Thread(target=server.serve_until_stopped, name=f"sandbox-{server.port}", daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError("the sandbox did not start; see its log above")
                time.sleep(0.005)
            yield Handle(server.url, database)
        finally:
            server.should_exit = True
            thread.join(_STOP_SECONDS)
        if thread.is_alive():
            raise RuntimeError("the sandbox did not stop")


class ProcessHandle(Handle):
    """A sandbox in a separate process."""

    def __init__(self, url: str, database: Path, process: subprocess.Popen[str]) -> None:
        super().__init__(url, database)
        self.process = process

    def kill(self) -> None:
        """SIGKILL, as the kernel's out-of-memory killer would; returns when the process is gone."""
        self.process.kill()
        self.process.wait(_STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM; returns the exit status, 0 if it stopped in an orderly way."""
        self.process.terminate()
        return self.process.wait(_STOP_SECONDS)


@contextlib.contextmanager
def sandbox_process(database: Path, *, port: int = 0, arguments: Sequence[str] = ()) -> Iterator[ProcessHandle]:
    """A sandbox as ``python -m sandbox``, ready on entry and stopped on exit (unless it has ended before).

    To restart a killed one at the same address, enter again with the same ``database`` and the
    old ``port``. ``arguments`` are further command-line arguments, such as ``["--generation",
    "7.8"]``.
    """
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "sandbox", "--database", str(database), "--port", str(port), *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    try:
        yield ProcessHandle(_wait_for_url(process), database, process)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _wait_for_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(_START_SECONDS):
            raise RuntimeError(f"the sandbox said nothing for {_START_SECONDS:g} s")
    line = process.stdout.readline()
    words = line.split()
    if line.startswith("sandbox listening on ") and len(words) == 4:
        return words[-1]
    raise RuntimeError(f"the sandbox did not start (exit status {process.wait(_STOP_SECONDS)}): {line!r}")
