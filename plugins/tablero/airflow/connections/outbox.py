"""Where an outbox is, by its connection."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from tablero.airflow.connections.lookup import OUTBOX, translated
from tablero.errors import SetupError
from tablero.texts import airflow as texts

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

#: Executors whose tasks all run on the scheduler's machine.
_LOCAL_EXECUTORS = {"LocalExecutor", "SequentialExecutor"}


def address_of(connection: Any) -> URL:
    """The SQLAlchemy URL of an outbox.

    :raises SetupError: if the type of the connection is unsupported, or it is SQLite and tasks run on several machines.
    """
    from sqlalchemy import make_url

    with translated(connection):
        hook = connection.get_hook()
        if hook.conn_type == "sqlite":
            require_one_machine()
            return make_url(hook.get_uri())
        if hook.conn_type == "postgres":
            from tablero.source import parameters

            return parameters.postgresql(hook.sqlalchemy_url, connection)
        return make_url(f"{hook.conn_type}://")


def require_one_machine() -> None:
    """Refuse an SQLite file where tasks run on several machines: each would use its own file, or they would share one over a
    network file system that cannot lock it.

    :raises SetupError: names the executors.
    """
    elsewhere = _executors_elsewhere()
    if elsewhere:
        raise SetupError(texts.SQLITE_ELSEWHERE(executors=", ".join(elsewhere), conn_id=OUTBOX))


def _executors_elsewhere() -> list[str]:
    # All forms of the setting: A,B  alias:A  module.path.A  A;team=B,alias:C
    entries = re.split(r"[,;]", conf.get("core", "executor"))
    names = [re.split(r"[=:.]", entry.strip())[-1] for entry in entries]
    if os.environ.get("AIRFLOW_IS_K8S_EXECUTOR_POD"):
        # In the pod of a task the Helm chart sets LocalExecutor, which is what runs there.
        names.append("KubernetesExecutor")
    return list(dict.fromkeys(name for name in names if name and name not in _LOCAL_EXECUTORS))
