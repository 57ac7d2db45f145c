"""The evidence of a month can be verified by anyone, at any later time."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from threading import Event, Semaphore
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from tablero.outbox.schema import batch
from tablero.web import evidence
from tablero.web.evidence import BeingPrepared, Delivered

from tests.integration.samples import rows_in
from tests.waiting import PATIENCE
from tests.web.application import Site
from tests.web.history import NOW, ZONE, History, day_window


def rows_file(browser: Any, month: str = "2026-10") -> bytes:
    """The delivered rows."""
    answer = browser.get(f"/tablero/evidence/{month}/rows.jsonl")
    assert answer.status_code == 200
    return bytes(answer.content)


def test_the_digest_is_that_of_the_rows_that_can_be_downloaded(viewer: Any) -> None:
    """The digest is ``sha256sum`` of the file that can be downloaded."""
    digest = hashlib.sha256(rows_file(viewer)).hexdigest()
    assert re.search(r"data-digest>([0-9a-f]{64})<", viewer.get("/tablero/evidence/2026-10").text)[1] == digest
    assert viewer.get("/tablero/evidence/2026-10.json").json()["digest"]["value"] == digest
    rows = list(csv.reader(io.StringIO(viewer.get("/tablero/evidence/2026-10.csv").content.decode("utf-8-sig"))))
    assert digest in rows[1]


def test_the_rows_are_those_delivered_in_wire_form_and_order(viewer: Any, history: History) -> None:
    """The file has each delivered row of the month once, by request and instant, and no refused or pending ones."""
    lines = [orjson.loads(line) for line in rows_file(viewer).splitlines()]
    delivered = [row for row in rows_in(history.engine, "delivered") if row.request_id[:4] in ("OCT-", "<scr")]
    assert len(lines) == len(delivered) == 42
    assert list(lines[0]) == ["service_id", "request_id", "opening_date", "status_id", "last_modified_date"]
    order = [(line["request_id"], line["last_modified_date"]) for line in lines]
    assert order == sorted(order)
    assert not any("REFUSED" in line["request_id"] for line in lines)


def test_the_documents_agree(viewer: Any) -> None:
    """Page, JSON and CSV have the same counts by service and status, and their sum is the number delivered."""
    document = viewer.get("/tablero/evidence/2026-10.json").json()
    text = viewer.get("/tablero/evidence/2026-10.csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    page = viewer.get("/tablero/evidence/2026-10").text
    assert sum(count["rows"] for count in document["counts"]) == document["delivered"] == 42
    assert [(row["service"], int(row["status"]), int(row["rows"])) for row in rows] == [
        (count["service_id"], count["status_id"], count["rows"]) for count in document["counts"]
    ]
    assert re.search(r'data-count="delivered">42<', page)
    assert document["state"] == "rejections"
    assert document["rejected"] == 5
    assert document["time_zone"] == "America/Santo_Domingo"
    assert document["from"] == "2026-10-01T00:00:00-04:00"
    assert document["to"] == "2026-11-01T00:00:00-04:00"
    assert document["last_acknowledgement"] == "2026-11-20T12:00:00-04:00"
    assert document["last_proof"] == {
        "window": "2026-10",
        "counted_at": "2026-11-20T12:00:00-04:00",
        **{"delivered": 42, "rejected": 5, "excluded": 1, "duplicates": 1, "pending": 0},
        **{"read": 49, "gone": 0, "rows_in_source": 49, "settled": True},
        "result": "settled",
    }
    assert document["institution"] == "DO/GOB/12345/TRAMITES"
    assert document["made_by"] == "vera"


def test_the_digest_changes_only_with_what_is_delivered(admin: Any, own_history: History) -> None:
    """The digest stays the same until another row of the month is delivered."""
    first, again = rows_file(admin), rows_file(admin)
    assert first == again
    own_history.add(("1041", "OCT-LATE", "2026-10-20 08:00:00", 1, "2026-10-20 09:00:00"))
    digest = admin.get("/tablero/evidence/2026-10.json").json()["digest"]["value"]
    own_history.run(day_window(NOW.date().replace(month=10, day=20), ZONE), run_id="late", now=NOW)
    document = admin.get("/tablero/evidence/2026-10.json").json()
    assert document["digest"]["value"] != digest
    assert document["delivered"] == 43
    assert hashlib.sha256(rows_file(admin)).hexdigest() == document["digest"]["value"]


@pytest.mark.parametrize("month", ["2026-07", "2020-01"])
def test_a_month_without_deliveries_has_the_evidence_of_nothing(viewer: Any, month: str) -> None:
    """A month without deliveries has zero rows, and the digest of an empty file."""
    document = viewer.get(f"/tablero/evidence/{month}.json").json()
    assert document["delivered"] == 0
    assert document["counts"] == []
    assert document["last_acknowledgement"] is None
    assert document["digest"]["value"] == hashlib.sha256(b"").hexdigest()
    table = list(csv.DictReader(io.StringIO(viewer.get(f"/tablero/evidence/{month}.csv").content.decode("utf-8-sig"))))
    assert [(row["month"], row["rows"], row["coverage"]) for row in table] == [(month, "0", "Never loaded")]
    assert document["digest"]["value"] in table[0].values()


class Slow:
    """An evidence cache whose months are read only when the test lets them."""

    def __init__(self, mocker: MockerFixture, **limits: Any) -> None:
        self.reads: list[str] = []
        self.may_end = Event()
        self.has_begun = Semaphore(0)
        mocker.patch.object(evidence, "collect", self._collect)
        self.cache = evidence.Cache(**limits)

    def _collect(self, _: Any, window: Any) -> Delivered:
        self.reads.append(window)
        self.has_begun.release()
        assert self.may_end.wait(PATIENCE)
        return Delivered({}, window)

    def ask(self, label: str) -> Delivered:
        return self.cache.collect(None, SimpleNamespace(window=label, acknowledged=()))  # type: ignore[arg-type]


def test_a_month_is_read_once_however_many_ask_for_it(mocker: MockerFixture) -> None:
    """Six requests for the same month at the same time read its rows once."""
    slow = Slow(mocker, patience=PATIENCE)
    with ThreadPoolExecutor(6) as threads:
        answers = [threads.submit(slow.ask, "2026-10") for _ in range(6)]
        assert slow.has_begun.acquire(timeout=PATIENCE)
        slow.may_end.set()
        assert {answer.result().digest for answer in answers} == {"2026-10"}
    assert slow.reads == ["2026-10"]


def test_months_that_take_long_do_not_take_all_threads(mocker: MockerFixture) -> None:
    """Who asks for a month that is being read, or for one more than are read at a time, is asked to come back."""
    slow = Slow(mocker, readers=1, patience=0)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(slow.ask, "2026-10")
        assert slow.has_begun.acquire(timeout=PATIENCE)
        for label in ("2026-10", "2026-09"):
            with pytest.raises(BeingPrepared):
                slow.ask(label)
        slow.may_end.set()
        assert first.result().digest == "2026-10"
    assert slow.ask("2026-09").digest == "2026-09"


def test_a_document_that_is_being_prepared_says_so(admin: Any, whole_app: Any, mocker: MockerFixture) -> None:
    """The page says what to do: wait and try again."""
    mocker.patch.object(whole_app.state.page.state.site.evidence, "collect", side_effect=BeingPrepared)
    answer = admin.get("/tablero/evidence/2026-10")
    assert answer.status_code == 503
    assert "Wait a moment and try again" in answer.text


def test_batches_that_the_dashboard_recognised_are_listed_apart(admin: Any, own_history: History) -> None:
    """The evidence distinguishes acknowledged batches from recognised repeats."""
    with own_history.engine.begin() as connection:
        first = sa.select(sa.func.min(batch.c.id)).where(
            batch.c.first_change >= datetime(2026, 9, 1, 4, tzinfo=timezone.utc), batch.c.state == "delivered"
        )
        connection.execute(sa.update(batch).where(batch.c.id == first.scalar_subquery()).values(settled_how="recognised"))
    assert "recognised by the dashboard when repeated" in admin.get("/tablero/evidence/2026-09").text
    document = admin.get("/tablero/evidence/2026-09.json").json()
    assert (document["adopted_batches"], document["recognised_batches"]) == (0, 1)
    assert "recognised" not in admin.get("/tablero/evidence/2026-10").text


def test_the_monthly_digest_carries_the_document_of_the_page(
    viewer: Any, site: Site, own_history: History, mocker: MockerFixture
) -> None:
    """The first scheduled run after a month mails the document, which names no user since nobody requested it."""
    from tablero.airflow import configuration, digests
    from tablero.airflow.alerts import channels
    from tablero.airflow.alerts.budget import Budget

    mailed: dict[str, bytes] = {}
    mocker.patch.object(configuration, "clock", return_value=site.now)
    mocker.patch.object(channels, "send_digest", lambda _, __, ___, files, **____: mailed.update(files) or True)
    settings = site.settings.model_copy(update={"digest": "monthly", "alert_emails": ("ops@example.test",)})
    after_october = datetime(2026, 11, 1, 4, tzinfo=timezone.utc)
    run = SimpleNamespace(run_type="scheduled", data_interval_end=after_october)
    digests.send(own_history.engine, settings, run, Budget(600))

    viewer.headers["accept-language"] = "es"
    assert list(mailed) == ["tablero-constancia-2026-10.json"]
    document = viewer.get("/tablero/evidence/2026-10.json").json()
    assert orjson.loads(mailed["tablero-constancia-2026-10.json"]) == document | {"made_by": None}
