"""The servers of a run, which can be killed and restarted: the dashboard, and the databases of the outbox."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from sandbox.testing import ProcessHandle, sandbox_process
from tests.chaos.faults import Fault
from tests.chaos.institution import outage_of
from tests.ports import free_port
from tests.postgres import PostgresServer
from tests.waiting import wait_for


class DashboardServer:
    """The sandbox as a process, always at the same address and with the same memory."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._stack = ExitStack()
        self._faults: Sequence[Fault] = ()
        # Not one of the clients' range, which one of them might take while the sandbox is dead.
        self.handle: ProcessHandle = self._stack.enter_context(sandbox_process(database, port=free_port()))

    def arm(self, faults: Sequence[Fault], seed: int) -> None:
        """Replace the current faults; they survive the death of the process."""
        self._faults = faults
        self.handle.settings(seed=seed)
        self.handle.clear_faults()
        for fault in faults:
            self.handle.add_fault(**fault)

    def die(self, away: float) -> None:
        """SIGKILL; it restarts after ``away`` seconds with the same settings and faults."""
        settings = self.handle.settings()
        port = self.handle.port
        self.handle.kill()
        time.sleep(away)
        self.handle = self._stack.enter_context(sandbox_process(self._database, port=port))
        self.handle.settings(**settings)
        for fault in self._faults:
            self.handle.add_fault(**fault)

    def quieten(self) -> None:
        """Wait until calls of clients that have left are finished."""
        wait_for("no call is under way in the sandbox", lambda: self.handle.stats()["in_flight"] == 0)

    def close(self) -> None:
        """Stop it."""
        self._stack.close()


class Databases(Protocol):
    """Creates outboxes."""

    #: Whether the server can be killed.
    mortal: bool

    def new(self, folder: Path, name: str) -> str:
        """The address of a new, empty database."""
        ...

    def die(self) -> None:
        """Kill the server and start it again."""
        ...

    def go_away(self, url: str) -> str:
        """Let a database answer nobody; returns how. A server's database is back at once."""
        ...

    def come_back(self) -> None:
        """It answers again."""
        ...

    def close(self) -> None:
        """Stop it."""
        ...


class SqliteFiles:
    """Databases that are files; the worker itself is their server."""

    mortal = False

    def __init__(self) -> None:
        self._away: Path | None = None
        self._held: sqlite3.Connection | None = None
        self._times = 0

    def new(self, folder: Path, name: str) -> str:
        """A file that does not exist yet."""
        return f"sqlite:///{folder / name}.db"

    def die(self) -> None:
        """Nothing to kill."""

    def go_away(self, url: str) -> str:
        """In turn: the disk returns errors for everything, or another program locks the file."""
        path = Path(sa.make_url(url).database or "")
        self._times += 1
        if self._times % 2 or not path.exists():
            self._away = outage_of(path)
            self._away.touch()
            return "outbox away"
        self._held = sqlite3.connect(path, timeout=5, isolation_level=None)
        with contextlib.suppress(sqlite3.OperationalError):  # a worker is writing all the time
            self._held.execute("BEGIN EXCLUSIVE")
        return "outbox locked"

    def come_back(self) -> None:
        """The disk works again, and the file is unlocked."""
        if self._away is not None:
            self._away.unlink(missing_ok=True)
        if self._held is not None:
            self._held.close()
        self._away = self._held = None

    def close(self) -> None:
        """Nothing to stop."""


class PostgresDatabases:
    """A PostgreSQL server for this run."""

    mortal = True

    def __init__(self) -> None:
        self._stack = ExitStack()
        # As some servers are configured: commits are not durable unless requested, and the log is written late.
        settings = {"fsync": "on", "synchronous_commit": "off", "wal_writer_delay": "'10s'"}
        self._server = self._stack.enter_context(PostgresServer(settings=settings))

    def new(self, folder: Path, name: str) -> str:
        """A database with that name; an existing one is dropped first."""
        address = self._server.address.set(database=name)
        self._server.drop(address)
        return self._server.database(name=name).render_as_string(hide_password=False)

    def die(self) -> None:
        """Send SIGKILL to the server and restart it, which recovers the database."""
        self._server.kill()

    def go_away(self, url: str) -> str:
        """Kill it, together with every other database of the server."""
        self.die()
        return "database killed"

    def come_back(self) -> None:
        """Nothing to do: it has restarted by itself."""

    def close(self) -> None:
        """Stop it and delete its data."""
        self._stack.close()
