"""PostgreSQL as institutions here install it: Debian's package, ``initdb --locale=es_DO.UTF-8``, and related programs.

It has its own folder and port, and runs as the system user ``postgres`` if these tests run as root, which PostgreSQL refuses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from sqlalchemy.engine import URL

from tests.ports import free_port
from tests.waiting import wait_for

#: All packages for ``apt-get install``.
PACKAGES = ("postgresql-15", "postgresql-contrib", "locales", "pgbouncer", "openssl")

_BIN = Path("/usr/lib/postgresql/15/bin")
_PATIENCE = 300
_LOCALES = {
    "es_DO.UTF-8": ("es_DO", "UTF-8"),
    "es_DO.ISO-8859-1": ("es_DO", "ISO-8859-1"),
    "es_ES@euro": ("es_ES@euro", "ISO-8859-15"),
}

PASSWORD = "clave / 100% 'ñ'"


def missing() -> str | None:
    """What to install, or ``None`` if nothing is missing."""
    programs = [shutil.which(name) for name in ("pgbouncer", "openssl", "localedef")]
    if _BIN.is_dir() and all(programs) and Path("/usr/share/i18n/locales/es_DO").exists():
        return None
    return f"needs Debian's {', '.join(PACKAGES)} (apt-get install)"


def as_postgres(command: Sequence[str | Path]) -> list[str]:
    """The command, run as a user who is not root."""
    words = [str(word) for word in command]
    return ["runuser", "-u", "postgres", "--", *words] if os.geteuid() == 0 else words


def own(folder: Path) -> Path:
    """A folder that the user of :func:`as_postgres` may write to."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    return folder


class Server:
    """A running server.

    :param folder: its own, accessible to everyone.
    :param initdb: arguments of ``initdb`` beyond the folder; the locale es_DO.UTF-8 unless they name another.
    :param settings: lines of ``postgresql.conf``.
    """

    def __init__(self, folder: Path, initdb: Sequence[str] = ("--locale=es_DO.UTF-8",), settings: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self._numbers = count(1)
        self._environment = os.environ | {"LOCPATH": str(_made_locales(folder / "locales"))}
        self.data = own(folder / "data")
        self._run(_BIN / "initdb", "-D", self.data, "-A", "trust", "-U", "postgres", *initdb)
        self.configure(f"unix_socket_directories = '{folder}'", f"port = {self.port}", "fsync = off", *settings)

    def configure(self, *settings: str) -> None:
        """Add lines to ``postgresql.conf``."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\n".join(["", *settings, ""]))

    def allow(self, *lines: str) -> None:
        """Insert lines at the beginning of ``pg_hba.conf``."""
        path = self.data / "pg_hba.conf"
        path.write_text("\n".join([*lines, path.read_text()]))

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._run(_BIN / "pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-t", str(_PATIENCE), "start")

    def reload(self) -> None:
        """Reload its configuration files."""
        loaded = "SELECT pg_conf_load_time()"
        before = self.psql("postgres", loaded)
        self._run(_BIN / "pg_ctl", "-D", self.data, "reload")
        wait_for("its files are loaded again", lambda: self.psql("postgres", loaded) != before)

    def stop(self) -> None:
        """Stop it, which disconnects all clients."""
        self._run(_BIN / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def standby(self, folder: Path, settings: Sequence[str] = ()) -> Server:
        """A read-only standby of this server."""
        copy = Server.__new__(Server)
        copy.folder, copy.port, copy.data = folder, free_port(), own(folder / "data")
        copy._numbers, copy._environment = count(1), self._environment
        copy.data.rmdir()
        self._run(
            *(_BIN / "pg_basebackup", "-D", copy.data, "-h", self.folder, "-p", str(self.port), "-U", "postgres"),
            *("-R", "-c", "fast", "-X", "stream"),
        )
        copy.configure(f"unix_socket_directories = '{folder}'", f"port = {copy.port}", *settings)
        copy.start()
        return copy

    def address(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> URL:
        """The address over TCP."""
        return URL.create("postgresql+psycopg", user, password, "127.0.0.1", self.port, database)

    @contextmanager
    def admin(self, database: str = "postgres") -> Iterator[sa.Connection]:
        """An engine as the DBA, with the server's own zone and DateStyle."""
        utf8 = {"client_encoding": "utf8"}
        engine = sa.create_engine(
            self.address(database), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=utf8
        )
        with engine.connect() as connection:
            yield connection

    def database(self, options: str = "") -> str:
        """A new database; its name."""
        name = f"db{next(self._numbers)}"
        with self.admin() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        return name

    def psql(self, database: str, query: str, **environment: str) -> list[list[str]]:
        """The rows that ``psql`` prints for the DBA, NULL as ``∅``."""
        command = [str(_BIN / "psql"), "-XAtq", "-F\x1f", "-P", "null=∅", "-h", "127.0.0.1", "-p", str(self.port)]
        found = subprocess.run(
            [*command, "-U", "postgres", "-d", database, "-c", query],
            env=os.environ | {"PGCLIENTENCODING": "UTF8"} | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.split("\x1f") for line in found.stdout.splitlines()]

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(as_postgres(command), env=self._environment, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self._log()}"

    def _log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


def _made_locales(folder: Path) -> Path:
    """Locales for these tests, so that none has to be installed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (source, charset) in _LOCALES.items():
        # Its exit status also reports warnings; what counts is whether it created a locale.
        subprocess.run(["localedef", "-i", source, "-f", charset, str(folder / name)], capture_output=True, check=False)
        assert (folder / name).is_dir(), name
    return folder


@contextmanager
def folder_for_servers(prefix: str) -> Iterator[Path]:
    """A folder accessible to everyone, which is removed afterwards."""
    with TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
        path = own(Path(folder))
        path.chmod(0o755)
        yield path


@contextmanager
def running(initdb: Sequence[str] = ("--locale=es_DO.UTF-8",), settings: Sequence[str] = ()) -> Iterator[Server]:
    """A server that is removed afterwards, with all its data."""
    with folder_for_servers("tablero-es-") as folder:
        server = Server(folder, initdb, settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()
