"""The same institution in each kind of database: the tables behind the view, before Tablero is installed."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from tests.integration.conftest import Postgres
from tests.sources.mariadb import MariaDb
from tests.sources.spanish import Server

SERVICES = [(1, "1041"), (2, "1042")]

#: Request, service, code, opened, changed; the last two have an unmapped service and an unmapped code.
HISTORY = [
    ("LCM-1", 1, "REC", "2020-02-01 08:00:00", "2020-02-01 08:00:00"),
    ("LCM-1", 1, "REV", "2020-02-01 08:00:00", "2020-02-03 10:15:00"),
    ("LCM-1", 1, "ENT", "2020-02-01 08:00:00", "2020-02-07 16:40:00"),
    ("LCM-2", 2, "REC", "2020-02-29 23:59:59", "2020-02-29 23:59:59"),
    ("LCM-3", 3, "REC", "2020-02-10 09:00:00", "2020-02-10 09:00:00"),
    ("LCM-4", 1, "XXX", "2020-02-11 09:00:00", "2020-02-11 09:00:00"),
]

#: The rows that the contract accepts: request and status.
VALID = {("LCM-1", 9), ("LCM-1", 2), ("LCM-1", 14), ("LCM-2", 9)}


class Institution(Protocol):
    """An empty database in which its DBA runs statements.

    :ivar kind: its name on the page.
    :ivar timestamp: its type for dates.
    :ivar plan: the prefix of a query that shows its plan.
    """

    kind: str
    timestamp: str
    plan: str

    def run(self, script: str) -> None:
        """Run statements exactly as they are in a document."""
        ...

    def engine(self) -> Engine:
        """An engine as the DBA."""
        ...

    def as_reader(self, user: str, password: str) -> URL:
        """The address for another user."""
        ...


class Sqlite:
    """An SQLite file."""

    kind, timestamp, plan = "sqlite", "text", "EXPLAIN QUERY PLAN"

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, script: str) -> None:
        """Run all statements at once."""
        with closing(sqlite3.connect(self._path)) as connection:
            connection.executescript(script)

    def engine(self) -> Engine:
        """An engine; anyone may open the file."""
        return sa.create_engine(f"sqlite:///{self._path}")

    def as_reader(self, user: str, password: str) -> URL:
        """The file itself, since SQLite has no users."""
        raise NotImplementedError


class Postgresql:
    """A separate PostgreSQL database."""

    kind, timestamp, plan = "postgresql", "timestamp", "EXPLAIN"

    def __init__(self, address: URL) -> None:
        self._address = address

    def run(self, script: str) -> None:
        """Run all statements at once."""
        engine = self.engine()
        with engine.begin() as connection:
            connection.exec_driver_sql(script.replace("%", "%%"))
        engine.dispose()

    def engine(self) -> Engine:
        """An engine as the superuser."""
        return sa.create_engine(self._address)

    def as_reader(self, user: str, password: str) -> URL:
        """The address by socket, as for everyone here."""
        return self._address.set(username=user, password=password)


class Mariadb:
    """The MariaDB database ``solicitudes``, named as on the page."""

    kind, timestamp, plan = "mariadb", "datetime", "EXPLAIN"
    name = "solicitudes"

    def __init__(self, server: MariaDb) -> None:
        self._server = server

    def run(self, script: str) -> None:
        """Run the statements one after another."""
        with self._server.admin(self.name) as connection:
            for statement in re.split(r";\s*\n", script.strip() + "\n"):
                if statement.strip():
                    connection.exec_driver_sql(statement.replace("%", "%%"))

    def engine(self) -> Engine:
        """An engine as root."""
        return sa.create_engine(self._server.admin_address(self.name))

    def as_reader(self, user: str, password: str) -> URL:
        """The address over TCP."""
        return self._server.address("pymysql", user, password, self.name)


@contextmanager
def institution(kind: str, folder: Path, fixture: Callable[[str], object]) -> Iterator[Institution]:
    """An empty institution, which is removed afterwards.

    :param fixture: returns a server by name, starting it if necessary.
    """
    if kind == "sqlite":
        yield Sqlite(folder / "solicitudes.db")
    elif kind == "postgresql":
        server = fixture("postgres")
        assert isinstance(server, Postgres)
        address = server.database()
        try:
            yield Postgresql(address)
        finally:
            server.drop(address)
    elif kind == "spanish":
        here = fixture("spanish")
        assert isinstance(here, Server)
        yield Postgresql(here.address(here.database()))
    else:
        maria = fixture("mariadb")
        assert isinstance(maria, MariaDb)
        with maria.admin() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {Mariadb.name}")
        try:
            yield Mariadb(maria)
        finally:
            with maria.admin() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {Mariadb.name}")
