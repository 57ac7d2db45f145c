"""Twelve incidents, each with one alert that gives the right instructions.

Each one happens in a real Airflow, with a real mail server, webhook and monitor: see :class:`tests.airflow.incidents.Incident`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy.engine import URL
from tablero.contract.windows import month_windows

from sandbox.testing import Handle
from tests.airflow.client import wait_for
from tests.airflow.incidents import DAILY, HISTORY, World, days
from tests.airflow.institution import Change
from tests.airflow.server import ROOT

pytestmark = [pytest.mark.system, pytest.mark.endurance]

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, new_metadata: Callable[[], URL], sandbox: Handle) -> Iterator[World]:
    """The Airflow with both DAGs switched on, after the night that was due then."""
    with World.running(tmp_path_factory.mktemp("incidents"), new_metadata(), sandbox) as world:
        before = world.begin("before")
        for dag_id in (DAILY, HISTORY):
            world.airflow.unpause(dag_id)
        (run,) = wait_for("the first night has begun", lambda: world.airflow.runs(DAILY, run_type="scheduled"))
        before.ends(DAILY, run["dag_run_id"], "success")
        wait_for("everyone has heard of it", lambda: world.beats and world.mailbox.about("Resumen"))
        yield world


def test_a_good_night(world: World) -> None:
    """A good night makes one call to the monitor, sends last month's digest with its evidence, and no alert."""
    story, night = world.begin("a good night"), date(2024, 3, 1)
    story.day(night)
    story.day(night - DAY)
    story.night(night, "success")
    (digest,) = wait_for("the digest is sent", lambda: story.digests("2024-02"))
    story.quiet("failure", "late", "degraded", "normal", "recovery", "undelivered")
    assert world.beats == ["/ping/tablero"]
    story.delivered()
    assert "2024-02: 5 filas entregadas" in digest.subject
    assert digest.to == ["operaciones@example.org"]
    assert "todo al día" in digest.plain
    assert f"{world.server.url}/tablero/" in digest.text
    ((name, content),) = digest.files.items()
    assert name == "tablero-constancia-2024-02.json"
    assert {key: orjson.loads(content)[key] for key in ("month", "delivered")} == {"month": "2024-02", "delivered": 5}


def test_the_dashboard_is_down(world: World) -> None:
    """1: nothing is lost; once the dashboard is back, the failed task is cleared."""
    story, night = world.begin("dashboard down"), date(2024, 3, 12)
    story.day(night)
    world.sandbox.add_fault(kind="status", status=503)
    alert = story.alert("failure", story.night(night, "failed"))
    assert alert["pending"] == 5
    assert [window["window"] for window in alert["windows"]] == [str(night)]
    assert "HTTP 503" in alert["cause"]
    assert "/tasks/post" in alert["links"]["log"]
    world.sandbox.clear_faults()
    story.clear(alert)
    story.over(alert["run_id"])


def test_the_access_was_revoked(world: World) -> None:
    """2: the alert says whom to contact; once access is restored, the failed task is cleared."""
    story, night = world.begin("access revoked"), date(2024, 3, 13)
    story.day(night)
    world.sandbox.add_fault(kind="xroad", type="Server.ServerProxy.AccessDenied")
    alert = story.alert("failure", story.night(night, "failed"))
    assert "solicit" in alert["cause"]
    assert "ask Burocracia Cero / OGTIC" in alert["cause"]
    world.sandbox.clear_faults()
    story.clear(alert)
    story.over(alert["run_id"])


def test_one_poison_row(world: World) -> None:
    """3: other rows are delivered; the page shows the bad row and the reason; corrected at the source, it is sent."""
    story, night = world.begin("one poison row"), date(2024, 3, 14)
    story.day(night)
    story.institution.commit([Change("POISON-1", story.at(night))])
    world.sandbox.add_fault(kind="refuse", match={"request_id": "^POISON"}, message="request_id is malformed")
    alert = story.alert("degraded", story.night(night, "success"))
    assert alert["degraded"] == [{"cause": "rejected", "window": str(night), "rows": 1, "of": 6}]
    story.shows(alert["links"]["page"], "POISON-1", "request_id is malformed")

    story.institution.mend("delete from history where request = 'POISON-1'")
    story.enter(Change("CURED-1", story.at(night)))
    story.day(night + DAY)
    story.over(story.night(night + DAY, "success"), "normal")


