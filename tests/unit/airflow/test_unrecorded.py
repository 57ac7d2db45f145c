"""An outage of the outbox is alerted once, and so is its end, although the outbox cannot record it."""

from __future__ import annotations

from pathlib import Path

from tablero.airflow.alerts.unrecorded import forget, is_noted, note


def test_noted_until_it_is_over(tmp_path: Path) -> None:
    """Each DAG has a note of its own, from the alert to the end of the outage."""
    note(tmp_path, "daily_send")
    note(tmp_path, "daily_send")
    assert [is_noted(tmp_path, dag_id) for dag_id in ("daily_send", "historical_load")] == [True, False]
    forget(tmp_path, "daily_send")
    forget(tmp_path, "daily_send")
    assert not is_noted(tmp_path, "daily_send")


def test_nothing_is_written_but_a_name(tmp_path: Path) -> None:
    """The note is an empty file, since a full disk has no room for more."""
    note(tmp_path, "daily_send")
    assert [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()] == [0]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """If the note cannot be written, alerting twice is better than not alerting."""
    home = tmp_path / "home"
    home.write_text("not a folder")
    note(home, "daily_send")
    assert not is_noted(home, "daily_send")
    forget(home, "daily_send")
