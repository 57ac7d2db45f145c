"""The command line reads one state of the outbox, whatever is written meanwhile."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.airflow import configuration
from tablero.command_line import outbox as commands
from tablero.outbox.alerts import queue
from tablero.outbox.engine import writing
from tablero.outbox.schema import notification

from tests.integration.samples import NOW

pytestmark = pytest.mark.airflow


def test_what_is_written_meanwhile_is_not_seen(outbox: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is cut between two pages would otherwise be printed once whole and once in parts."""
    monkeypatch.setattr(configuration, "outbox_url", lambda: outbox.url)
    count = sa.select(sa.func.count()).select_from(notification)
    with commands._asking() as connection:
        assert connection.scalar(count) == 0
        with writing(outbox) as writer:
            queue.put(writer, ["mail"], {}, now=NOW)
        assert connection.scalar(count) == 0
    with commands._asking() as connection:
        assert connection.scalar(count) == 1
