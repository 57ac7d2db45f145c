"""A source in SQLite whose rows the tests define, and the steps shared by all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.status_change import FIELDS, StatusChange
from tablero.source.reader import Source

from tests.integration.samples import ZONE

VIEW = "tablero_status_changes"


class Institution:
    """An institution's database that the tests write to.

    :ivar source: reads it.
    """

    def __init__(self, path: Path) -> None:
        self.engine = sa.create_engine(f"sqlite:///{path}")
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"create table {VIEW} ({', '.join(FIELDS)})")
        self.source = reading(self.engine)

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Enter rows; status changes with their dates in UTC."""
        texts = [tuple(_text(value) for value in row) for row in rows]
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"insert into {VIEW} values (?, ?, ?, ?, ?)", texts)

    def remove(self, rows: Iterable[StatusChange]) -> None:
        """Delete rows by their request."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"delete from {VIEW} where request_id = ?", [(row.request_id,) for row in rows])


def reading(engine: Engine) -> Source:
    """A source on this database."""
    return Source(engine, table=VIEW, sql=None, zone=ZONE, day_zone=ZONE)


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
