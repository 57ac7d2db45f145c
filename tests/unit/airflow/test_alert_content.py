"""What an alert says: what happened, which windows, since when, the first cause, what to do, and where to look."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from tablero.airflow.alerts.content import Alert, degraded, failure, late, normal, recovery, undelivered
from tablero.outbox.findings import Degradation
from tablero.outbox.incidents import OpenWindow, Situation, Trouble
from tablero.texts.text import Text

BASE = "https://airflow.example.gob.do/af"
RUN = ("daily_send", "scheduled__2026-11-24T06:00:00+00:00")
BY_HAND = ("historical_load", "manual__1")
RUN_LINK = f"{BASE}/dags/daily_send/runs/scheduled__2026-11-24T06%3A00%3A00%2B00%3A00"
DENIED = Trouble("post", True, "X-Road AccessDenied: ask OGTIC", "DashboardError:1", "post", -1, 3)
UNSETTLED = Trouble("reconcile", True, "not settled", "NotSettledError", "reconcile", -1, 1)


def opened(label: str, pending: int) -> OpenWindow:
    """A month or a day which a run left open, by its label."""
    year, number, *day = map(int, label.split("-"))
    start = datetime(year, number, *(day or [1]), tzinfo=timezone.utc)
    return OpenWindow(label, pending, start, start + timedelta(days=1 if day else 31))


FOUND = Situation([UNSETTLED, DENIED], [opened("2026-11-22", 40), opened("2026-11-23", 1002)])
SINCE = datetime(2026, 11, 23, 2, 10, tzinfo=timezone.utc)
REJECTED = Degradation("rejected", "2026-11-23", SINCE, SINCE, 60, 400)


def test_a_failure() -> None:
    """The sum in the subject; the windows, since when, the cause and not its consequence, what to do; in both languages."""
    alert = failure(*RUN, FOUND, base_url=BASE, since=SINCE)
    text = alert.to_text()
    assert alert.title == "[Tablero] daily_send FALLÓ / FAILED: 1,042 filas pendientes / rows pending"
    for words in (
        "Ventanas sin completar, con filas pendientes: 2026-11-22 (40), 2026-11-23 (1,002)",
        "Since: 2026-11-23 02:10",
        "Primera causa (post) / First cause (post):\nX-Road AccessDenied: ask OGTIC",
        "Qué hacer: corrija la causa",
        "What to do: fix the cause",
        "Limpiar Instancia de Tarea",
    ):
        assert words in text
    assert "not settled\n" not in text


def test_links() -> None:
    """To the run, to the log of the task that failed first, and to the page of the first open day, by Airflow's own address."""
    links = failure(*RUN, FOUND, base_url=f"{BASE}/").to_json()["links"]
    assert links == {"run": RUN_LINK, "log": f"{RUN_LINK}/tasks/post?try_number=3", "page": f"{BASE}/tablero/window/2026-11-22"}


@pytest.mark.parametrize(
    ("cause", "label", "page"),
    [
        ("rejected", "2026-11-23", "rejections?month=2026-11"),
        ("all_rejected", "2026-10", "rejections?month=2026-10"),
        ("undated", "undated", "rejections"),
        ("no_rows", "2026-11-23", "window/2026-11-23"),
        ("audit", "2026-10", "window/2026-10"),
        ("unknown", "*", "activity"),
    ],
)
def test_the_page_of_a_degradation(cause: str, label: str, page: str) -> None:
    """What the alert asks to open."""
    alert = degraded(*RUN, [Degradation(cause, label, SINCE, SINCE, 1, 2)], base_url=BASE)
    assert alert.links.page == f"{BASE}/tablero/{page}"


def test_nothing_is_pending() -> None:
    """Of a day that could not be read nothing is known to be pending; the subject says how many days that are."""
    alert = failure(*RUN, Situation([DENIED], [opened("2026-11", 0), opened("2026-11-23", 0)]), base_url=BASE)
    assert alert.title == "[Tablero] daily_send FALLÓ / FAILED: 2 ventanas sin completar / windows not settled"
    assert alert.links.page.endswith("/window/2026-11-23")  # the day, and not the month that it lies in


def test_the_log_of_a_month() -> None:
    """A mapped task has a log for each index."""
    month = Trouble("load_month 2021-01", False, "down", "DashboardUnavailable", "load_month", 12, 2)
    alert = failure(*BY_HAND, Situation([month], []), base_url=BASE)
    assert alert.links.log == f"{BASE}/dags/historical_load/runs/manual__1/tasks/load_month/mapped/12?try_number=2"


def test_for_machines() -> None:
    """The webhook gets fields, and the text for those that only show a text."""
    json = failure(*RUN, FOUND, base_url=BASE, since=SINCE, degraded=[REJECTED]).to_json()
    assert {key: json[key] for key in ("kind", "dag_id", "run_id", "pending", "rejected", "cause", "since")} == {
        "kind": "failure",
        "dag_id": RUN[0],
        "run_id": RUN[1],
        "pending": 1042,
        "rejected": 60,
        "cause": DENIED.words,
        "since": SINCE.isoformat(),
    }
    assert json["windows"] == [{"window": "2026-11-22", "pending": 40}, {"window": "2026-11-23", "pending": 1002}]
    assert json["degraded"] == [{"cause": "rejected", "window": "2026-11-23", "rows": 60, "of": 400}]
    assert json["text"].startswith(json["subject"])


