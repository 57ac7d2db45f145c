"""The one dashboard that an outbox delivers to: rows delivered to one dashboard are missing in another.

The target is stored by the first task that sends. It may still change until something is acknowledged: after a mistyped path is
corrected nothing is lost, since all rows are pending.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, make_url
from tablero.errors import SettingsError
from tablero.outbox.engine import reading, writing
from tablero.outbox.schema import attempt, target
from tablero.settings import Settings
from tablero.texts import outbox as texts

_THE_ONE = 1

#: SQL for an operator whose dashboard was renamed.
FORGET = "DELETE FROM target"


def name_of(settings: Settings, url: str) -> str:
    """The name that distinguishes one dashboard from another.

    Over X-Road it is the path, which names the service; the host is the institution's own security server and may change.
    Without X-Road all dashboards have the same path, so the host is part of the name.

    :param url: where batches are posted.
    """
    path = settings.api_path.rstrip("/")
    if settings.over_xroad:
        return path
    address = make_url(url)
    port = f":{address.port}" if address.port else ""
    return f"{address.host}{port}{path}"


def known(connection: Connection) -> str | None:
    """The stored target; ``None`` before the first task that sends."""
    return connection.scalar(sa.select(target.c.name))


def is_other(name: str, settings: Settings) -> bool:
    """Whether a stored target is certainly not the dashboard of the settings, as far as their path tells."""
    path = settings.api_path.rstrip("/")
    return name != path if settings.over_xroad else not name.endswith(path)


def require(engine: Engine, name: str) -> None:
    """Check that the outbox delivers to this dashboard, or to none yet.

    :raises SettingsError: if it delivers to another one; the message names both and says what to do.
    """
    with reading(engine) as connection:
        _require(connection, name)


def remember(engine: Engine, name: str, now: datetime) -> None:
    """Like :func:`require`; then store this dashboard as the target.

    :raises SettingsError: as :func:`require`.
    """
    with reading(engine) as connection:
        if _require(connection, name) == name:
            return
    insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
    values = {"name": name, "since": now}
    with writing(engine) as connection:
        _require(connection, name)
        connection.execute(
            insert(target).values(id=_THE_ONE, **values).on_conflict_do_update(index_elements=[target.c.id], set_=values)
        )


def _require(connection: Connection, name: str) -> str | None:
    found = known(connection)
    if found is None or found == name:
        return found
    acknowledged = sa.select(attempt.c.id).where(attempt.c.outcome == "delivered").limit(1)
    if connection.scalar(acknowledged) is None:
        return found
    raise SettingsError(texts.ANOTHER_DASHBOARD(known=found, name=name, forget=FORGET))
