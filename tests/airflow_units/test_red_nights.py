"""Nights that fail: what their log and ``status`` say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from tablero.airflow import history
from tablero.delivery import counting
from tablero.errors import NotSettledError
from tablero.outbox.engine import connect, reading
from tablero.outbox.upgrade import migrate
from tablero.web.status import Health, status

from tests.airflow_units.random_nights import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An institution with one row, before its first night."""
    engine = connect(f"sqlite:///{tmp_path}/outbox.db")
    migrate(engine)
    world = World(engine, tmp_path, random.Random(1), date(2026, 9, 1), {})
    world.install(monkeypatch)
    world.institution.add([("1041", "R-1", "2026-08-01 08:00:00", 2, "2026-09-01 09:00:00")])
    yield world
    engine.dispose()


@pytest.mark.parametrize(("mode", "named"), [("up", ["extract", "post"]), ("down", [])])
def test_failed_tasks_are_named_before_the_run_fails(mode: str, named: list[str], world: World, mocker: MockerFixture) -> None:
    """They are named if the window is settled, whatever else the proof complains about; a window that is not needs action."""
    world.dashboard.mode = mode
    mocker.patch.object(counting, "require_whole", side_effect=NotSettledError("another window lacks rows"))
    name = mocker.patch.object(history, "name_failed_tasks")
    assert not world.night().is_green
    assert {tuple(call.args[0]) for call in name.call_args_list} == {tuple(named)}


def test_a_first_night_that_fails(world: World) -> None:
    """That nothing was ever read does not hide that runs fail: the status is late, and not unknown."""
    world.source_is_down = True
    assert not world.night().is_green
    with reading(world.engine) as connection:
        found = status(connection, world.settings, world.now)
    assert (found.state, found.is_failing) == (Health.LATE, True)
    assert ", runs fail, " in found.line().en
