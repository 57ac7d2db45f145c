"""What Airflow calls when tasks and runs end."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tablero import callbacks, configuration
from tablero.errors import SetupError

CALLBACKS = [callbacks.task_failed, callbacks.run_failed, callbacks.run_succeeded]


class Opened(Exception):
    """The outbox was asked for."""


@pytest.fixture(autouse=True)
def watched_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outbox that tells when it is opened."""

    def outbox() -> None:
        raise Opened

    monkeypatch.setattr(configuration, "outbox", outbox)


def context(conf: dict[str, Any] | None) -> Any:
    ti = SimpleNamespace(dag_id="daily_send", run_id="run", task_id="post", map_index=-1, rendered_map_index=None)
    run = SimpleNamespace(dag_id="daily_send", run_id="run", run_type="manual", conf=conf, start_date=None)
    return {"ti": ti, "dag_run": run, "exception": SetupError("no such view")}


@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_dry_run_writes_nothing(callback: Callable[[Any], None]) -> None:
    """Neither its failure is recorded, which would make an outbox, nor does its success end an incident."""
    callback(context({"dry_run": True}))


@pytest.mark.parametrize("conf", [None, {}, {"dry_run": False}])
@pytest.mark.parametrize("callback", CALLBACKS)
def test_any_other_run_is_remembered(callback: Callable[[Any], None], conf: dict[str, Any] | None) -> None:
    """With parameters or without."""
    with pytest.raises(Opened):
        callback(context(conf))
