"""An outbox that another program keeps locked: the wait ends when the task is stopped."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.outbox.engine import reading, writing

from tests.interrupting import TimeIsUp, interrupted_after
from tests.waiting import PATIENCE, wait_for

#: Seconds within which a wait must end after a signal, on a slow and busy machine; one that no signal ends takes a minute.
SOON = 55.0


@contextmanager
def locked(outbox: Engine) -> Iterator[None]:
    """The outbox while another program holds the lock that each writer needs."""
    if outbox.dialect.name == "sqlite":
        other = sqlite3.connect(outbox.url.database or "", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    with outbox.connect() as connection:
        connection.exec_driver_sql("BEGIN; LOCK TABLE batch")
        yield
        connection.exec_driver_sql("ROLLBACK")


def write(outbox: Engine) -> None:
    with writing(outbox) as connection:
        connection.exec_driver_sql("UPDATE batch SET rows = rows")


def test_a_signal_ends_the_wait_for_a_lock(outbox: Engine) -> None:
    """A writer that waits for a lock is interrupted by a signal, and nothing of it goes on at the server."""
    with reading(outbox):
        pass
    with locked(outbox):
        began = time.monotonic()
        with pytest.raises(TimeIsUp), interrupted_after(0.5):
            write(outbox)
        assert time.monotonic() - began < SOON
        if outbox.dialect.name == "postgresql":
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            with reading(outbox) as connection:
                # The server takes a cancel request at once, and acts on it a moment later.
                wait_for("nothing waits at the server", lambda: connection.scalar(sa.text(query)) == 0)
    write(outbox)


def test_a_writer_waits_for_another_one(outbox: Engine) -> None:
    """A writer waits until the other has finished, longer than a single wait inside SQLite."""
    released = threading.Event()

    def hold() -> None:
        with locked(outbox):
            held.set()
            released.wait(PATIENCE)

    held = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(PATIENCE)
    release = threading.Timer(2.5, released.set)
    release.start()
    write(outbox)
    assert released.is_set()
    holder.join()
