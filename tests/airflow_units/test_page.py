"""The outbox as the page's process holds it: one engine, exchanged when the connection is."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine
from tablero.airflow import configuration, page
from tablero.airflow.page import PageOutbox
from tablero.outbox.reports.common import Readiness


class Connection:
    """The connection ``tablero_outbox``, which a test changes.

    :ivar asked: how often it was looked up.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.asked = 0
        self.name = "one"

    def __call__(self) -> URL:
        self.asked += 1
        return sa.make_url(f"sqlite:///{self._folder}/{self.name}.db")


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connection:
    for name in ("one", "two"):
        (tmp_path / f"{name}.db").touch()
    found = Connection(tmp_path)
    monkeypatch.setattr(configuration, "outbox_url", found)
    return found


def use(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("select 1")


def test_one_engine_for_all_requests(connection: Connection) -> None:
    """The connection is not looked up for each."""
    outbox = PageOutbox()
    assert outbox() is outbox()
    assert connection.asked == 1


def test_a_changed_connection(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it is seen; what the old engine held open is closed. One that did not change is kept as it is."""
    monkeypatch.setattr(page, "_LOOK_AGAIN", -1.0)
    outbox = PageOutbox()
    before = outbox()
    closed: list[object] = []
    event.listen(before, "close", lambda closing, _record: closed.append(closing))
    use(before)
    assert outbox() is before
    assert closed == []

    connection.name = "two"
    after = outbox()
    assert after.url.database != before.url.database
    assert len(closed) == 1
    use(after)
    after.dispose()


def test_no_file_yet(connection: Connection) -> None:
    """Nothing has run; SQLite would make an empty file for whoever looks."""
    # Not at the top: the tests of the retry policy go through all errors that there are when tests are collected.
    from tablero.web.page import NotReady

    connection.name = "none"
    with pytest.raises(NotReady) as caught:
        PageOutbox()()
    assert caught.value.found is Readiness.EMPTY
