"""Outbox and source in the page's process: one engine, and few queries at a time, of limited duration."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine
from tablero.airflow import configuration, page
from tablero.airflow.page import PageOutbox, PageSource
from tablero.errors import SetupError, SourceUnavailable
from tablero.outbox.reports.snapshot import Readiness

from tests.waiting import PATIENCE, wait_for


class Connection:
    """The connection ``tablero_outbox``, which tests can change.

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
def connection(tmp_path: Path, mocker: MockerFixture) -> Connection:
    for name in ("one", "two"):
        (tmp_path / f"{name}.db").touch()
    found = Connection(tmp_path)
    mocker.patch.object(configuration, "outbox_url", found)
    return found


def use(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("select 1")


def test_one_engine_for_all_requests(connection: Connection) -> None:
    """All requests share one engine, and the connection is not looked up for each."""
    outbox = PageOutbox()
    assert outbox() is outbox()
    assert connection.asked == 1


def test_a_changed_connection(connection: Connection, mocker: MockerFixture) -> None:
    """A changed connection is noticed after a while and the old engine closed; an unchanged one is kept."""
    mocker.patch.object(page, "_REFRESH_SECONDS", -1.0)
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
    """Before the first run no file is created, although SQLite would create an empty one."""
    # Not at the top: the tests of the retry policy go through all errors that there are when tests are collected.
    from tablero.web.page import NotReady

    connection.name = "none"
    with pytest.raises(NotReady) as caught:
        PageOutbox()()
    assert caught.value.found is Readiness.EMPTY


class SlowSource:
    """A source that answers when the test says so, or is cancelled.

    :ivar at_once: the most queries that ran at the same time.
    """

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.is_cancelled = threading.Event()
        self.asking = self.at_once = 0

    def of_request(self, request_id: str) -> list[tuple[Any, ...]]:
        self.asking += 1
        self.at_once = max(self.at_once, self.asking)
        try:
            while not self.answers.wait(0.01):
                if self.is_cancelled.is_set():
                    raise SourceUnavailable("cancelled")
            return [("1041", request_id, None, 1, None)]
        finally:
            self.asking -= 1

    def cancel(self) -> None:
        self.is_cancelled.set()


@pytest.fixture
def slow(mocker: MockerFixture) -> SlowSource:
    made = SlowSource()

    @contextmanager
    def source(_settings: object) -> Iterator[SlowSource]:
        yield made

    mocker.patch.object(configuration, "source", source)
    return made


def ask_source() -> PageSource:
    """The query function given to the page."""
    return PageSource(lambda: None)  # type: ignore[arg-type, return-value] # no setting is looked at


def test_the_source_answers(slow: SlowSource) -> None:
    """The source's rows are returned unchanged."""
    slow.answers.set()
    assert ask_source()("REQ-77", 30) == [("1041", "REQ-77", None, 1, None)]


def test_a_source_that_takes_too_long_is_cancelled(slow: SlowSource) -> None:
    """A query that takes too long is cancelled, and leaves nothing running on the institution's server."""
    with pytest.raises(SourceUnavailable, match="did not answer within 0 seconds"):
        ask_source()("REQ-77", 0.05)
    assert slow.is_cancelled.wait(PATIENCE)


def test_the_source_is_asked_few_questions_at_a_time(slow: SlowSource) -> None:
    """Only a few queries run at a time; a request that gets no turn gets an error, and its query is dropped."""
    ask = ask_source()
    errors: list[str] = []

    def look_up() -> None:
        try:
            ask("REQ-77", 0.3)
        except SourceUnavailable as error:
            errors.append(str(error))

    people = [threading.Thread(target=look_up) for _ in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join(PATIENCE)
    assert len(errors) == 8
    assert slow.at_once <= 2
    slow.answers.set()
    wait_for("no query is left", lambda: slow.asking == 0)


def test_a_source_that_is_not_set_up_says_so(mocker: MockerFixture) -> None:
    """A source that is not configured raises the same error as in a task."""

    @contextmanager
    def source(_settings: object) -> Iterator[Any]:
        raise SetupError("no connection")
        yield

    mocker.patch.object(configuration, "source", source)
    with pytest.raises(SetupError, match="no connection"):
        ask_source()("REQ-77", 30)