def test_wrong_service_ids_at_go_live(world: World) -> None:
    """4: no row is refused for good; the view is corrected and the load triggered again."""
    story = world.begin("wrong service ids at go-live")
    wrong = [Change(f"GO-{number}", story.at(date(2024, 1, 1 + number)), service="999") for number in range(20)]
    story.institution.commit(wrong)
    world.sandbox.add_fault(kind="refuse", match={"service_id": "999"}, name_indexes=False)
    load = {"start_month": "2024-01", "end_month": "2024-01"}
    alert = story.alert("failure", story.load(load, "failed"))
    assert alert["pending"] == 20
    assert "Check service_id" in alert["cause"]

    story.institution.mend("update history set service = '123'")
    story.rows += [change._replace(service="123") for change in wrong]
    story.over(story.load(load, "success"))


def test_wrong_service_ids_in_a_night(world: World) -> None:
    """4, at night: the view is corrected and the failed task cleared; only the corrected rows are sent."""
    story, night = world.begin("wrong service ids in a night"), date(2024, 3, 19)
    wrong = [Change(f"ID-{number}", story.at(night, 8 + number), service="999") for number in range(3)]
    story.institution.commit(wrong)
    world.sandbox.add_fault(kind="refuse", match={"service_id": "999"}, name_indexes=False)
    alert = story.alert("failure", story.night(night, "failed"))
    assert "Check service_id" in alert["cause"]

    story.institution.mend("update history set service = '123'")
    story.rows += [change._replace(service="123") for change in wrong]
    story.clear(alert)
    story.over(alert["run_id"])


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk that is full needs root, who may mount a small one")
def test_the_outbox_is_full(world: World, tmp_path: Path) -> None:
    """5: the alert is sent although nothing can be recorded; once there is space, the failed task is cleared."""
    story, night = world.begin("outbox full"), date(2024, 3, 16)
    with small_disk(tmp_path / "disk") as disk:
        story.use(disk / "outbox.db")
        story.settled(night - DAY)
        story.day(night)
        ballast = disk / "core.1234"
        fill(ballast)
        run_id = story.night(night, "failed")
        alert = story.alert("failure", run_id)
        assert "disk is full" in alert["cause"]
        assert "is there room on its disk" in alert["text"]
        ballast.unlink()
        world.airflow.clear(DAILY, run_id, "preflight")
        story.ends(DAILY, run_id, "success")
        story.over(run_id)
        story.use(world.folder / "after-outbox-full.db")


def test_three_days_outage(world: World) -> None:
    """6: alerted in the first night only; the first night after the outage sends everything, oldest first."""
    story, nights = world.begin("three days outage"), days(date(2024, 4, 2), 4)
    for night in nights:
        story.enter(Change("LONG", story.at(night), status=2 + nights.index(night)))
        story.day(night)
    world.sandbox.add_fault(kind="status", status=503)
    first = story.night(nights[0], "failed")
    alert = story.alert("failure", first)
    for night in nights[1:3]:
        story.night(night, "failed")
    time.sleep(5)
    assert story.alerts_of("failure") == [alert]
    world.sandbox.clear_faults()
    story.over(story.night(nights[3], "success"))
    arrived = [entry["status_id"] for entry in world.sandbox.entries() if entry["request_id"] == "LONG"]
    assert arrived == [2, 3, 4, 5]


def test_sixty_nights_pause(world: World) -> None:
    """7: no heartbeat, the page says that the DAG is paused, and ``tablero status`` reports the lateness and its start; once it
    is unpaused, the next night closes the gap."""
    story, nights = world.begin("sixty nights pause"), days(date(2024, 5, 1), 62)
    story.day(nights[0])
    story.settled(nights[0])
    world.airflow.unpause(DAILY, paused=True)
    for night in nights[1:]:
        story.day(night, 3)
    assert world.beats == []
    story.shows(f"{world.server.url}/tablero/", "El envío diario está en pausa")
    late, answer = status(world)
    assert late == 2
    assert answer["state"] == "late"
    assert any(label.startswith("2024-05") for label in [*answer["gaps"], *answer["open_windows"]])

    world.airflow.unpause(DAILY)
    story.night(nights[-1], "success")
    wait_for("the monitor hears of it", lambda: world.beats)
    story.quiet("failure", "late")
    assert world.beats == ["/ping/tablero"]
    story.delivered()


