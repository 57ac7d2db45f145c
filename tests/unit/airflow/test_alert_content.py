"""The content of an alert: what happened, which windows, since when, the first cause, what to do, and links."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from tablero.airflow.alerts.content import Alert, degraded, failure, late, normal, recovery, undelivered
from tablero.outbox.alerts.troubles import OpenWindow, Situation, Trouble
from tablero.outbox.findings import Degradation
from tablero.texts.text import Text

BASE = "https://airflow.example.gob.do/af"
RUN = ("daily_send", "scheduled__2026-11-24T06:00:00+00:00")
BY_HAND = ("historical_load", "manual__1")
RUN_LINK = f"{BASE}/dags/daily_send/runs/scheduled__2026-11-24T06%3A00%3A00%2B00%3A00"
DENIED = Trouble("post", True, "X-Road AccessDenied: ask OGTIC", "DashboardError:1", "post", -1, 3)
UNSETTLED = Trouble("reconcile", True, "not settled", "NotSettledError", "reconcile", -1, 1)


def opened(label: str, pending: int) -> OpenWindow:
    """A month or a day that a run left open, by its label."""
    year, number, *day = map(int, label.split("-"))
    start = datetime(year, number, *(day or [1]), tzinfo=timezone.utc)
    return OpenWindow(label, pending, start, start + timedelta(days=1 if day else 31))


FOUND = Situation([UNSETTLED, DENIED], [opened("2026-11-22", 40), opened("2026-11-23", 1002)])
SINCE = datetime(2026, 11, 23, 2, 10, tzinfo=timezone.utc)
REJECTED = Degradation("rejected", "2026-11-23", SINCE, SINCE, 60, 400)


def test_a_late_day_that_waits() -> None:
    """If no task has failed, the cause is what the task waits for: it will be retried, or the dashboard asked to wait."""
    wait = Trouble("post", False, "the dashboard asks to wait. It continues at 09:30", "waits:DashboardBusy", "post", -1, 1)
    alert = late(*RUN, "06:00", FOUND._replace(troubles=[]), base_url=BASE, wait=wait)
    assert "Primera causa (post) / First cause (post):\nthe dashboard asks to wait. It continues at 09:30" in alert.to_text()
    assert alert.links.log == f"{RUN_LINK}/tasks/post?try_number=1"
    assert late(*RUN, "06:00", FOUND, base_url=BASE, wait=wait).cause == ("post", DENIED.words)


def test_a_failure() -> None:
    """An alert has the total in its subject, and the windows, the start, the root cause and the remedy, in both languages."""
    alert = failure(*RUN, FOUND, base_url=BASE, since=SINCE)
    text = alert.to_text()
    assert alert.title == "[Tablero] daily_send FALLÓ / FAILED: 1,042 filas pendientes / rows pending"
    for words in (
        "Ventanas sin completar, con sus filas pendientes: 2026-11-22 (40), 2026-11-23 (1,002)",
        "Since: 2026-11-23 02:10",
        "Primera causa (post) / First cause (post):\nX-Road AccessDenied: ask OGTIC",
        "Qué hacer: corrija la causa",
        "What to do: fix the cause",
        "Limpiar Instancia de Tarea",
    ):
        assert words in text
    assert "not settled\n" not in text


def test_links() -> None:
    """The links lead to the run, the log of the first failed task and the page of the first open day, at Airflow's address."""
    links = failure(*RUN, FOUND, base_url=f"{BASE}/").to_json()["links"]
    assert links == {"run": RUN_LINK, "log": f"{RUN_LINK}/tasks/post?try_number=3", "page": f"{BASE}/tablero/window/2026-11-22"}


@pytest.mark.parametrize(
    ("cause", "label", "page"),
    [
        ("rejected", "2026-11-23", "rejections?month=2026-11-23"),
        ("all_rejected", "2026-10", "rejections?month=2026-10"),
        ("undated", "undated", "rejections?month=undated"),
        ("few_refusals", "*", "rejections"),
        ("no_rows", "2026-11-23", "window/2026-11-23"),
        ("audit", "2026-10", "window/2026-10"),
        ("unknown", "*", "batches?show=unknown&run=scheduled__2026-11-24T06%3A00%3A00%2B00%3A00"),
        ("future", "future", ""),
    ],
)
def test_the_page_of_a_degradation(cause: str, label: str, page: str) -> None:
    """A degradation links to the page that shows it."""
    alert = degraded(*RUN, [Degradation(cause, label, SINCE, SINCE, 1, 2)], base_url=BASE)
    assert alert.links.page == f"{BASE}/tablero/{page}"


def test_nothing_is_pending() -> None:
    """If a day could not be read, no pending rows are known; the subject says how many days are affected instead."""
    alert = failure(*RUN, Situation([DENIED], [opened("2026-11", 0), opened("2026-11-23", 0)]), base_url=BASE)
    assert alert.title == "[Tablero] daily_send FALLÓ / FAILED: 2 ventanas sin completar / windows not settled"
    assert alert.links.page.endswith("/window/2026-11-23")  # the day, not the month that contains it


def test_the_log_of_a_month() -> None:
    """The link to a mapped task's log includes its map index."""
    month = Trouble("load_month 2021-01", False, "down", "DashboardUnavailable", "load_month", 12, 2)
    alert = failure(*BY_HAND, Situation([month], []), base_url=BASE)
    assert alert.links.log == f"{BASE}/dags/historical_load/runs/manual__1/tasks/load_month/mapped/12?try_number=2"


def test_for_machines() -> None:
    """A webhook receives fields, and the text for services that show only a text."""
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
    """In the mail, links can be clicked, and a server's words are escaped."""
    trouble = DENIED._replace(words="<script>alert(1)</script>")
    mail = failure(*RUN, Situation([trouble], []), base_url=BASE).to_html()
    assert f'<a href="{RUN_LINK}">Ejecución / Run</a>' in mail
    assert '<p lang="es">' in mail
    assert "<script>" not in mail


