"""The end of a log, as the demo shows it when something fails."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.demo_failure import last_lines


def test_plain_logs_are_shown_as_they_are(tmp_path: Path) -> None:
    """Of a plain log the last lines are shown unchanged."""
    log = tmp_path / "x.log"
    log.write_text("\n".join(f"line {number}" for number in range(30)) + '\n{"not": "a record"}\n[1]\n')
    assert list(last_lines(log, 4)) == ["line 28", "line 29", '{"not": "a record"}', "[1]"]


def test_task_logs_say_level_event_and_causes(tmp_path: Path) -> None:
    """Of a task's log, which is JSON, level, event and exceptions are shown."""
    record = {
        "level": "error",
        "event": "Task failed with exception",
        "error_detail": [{"exc_type": "SetupError", "exc_value": "There is no connection tablero_api."}],
    }
    log = tmp_path / "attempt=1.log"
    fold = '{"level":"info","event":"::endgroup::"}'
    log.write_text(f"{fold}\n{json.dumps(record)}\n{fold}\n")
    assert list(last_lines(log)) == [
        "ERROR Task failed with exception",
        "  SetupError: There is no connection tablero_api.",
    ]


def test_a_missing_log_is_said_to_be_missing(tmp_path: Path) -> None:
    """A missing log is reported as missing, since it means that the task never started."""
    (line,) = last_lines(tmp_path / "nothing.log")
    assert "nothing.log" in line
