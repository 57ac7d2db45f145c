"""A statement passed to the driver does what SQLAlchemy would do with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy.engine import Connection
from tablero.outbox.engine import Instant, connect
from tablero.outbox.queue.statement import Statement, execute

THEN = datetime(2026, 11, 25, 2, 0, 0, 123456, tzinfo=timezone.utc)

thing = sa.Table(
    "thing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(9)),
    sa.Column("since", Instant),
)

SETTLE = Statement(
    sa.update(thing)
    .where(thing.c.id == sa.bindparam("identity"), thing.c.state == "pending")
    .values(state="settled", since=sa.bindparam("since"))
    .returning(thing.c.id)
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    with connect("sqlite://").begin() as connection:
        thing.create(connection)
        connection.execute(sa.insert(thing), [{"id": number, "state": "pending"} for number in (1, 2, 3)])
        yield connection


def test_each_row_of_parameters(connection: Connection) -> None:
    """It is executed once for each row of parameters, which are converted by their types; constants stay as they are."""
    assert execute(connection, SETTLE.each({"identity": number, "since": THEN} for number in (1, 3, 4))) == [[(1,), (3,)]]
    found = connection.execute(sa.select(thing).order_by(thing.c.id)).all()
    assert [tuple(row) for row in found] == [(1, "settled", THEN), (2, "pending", None), (3, "settled", THEN)]
    assert execute(connection, SETTLE.each([{"identity": 1, "since": THEN}])) == [[]]


def test_compiled_once(connection: Connection, mocker: MockerFixture) -> None:
    """SQLAlchemy compiles it for the first execution only."""
    statement = Statement(sa.update(thing).values(state=sa.bindparam("given")))
    execute(connection, statement.each([{"given": "one"}]))
    mocker.patch.object(sa.Update, "compile", side_effect=AssertionError)
    assert execute(connection, statement.each([{"given": "two"}])) == [[]]
    assert set(connection.scalars(sa.select(thing.c.state))) == {"two"}