def test_as_a_mail() -> None:
    """Links can be clicked, and what a server said is no markup."""
    trouble = DENIED._replace(words="<script>alert(1)</script>")
    mail = failure(*RUN, Situation([trouble], []), base_url=BASE).to_html()
    assert f'<a href="{RUN_LINK}">Ejecución / Run</a>' in mail
    assert '<p lang="es">' in mail
    assert "<script>" not in mail


def test_a_failure_of_many_windows() -> None:
    """A dozen is named, the rest counted: a historical load has 83."""
    months = [opened(f"2020-{number:02}", 1) for number in range(1, 13)] * 2
    text = failure(*BY_HAND, Situation([], months[:20]), base_url=BASE).to_text()
    assert text.count("2020-") == 12 * 2 + 1  # once in each language, and the first one in the link
    assert "and 8 more" in text


def test_what_is_pending_is_counted_once() -> None:
    """A night proves days, and the months in which they lie; both are named, and their rows are the same."""
    both = Situation([], [opened("2026-11-01", 1010), opened("2026-11-22", 10), opened("2026-10-05", 5)])
    month = both.windows[0]._replace(label="2026-11", end=datetime(2026, 12, 1, tzinfo=timezone.utc))
    assert Situation([], [month, *both.windows[1:]]).pending == 1015


@pytest.mark.parametrize("found", [None, FOUND], ids=["cannot be read", "cannot be written"])
def test_a_failure_of_the_outbox(found: Situation | None) -> None:
    """The alert is sent all the same: with what the outbox answered for its cause, and to look there."""
    words = Text("el disco está lleno", "the disk is full")
    alert = failure(*RUN, found, base_url=BASE, silent=words)
    assert alert.title == "[Tablero] daily_send FALLÓ / FAILED: el outbox no responde / the outbox does not answer"
    assert "What to do: look at the outbox (connection tablero_outbox" in alert.to_text()
    assert alert.to_json()["cause"] == str(words)
    assert "fix the cause" not in alert.to_text()


def test_a_long_cause() -> None:
    """The webhook's text is no longer than Telegram takes; the links are all there, and the mail has all of the cause."""
    endless = Trouble("post", True, "words " * 600, "DashboardError:1", "post", -1, 1)
    windows = [opened(f"2026-{month:02}-{day:02}", 123_456) for month in (9, 10) for day in range(1, 31)]
    alert = failure(*RUN, Situation([endless], windows), base_url=BASE * 3)
    sent = alert.to_json()
    assert len(alert.to_text()) > 4_096 >= len(sent["text"])
    assert all(link in sent["text"] for link in sent["links"].values())
    assert "…\n\nEjecución / Run: " in sent["text"]
    assert endless.words in alert.to_html()


def test_a_digest_that_was_not_sent() -> None:
    """Whoever gets the webhook learns that the mail does not go."""
    alert = undelivered(*RUN, "2026-10", base_url=BASE)
    assert alert.kind == "undelivered"
    assert "the digest 2026-10 could not be sent by mail" in alert.title
    assert "check connection smtp_default" in alert.to_text()


def test_only_a_consequence_is_known() -> None:
    """Then it is what is said."""
    assert failure(*RUN, Situation([UNSETTLED], []), base_url=BASE).cause == ("reconcile", "not settled")


def test_nothing_known() -> None:
    """A run that failed before anything was read: no list of nothing."""
    text = failure(*RUN, Situation([], []), base_url=BASE).to_text()
    assert "Ventanas" not in text
    assert "First cause" not in text
    assert "Log of the task" not in text


def test_lateness() -> None:
    """By when it should have been done, and what is known of it; the outbox may be silent."""
    alert = late(*RUN, "06:00", FOUND, base_url=BASE)
    assert alert.title == "[Tablero] daily_send ATRASADO / LATE (06:00)"
    assert "no quedó completo a las 06:00" in alert.to_text()
    assert "X-Road AccessDenied" in alert.to_text()
    assert "06:00" in late(*RUN, "06:00", None, base_url=BASE).to_text()


def test_not_as_usual() -> None:
    """What, how much of how much, and what to do about each cause."""
    empty = Degradation("no_rows", "2026-11-23", SINCE, SINCE, 0, 415)
    alert = degraded(*RUN, [REJECTED, empty], base_url=BASE)
    assert alert.kind == "degraded"
    assert "daily_send DEGRADADO: 2026-11-23: 60 de 400 filas rechazadas" in alert.title
    assert "2026-11-23: 0 rows; usual for that day is 415" in alert.to_text()
    assert alert.to_text().count("Qué hacer:") == 2
    assert alert.to_json()["windows"] == [{"window": "2026-11-23", "pending": 0}]


@pytest.mark.parametrize(
    "alert",
    [
        failure(*RUN, FOUND, base_url=BASE),
        failure(*RUN, None, base_url=BASE),
        late(*RUN, "06:00", FOUND, base_url=BASE),
        degraded(*RUN, [REJECTED], base_url=BASE),
    ],
    ids=lambda alert: alert.kind,
)
def test_it_says_what_to_do(alert: Alert) -> None:
    """In both languages, on whatever happened; the subject is one line."""
    assert "Qué hacer:" in alert.to_text()
    assert "What to do:" in alert.to_text()
    assert "\n" not in alert.title


@pytest.mark.parametrize("alert", [recovery(*RUN, base_url=BASE), normal(*RUN, ["no_rows"], base_url=BASE)])
def test_the_end(alert: Alert) -> None:
    """Short, and nothing to do."""
    assert "Qué hacer" not in alert.to_text()
    assert RUN[1] in alert.to_text()
