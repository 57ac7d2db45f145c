"""Outboxes of an earlier schema, and a migration that dies again and again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import tablero
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Engine
from tablero.errors import OutboxUnavailable
from tablero.outbox.upgrade import migrate

_MIGRATIONS = Path(tablero.__path__[0]) / "outbox" / "migrations"


def create_schema(engine: Engine, version: str) -> None:
    """Create the tables as they were in that version of the schema."""
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(_MIGRATIONS))
        command.upgrade(config, version)


def migrate_between_deaths(engine: Engine, dead: Callable[[], None]) -> None:
    """Migrate an outbox that dies at every second commit, and in the end one that lives.

    :param dead: called after each death, of which there are several.
    """
    commits = deaths = 0

    def dying(_: Any) -> None:
        nonlocal commits
        commits += 1
        if commits % 2 == 0:
            raise OutboxUnavailable("killed")

    sa.event.listen(engine, "commit", dying)
    for _ in range(20):
        try:
            migrate(engine)
            break
        except OutboxUnavailable:
            deaths += 1
            dead()
    sa.event.remove(engine, "commit", dying)
    migrate(engine)
    assert deaths > 3
