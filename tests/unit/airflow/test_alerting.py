"""What an alert says: which windows, how many rows, the first cause, what to do."""

from __future__ import annotations

import pytest
from tablero.airflow.alerting import Message, failure, late, recovery
from tablero.outbox.incidents import OpenWindow, Situation, Trouble

RUN = ("daily_send", "scheduled__2026-11-24T06:00:00+00:00")
FOUND = Situation(
    [Trouble("post", True, "X-Road Server.ServerProxy.AccessDenied: ask OGTIC"), Trouble("reconcile", True, "not settled")],
    [OpenWindow("2026-11-22", 40), OpenWindow("2026-11-23", 2)],
)


def test_a_failure() -> None:
    """Subject with the sum; text with the run, each window, and the first cause only."""
    message = failure(*RUN, FOUND, "task_failure")
    assert message.subject == "[Tablero] daily_send FALLÓ / FAILED: 42 filas pendientes / rows pending"
    assert RUN[1] in message.text
    assert "Airflow: task_failure" in message.text
    assert "2026-11-22 (40), 2026-11-23 (2)" in message.text
    assert "first cause (post):\nX-Road Server.ServerProxy.AccessDenied: ask OGTIC" in message.text
    assert "not settled" not in message.text.replace("windows not settled", "")


def test_a_failure_of_many_windows() -> None:
    """A dozen is named, the rest counted: a historical load has 83."""
    months = [OpenWindow(f"2020-{number:02}", 1) for number in range(1, 13)] * 2
    text = failure(*RUN, Situation([], months[:20]), "").text
    assert text.count("2020-") == 12
    assert "… +8" in text
    assert "Airflow:" not in text


def test_a_failure_without_the_outbox() -> None:
    """The alert is sent all the same, and says to look there first."""
    message = failure(*RUN, None, "task_failure")
    assert "0 filas" in message.subject
    assert "El outbox no responde" in message.text
    assert "The outbox does not answer" in message.text


def test_nothing_known() -> None:
    """A run that failed before anything was read: no empty lines, no list of nothing."""
    text = failure(*RUN, Situation([], []), "").text
    assert "Ventanas" not in text
    assert "causa /" not in text
    assert all(text.splitlines())


def test_lateness() -> None:
    """By when it should have been done, and what is known of it; the outbox may be silent."""
    message = late(*RUN, "06:00", FOUND)
    assert message.subject == "[Tablero] daily_send ATRASADO / LATE (06:00)"
    assert "no quedó completo a las 06:00" in message.text
    assert "2026-11-23 (2)" in message.text
    assert "post: X-Road" in message.text
    assert "06:00" in late(*RUN, "06:00", None).text


@pytest.mark.parametrize("message", [failure(*RUN, FOUND, "x"), failure(*RUN, None, ""), late(*RUN, "06:00", FOUND)])
def test_it_says_what_to_do(message: Message) -> None:
    """In both languages, on whatever failed; the subject is one line."""
    assert "Qué hacer:" in message.text
    assert "What to do:" in message.text
    assert "\n" not in message.subject


def test_a_recovery() -> None:
    """Short: what, and that all is accounted for."""
    message = recovery(*RUN)
    assert message.subject == "[Tablero] daily_send se recuperó / has recovered"
    assert "Everything that was read is delivered" in message.text
    assert "Qué hacer" not in message.text
