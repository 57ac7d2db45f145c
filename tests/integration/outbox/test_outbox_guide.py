"""The guide to the outbox's tables lists all of them, and its example queries run on both databases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from tablero.outbox.schema import metadata

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "outbox.md").read_text(encoding="utf-8")
TABLES = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", GUIDE, re.MULTILINE))
QUESTIONS = re.findall(r"^```sql\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def test_every_table_is_there() -> None:
    """The guide lists every table and no others."""
    assert set(TABLES) == set(metadata.tables)


@pytest.mark.parametrize("table", TABLES)
def test_the_columns_that_it_names_exist(table: str) -> None:
    """Every column named in the guide exists."""
    assert set(re.findall(r"`(\w+)`", TABLES[table])) <= set(metadata.tables[table].columns.keys())


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: str(QUESTIONS.index(question)))
def test_a_question(outbox: Engine, question: str) -> None:
    """Each example query runs unchanged on SQLite and PostgreSQL."""
    with outbox.connect() as connection:
        assert connection.exec_driver_sql(question).fetchall() == []
