"""Oracle with oracledb. Written from its manual and driver; never run against a real server."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from tablero.errors import SetupError
from tablero.source.dialects.base import Dialect
from tablero.texts import source as texts

#: Types whose values the driver returns as local times, silently dropping the time zone.
_WITHOUT_ZONE = ("DB_TYPE_TIMESTAMP_TZ", "DB_TYPE_TIMESTAMP_LTZ")


class Oracle(Dialect):
    """Oracle."""

    def prepare(self, engine: Engine) -> None:
        """Set the session's time zone, which ``LOCALTIMESTAMP`` and ``TIMESTAMP WITH LOCAL TIME ZONE`` use."""
        event.listen(engine, "connect", self._speak_in_zone)

    def _speak_in_zone(self, connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        try:
            quoted = str(self.zone).replace("'", "")
            cursor.execute(f"ALTER SESSION SET TIME_ZONE = '{quoted}'")
        finally:
            cursor.close()

    def inspect(self, described: Any) -> None:
        """Refuse columns whose time zone the driver drops."""
        found = [name for name, kind, *_ in described if getattr(kind, "name", None) in _WITHOUT_ZONE]
        if found:
            raise SetupError(texts.ZONE_DROPPED(columns=", ".join(found), column=found[0]))
