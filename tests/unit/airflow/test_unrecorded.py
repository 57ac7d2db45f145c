"""An outage of the outbox is alerted once, and so is its end, although the outbox cannot record it."""

from __future__ import annotations

from pathlib import Path

from tablero.airflow.alerts.unrecorded import forget, remember


def test_told_once(tmp_path: Path) -> None:
    """Each DAG alerts once until the outage is over, and again at the next one."""
    assert [remember(tmp_path, "daily_send") for _ in range(3)] == [True, False, False]
    assert remember(tmp_path, "historical_load")
    assert [forget(tmp_path, "daily_send") for _ in range(2)] == [True, False]
    assert remember(tmp_path, "daily_send")


def test_nothing_is_written_but_a_name(tmp_path: Path) -> None:
    """The note is an empty file, since a full disk has no room for more."""
    remember(tmp_path, "daily_send")
    assert [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()] == [0]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """If the note cannot be written, alerting twice is better than not alerting."""
    home = tmp_path / "home"
    home.write_text("not a folder")
    assert [remember(home, "daily_send") for _ in range(2)] == [True, True]
    assert not forget(home, "daily_send")
