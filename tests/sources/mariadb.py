"""A MariaDB server for these tests, from the system's package, with its own folder and port."""

from __future__ import annotations

import getpass
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from sqlalchemy.engine import URL

from tests.ports import free_port

_PASSWORD = "clave / 100%"

_PATIENCE = 300


def programs() -> tuple[str, str] | None:
    """The server and the program that creates its folder, or ``None`` if they are not installed."""
    server = shutil.which("mariadbd") or shutil.which("mysqld")
    install = shutil.which("mariadb-install-db")
    return (server, install) if server and install else None


class MariaDb:
    """A running server, whose clock is in UTC so that a forgotten time zone shows."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._port = free_port()
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        found = programs()
        assert found is not None
        self._server, install = found
        subprocess.run(
            [
                *(install, "--no-defaults", f"--datadir={folder}/data", f"--user={getpass.getuser()}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ],
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *(self._server, "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self._folder}/data"),
                *(f"--socket={self._folder}/socket", f"--pid-file={self._folder}/pid", "--bind-address=127.0.0.1"),
                *(f"--port={self._port}", "--skip-name-resolve", "--default-time-zone=+00:00"),
                *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"),
                *self._options,
                # Nothing here has to survive a power cut.
                *("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite", "--innodb-buffer-pool-size=256M"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "log").open("ab"),
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with self.admin() as connection:
                    connection.exec_driver_sql("SELECT 1")
                return
            except sa.exc.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self._folder / "log").read_text(errors="replace")[-3000:]) from None
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop it, which disconnects all clients."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)

    def kill(self) -> None:
        """Kill it: after it was frozen, its own shutdown may wait for ever for a client that has gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)

    def restart(self) -> None:
        """Restart it, as its administrator would for an update."""
        self.stop()
        self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze its process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def admin(self, database: str = "") -> Iterator[sa.Connection]:
        """An engine as the server's root."""
        engine = sa.create_engine(self.admin_address(database), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection

    def client(self, database: str, query: str) -> list[list[str]]:
        """The rows that the program ``mariadb`` prints for the DBA."""
        command = [
            "mariadb",
            "--no-defaults",
            f"--socket={self._folder}/socket",
            "--user=root",
            "--batch",
            "--skip-column-names",
        ]
        found = subprocess.run([*command, database, "--execute", query], capture_output=True, text=True, check=True)
        return [line.split("\t") for line in found.stdout.splitlines()]

    def admin_address(self, database: str) -> URL:
        """The address for the server's root."""
        return URL.create("mysql+pymysql", "root", database=database, query={"unix_socket": f"{self._folder}/socket"})

    def address(self, driver: str, user: str, password: str, database: str) -> URL:
        """The address for other users."""
        return URL.create(f"mysql+{driver}", user, password, "127.0.0.1", self._port, database)

    def database(self, driver: str) -> URL:
        """A new database, and a user who may read it, with this driver."""
        name = f"db{next(self._numbers)}"
        with self.admin() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            connection.exec_driver_sql(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY %s", (_PASSWORD,))
            connection.exec_driver_sql(f"GRANT SELECT ON {name}.* TO {name}@'127.0.0.1'")
        return self.address(driver, name, _PASSWORD, name)

    def is_running(self, address: URL) -> bool:
        """Whether its user has a statement running."""
        with self.admin() as connection:
            listed = connection.exec_driver_sql("SHOW PROCESSLIST").mappings()
            return any(each["User"] == address.username and each["Command"] == "Query" for each in listed)

    def drop(self, address: URL) -> None:
        """Drop a database and its user."""
        with self.admin() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {address.database}")
            connection.exec_driver_sql(f"DROP USER {address.username}@'127.0.0.1'")


@contextmanager
def running(*options: str) -> Iterator[MariaDb]:
    """A server that is removed afterwards, with all its data."""
    with TemporaryDirectory(prefix="tablero-maria-", ignore_cleanup_errors=True) as folder:
        server = MariaDb(Path(folder), *options)
        try:
            server.start()
            yield server
        finally:
            server.kill()