def test_late_rows_of_last_month(world: World) -> None:
    """8: the audit finds and sends the late rows, with one alert that asks for nothing."""
    story, night = world.begin("late rows of last month"), date(2024, 6, 20)
    may = date(2024, 5, 1)
    story.institution.month("", "2024-05")
    story.settled(*month_windows(may, may, world.zone, story.at(date(2024, 6, 1), 0)))
    story.enter(*(Change(f"LATE-{number}", story.at(date(2024, 5, 7), 8 + number)) for number in range(3)))
    story.day(night)
    alert = story.alert("degraded", story.night(night, "success"))
    assert alert["degraded"] == [{"cause": "audit", "window": "2024-05", "rows": 3, "of": 33}]
    story.delivered()
    story.day(night + DAY)
    story.night(night + DAY, "success")
    time.sleep(5)
    assert story.alerts_of("degraded") == [alert]
    story.delivered()


def test_the_dashboard_changed_its_contract(world: World) -> None:
    """9: everything is refused, so no row is refused for good; once both sides agree again, the failed task is cleared."""
    story, night = world.begin("dashboard contract changed"), date(2024, 7, 2)
    story.day(night - DAY)
    story.settled(night - DAY)
    story.day(night)
    world.sandbox.add_fault(kind="status", status=400, message=["requests.0.property channel should not be empty"])
    alert = story.alert("failure", story.night(night, "failed"))
    assert alert["pending"] == 5
    assert "channel should not be empty" in alert["cause"]
    assert "the version of the contract" in alert["cause"]
    world.sandbox.clear_faults()
    story.clear(alert)
    story.over(alert["run_id"])


def test_an_empty_view(world: World) -> None:
    """10: the night is green but alerted; the end is reported when rows reappear."""
    story, night = world.begin("empty view"), date(2024, 8, 20)
    weeks = [night - 7 * back * DAY for back in (1, 2, 3)]
    for week in weeks:
        story.day(week)
    story.settled(*weeks)
    alert = story.alert("degraded", story.night(night, "success"))
    assert alert["degraded"] == [{"cause": "no_rows", "window": str(night), "rows": 0, "of": 5}]
    story.day(night)
    story.day(night + DAY)
    story.over(story.night(night + DAY, "success"), "normal")


def test_the_mapping_of_one_service_is_broken(world: World) -> None:
    """11: the page shows what the rows lack; once the view is corrected, they are sent the next night."""
    story, night = world.begin("mapping broken for one service"), date(2024, 9, 3)
    story.day(night)
    lost = [Change(f"LOST-{number}", story.at(night, 8 + number), service=None) for number in range(4)]
    story.institution.commit(lost)
    alert = story.alert("degraded", story.night(night, "success"))
    assert alert["degraded"] == [{"cause": "rejected", "window": str(night), "rows": 4, "of": 9}]
    story.shows(alert["links"]["page"], "Falta service_id", "LOST-0", "LOST-3")

    story.institution.mend("update history set service = '77' where service is null")
    story.rows += [change._replace(service="77") for change in lost]
    story.day(night + DAY)
    story.over(story.night(night + DAY, "success"), "normal")


def test_a_dead_scheduler(world: World) -> None:
    """12: only the monitor notices the missing heartbeat; Airflow shows the dead component; restarted, it continues."""
    story, (before, night) = world.begin("dead scheduler"), days(date(2024, 10, 1), 2)
    story.day(before)
    story.day(night)
    story.night(before, "success")
    wait_for("the monitor hears of a good night", lambda: world.beats)
    world.beats.clear()
    world.server.kill("scheduler")
    run_id = world.due(night)
    unwell = wait_for("Airflow says what is dead", lambda: _scheduler(world) == "unhealthy")
    assert unwell
    assert world.beats == []
    assert world.webhook == []
    assert world.airflow.run(DAILY, run_id)["state"] == "queued"
    story.shows(f"{world.server.url}/tablero/")

    world.server.revive("scheduler")
    story.ends(DAILY, run_id, "success")
    wait_for("the monitor hears of it", lambda: world.beats)
    time.sleep(3)
    assert world.beats == ["/ping/tablero"]
    story.delivered()


# -- besides the twelve ------------------------------------------------------------------------------------------------------


def test_the_source_is_down(world: World) -> None:
    """Rows left pending by an earlier night are sent, and the night fails for the days that could not be read."""
    story, nights = world.begin("source down"), days(date(2024, 10, 8), 2)
    pending = story.day(nights[0])
    world.sandbox.add_fault(kind="status", status=503)
    first = story.alert("failure", story.night(nights[0], "failed"))
    world.sandbox.clear_faults()
    source = story.institution.path
    lock = lock_exclusively(source)
    try:
        second = story.night(nights[1], "failed")
    finally:
        lock()
    assert story.received == {row.wire: 1 for row in pending}
    assert world.airflow.states(DAILY, second) == {
        ("preflight", -1): "success",
        ("extract", -1): "success",
        ("post", -1): "success",
        ("reconcile", -1): "failed",
    }
    assert first["run_id"] != second
    story.day(nights[1])
    world.airflow.clear(DAILY, second, "reconcile")
    story.ends(DAILY, second, "success")
    story.over(second)


