"""A server that answers with arbitrary bytes, at any pace."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic

#: What a script may contain beside bytes: seconds to wait.
Step = bytes | float

#: Longest that a connection is served, in seconds, whatever its script says.
_LONGEST = 600.0


@dataclass(frozen=True)
class Script:
    """What the server does once it has read a request.

    :ivar name: the kind of answer, for the reader of a failure.
    :ivar steps: bytes to send and seconds to wait; may be endless. Or a function that creates them from the request.
    :ivar success: whether the complete answer is that of a dashboard that accepted the rows.
    :ivar reset: end by a TCP reset instead of an orderly close.
    """

    name: str
    steps: Iterable[Step] | Callable[[bytes], Iterable[Step]] = field(repr=False)
    success: bool = False
    reset: bool = False


class WireServer:
    """Answers the next call by the given script; a call for which there is none is dropped."""

    def __init__(self) -> None:
        self._scripts: SimpleQueue[tuple[Script, threading.Event]] = SimpleQueue()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="wire-server", daemon=True)
        self._thread.start()

    def put(self, script: Script) -> threading.Event:
        """Set the answer to the next call.

        :returns: set once the connection is closed on this side, so that the client's next call takes a new one.
        """
        over = threading.Event()
        self._scripts.put((script, over))
        return over

    def close(self) -> None:
        """Stop; open connections end with their next step."""
        self._closing.set()
        with contextlib.suppress(OSError):  # wakes up the accepting thread
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self._thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(_LONGEST)
            call = _read_call(connection)
            if call is None:
                return
            try:
                script, over = self._scripts.get_nowait()
            except Empty:
                return
            # The client may leave at any time, which is what is being tested.
            with contextlib.suppress(OSError):
                self._play(connection, script, call)
            if script.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            else:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
            over.set()
            with contextlib.suppress(OSError):
                # Until the client closes too: what it has not read yet would be lost otherwise.
                while not script.reset and connection.recv(65536):
                    pass

    def _play(self, connection: socket.socket, script: Script, call: bytes) -> None:
        deadline = monotonic() + _LONGEST
        for step in script.steps(call) if callable(script.steps) else script.steps:
            if self._closing.is_set() or monotonic() > deadline:
                return
            if _client_has_left(connection, step):
                return
            if isinstance(step, bytes):
                connection.sendall(step)


def _client_has_left(connection: socket.socket, step: Step) -> bool:
    """Wait until the next bytes can be sent, or for so many seconds, but not if the client has left.

    A client that closes a connection in the midst of an answer is not always noticed by sending: the window may be full.
    """
    if isinstance(step, bytes):
        return bool(select.select([connection], [connection], [])[0])
    return bool(select.select([connection], [], [], step)[0])


def _read_call(connection: socket.socket) -> bytes | None:
    """Read one request to its end; ``None`` if the client left before."""
    received = b""
    while not _is_whole(received):
        try:
            piece = connection.recv(65536)
        except OSError:
            return None
        if not piece:
            return None
        received += piece
    return received


def _is_whole(call: bytes) -> bool:
    head, end, body = call.partition(b"\r\n\r\n")
    lengths = (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return bool(end) and len(body) >= next(lengths, 0)


@contextlib.contextmanager
def wire_server() -> Iterator[WireServer]:
    """A server that is stopped on exit."""
    server = WireServer()
    try:
        yield server
    finally:
        server.close()
