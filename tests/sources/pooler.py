"""PgBouncer from Debian's package, in transaction mode, in front of a server of these tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import URL

from tests.ports import free_port
from tests.sources.spanish import Server, as_postgres, folder_for_servers
from tests.waiting import wait_for


class Pooler:
    """A pooler with one server connection for all clients, so that each client finds what the previous one left behind."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.port = free_port()

    def address(self, database: str) -> URL:
        """The address for clients."""
        return self._server.address(database).set(port=self.port)


@contextmanager
def running(server: Server) -> Iterator[Pooler]:
    """A pooler that is removed afterwards."""
    pooler = Pooler(server)
    with folder_for_servers("tablero-bouncer-") as folder:
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "ini").write_text(
            f"""[databases]
* = host=127.0.0.1 port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {pooler.port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
logfile = {folder}/log
pidfile = {folder}/pid
"""
        )
        process = subprocess.Popen(
            as_postgres(["pgbouncer", folder / "ini"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(pooler, process)
            yield pooler
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(pooler: Pooler, process: subprocess.Popen[bytes]) -> None:
    engine = sa.create_engine(pooler.address("postgres"), poolclass=sa.NullPool)

    def answers() -> bool:
        assert process.poll() is None
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            return False
        return True

    wait_for("the pooler answers", answers, every=0.1)