def test_the_brake(world: World) -> None:
    """If the padding in the view changes, nothing of that day is sent until a person accepts it."""
    story, night = world.begin("brake"), date(2024, 11, 5)
    story.day(night, 12)
    story.settled(night)
    story.institution.mend("update history set request = '000' || request")
    story.day(night + DAY)
    alert = story.alert("failure", story.night(night + DAY, "failed"))
    assert "of 12 delivered rows, 12 are no longer in the source, and 12 are new" in alert["cause"]
    assert "and accept_changes by hand" in alert["cause"]
    story.delivered()  # the day after it, and nothing of the day before

    story.load({"day": str(night), "accept_changes": True}, "success", DAILY)
    assert len(story.received) == 12 + 5
    world.airflow.clear(DAILY, alert["run_id"], "extract")
    story.ends(DAILY, alert["run_id"], "success")
    story.alert("recovery", alert["run_id"])
    assert set(story.received.values()) == {1}


def test_an_empty_outbox_where_rows_were_delivered(world: World) -> None:
    """Nothing is sent with an empty outbox where rows were delivered before; with the usual outbox the night succeeds."""
    story, night = world.begin("empty outbox", remembers=True), date(2024, 11, 12)
    story.day(night)
    # Airflow remembers the other incidents too, so that this outbox has to be accepted while it is empty.
    story.load({"start_month": "2024-11", "end_month": "2024-11", "accept_changes": True}, "success")
    usual = story.outbox
    story.use(usual.with_name("new.db"))
    story.day(night + DAY)
    alert = story.alert("failure", story.night(night + DAY, "failed"))
    assert "is empty, and Airflow remembers runs that delivered rows" in alert["cause"]
    assert alert["links"]["log"].split("/tasks/")[1].startswith("preflight")
    story.use(usual)
    story.clear(alert)
    story.delivered()


def test_a_red_square_whose_month_is_settled(world: World) -> None:
    """``reconcile`` names a failed task whose month is settled, and says why nothing needs to be done."""
    story = world.begin("red square")
    story.rows += story.institution.month("", "2024-02", rows=5)
    run_id = story.load({"start_month": "2024-02", "end_month": "2024-02"}, "success")
    path = f"/dags/{HISTORY}/dagRuns/{run_id}/taskInstances/load_month/0"
    world.airflow.ask("PATCH", path, json={"new_state": "failed"})
    world.airflow.clear(HISTORY, run_id, "reconcile")
    story.ends(HISTORY, run_id, "success")
    assert world.airflow.states(HISTORY, run_id)["load_month", 0] == "failed"
    log = world.airflow.log(HISTORY, run_id, "reconcile")
    assert "load_month_0 (2024-02) failed, and its window is settled" in log
    story.delivered()


def test_a_digest_that_cannot_be_sent(world: World) -> None:
    """If the digest cannot be sent, the night is green, the webhook is notified once, and the next night sends it."""
    story, nights = world.begin("digest by a dead mail server"), days(date(2024, 12, 2), 3)
    for night in nights:
        story.day(night)
    world.mail_goes_to(1)
    for night in nights[:2]:
        story.night(night, "success")
    (alert,) = wait_for("it is alerted", lambda: story.alerts_of("undelivered"))
    assert "the digest 2024-11 could not be sent by mail" in alert["subject"]
    world.mail_goes_to(world.smtp_port)
    story.night(nights[2], "success")
    (mail,) = wait_for("it is sent", lambda: story.digests("2024-11"))
    assert list(mail.files) == ["tablero-constancia-2024-11.json"]
    assert len(story.alerts_of("undelivered")) == 1
    story.delivered()


@contextmanager
def small_disk(path: Path, size: str = "2m") -> Iterator[Path]:
    """A separate file system of a few megabytes."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


def lock_exclusively(path: Path) -> Callable[[], None]:
    """Lock an SQLite file so that nobody can read it; returns a function that releases it."""
    import sqlite3

    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin exclusive")
    return connection.close


def status(world: World) -> tuple[int, dict[str, object]]:
    """The output of ``tablero status --json``, and its exit status."""
    done = subprocess.run(
        [sys.executable, "-m", "tablero", "status", "--json"],
        env=world.server.environment | {"PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, orjson.loads(done.stdout)


def _scheduler(world: World) -> str:
    return str(world.airflow.get("/monitor/health")["scheduler"]["status"])