def test_a_failure_of_many_windows() -> None:
    """Twelve windows are listed and the rest are counted: a historical load has 83."""
    months = [opened(f"2020-{number:02}", 1) for number in range(1, 13)] * 2
    text = failure(*BY_HAND, Situation([], months[:20]), base_url=BASE).to_text()
    assert text.count("2020-") == 12 * 2 + 1  # once in each language, and the first one also in the link
    assert "and 8 more" in text


def test_what_is_pending_is_counted_once() -> None:
    """A nightly run proves days and the months that contain them; both are named, but their rows are counted once."""
    both = Situation([], [opened("2026-11-01", 1010), opened("2026-11-22", 10), opened("2026-10-05", 5)])
    month = both.windows[0]._replace(label="2026-11", end=datetime(2026, 12, 1, tzinfo=timezone.utc))
    assert Situation([], [month, *both.windows[1:]]).pending == 1015


def test_a_month_beside_its_days() -> None:
    """A month is named beside its days only if it has other pending rows than theirs."""
    day, month = opened("2026-11-22", 10), opened("2026-11", 10)
    text = failure(*RUN, Situation([], [day, month]), base_url=BASE).to_text()
    assert "\nWindow not settled, with rows pending: 2026-11-22 (10)\n" in text
    text = failure(*RUN, Situation([], [day, month._replace(pending=11)]), base_url=BASE).to_text()
    assert "\nWindows not settled, with rows pending: 2026-11-22 (10), 2026-11 (11)\n" in text


@pytest.mark.parametrize("found", [None, FOUND], ids=["cannot be read", "cannot be written"])
def test_a_failure_of_the_outbox(found: Situation | None) -> None:
    """If the outbox is down, the alert is still sent: it gives the outbox's error as the cause and says to check it."""
    words = Text("el disco está lleno", "the disk is full")
    alert = failure(*RUN, found, base_url=BASE, silent=words)
    assert alert.title == "[Tablero] daily_send FALLÓ / FAILED: el outbox no responde / the outbox does not answer"
    assert "What to do: look at the outbox (connection tablero_outbox" in alert.to_text()
    assert alert.to_json()["cause"] == str(words)
    assert "fix the cause" not in alert.to_text()


def test_a_long_cause() -> None:
    """The webhook's text fits into a Telegram message and keeps all links; the mail has the whole cause."""
    endless = Trouble("post", True, "words " * 600, "DashboardError:1", "post", -1, 1)
    windows = [opened(f"2026-{month:02}-{day:02}", 123_456) for month in (9, 10) for day in range(1, 31)]
    alert = failure(*RUN, Situation([endless], windows), base_url=BASE * 3)
    sent = alert.to_json()
    assert len(alert.to_text()) > 4_096 >= len(sent["text"])
    assert all(link in sent["text"] for link in sent["links"].values())
    assert "…\n\nEjecución / Run: " in sent["text"]
    assert endless.words in alert.to_html()


def test_a_digest_that_was_not_sent() -> None:
    """The webhook reports that the mail could not be sent."""
    alert = undelivered(*RUN, "2026-10", base_url=BASE)
    assert alert.kind == "undelivered"
    assert "the digest 2026-10 could not be sent by mail" in alert.title
    assert "check connection smtp_default" in alert.to_text()


def test_only_a_consequence_is_known() -> None:
    """If only a consequence is known, the alert reports that."""
    alert = failure(*RUN, Situation([UNSETTLED], []), base_url=BASE)
    assert alert.cause == ("reconcile", "not settled")
    assert alert.title == "[Tablero] daily_send FALLÓ / FAILED: tarea / task reconcile"


def test_nothing_known() -> None:
    """An alert of a run that failed before anything was read has no empty list."""
    alert = failure(*RUN, Situation([], []), base_url=BASE)
    assert alert.title == "[Tablero] daily_send FALLÓ / FAILED: causa no registrada / cause not recorded"
    text = alert.to_text()
    assert "Ventanas" not in text
    assert "First cause" not in text
    assert "Log of the task" not in text


def test_lateness() -> None:
    """A late day is reported with its deadline and what is known of it, even if the outbox does not answer."""
    alert = late(*RUN, "06:00", FOUND, base_url=BASE)
    assert alert.title == "[Tablero] daily_send ATRASADO / LATE (06:00)"
    assert "no quedó completo a las 06:00" in alert.to_text()
    assert "X-Road AccessDenied" in alert.to_text()
    assert "06:00" in late(*RUN, "06:00", None, base_url=BASE).to_text()


def test_not_as_usual() -> None:
    """A degraded run is reported with the cause, the numbers, and a remedy for each cause."""
    empty = Degradation("no_rows", "2026-11-23", SINCE, SINCE, 0, 415)
    alert = degraded(*RUN, [REJECTED, empty], base_url=BASE)
    assert alert.kind == "degraded"
    assert "daily_send DEGRADADO: 2026-11-23: 60 de 400 filas fueron rechazadas" in alert.title
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
    """Every alert says what to do, in both languages, and has a subject of one line."""
    assert "Qué hacer:" in alert.to_text()
    assert "What to do:" in alert.to_text()
    assert "\n" not in alert.title


@pytest.mark.parametrize("alert", [recovery(*RUN, base_url=BASE), normal(*RUN, ["no_rows"], base_url=BASE)])
def test_the_end(alert: Alert) -> None:
    """A recovery notice is short and asks for nothing."""
    assert "Qué hacer" not in alert.to_text()
    assert RUN[1] in alert.to_text()
