"""Whatever a page or a document counts adds up, and says where it does not know."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from tablero.contract.windows import Kind, Window, day_window, first_instant, month_windows, undated_window
from tablero.delivery.adopting import adopt_all
from tablero.delivery.reconciling import reconcile
from tablero.delivery.run import Run
from tablero.outbox.reports.snapshot import COUNT_LIMIT
from tablero.outbox.schema import batch
from tablero.settings import Settings

from tests.web.application import Site
from tests.web.history import LOADED, NOW, SETTINGS, ZONE, History, requests
from tests.web.test_web_pages import total, words_of

SEPTEMBER, OCTOBER = month_windows(date(2026, 9, 1), date(2026, 10, 1), ZONE, LOADED)

PARTS = ("delivered", "rejected", "excluded", "duplicates", "pending")


def proof_of(page: str) -> dict[str, int | None]:
    """The account of the last proof as a page shows it; ``None`` for a dash."""
    cells = re.findall(r'data-proof="(\w+)">(.*?)</td>', page)
    return {name: int(cell.replace(",", "")) if cell[:1].isdigit() else None for name, cell in cells}


def shows_sums(account: dict[str, int | None]) -> bool:
    """Whether the parts of an account are all that was read, and all but what is gone is in the source."""
    known = {name: number for name, number in account.items() if number is not None}
    return known["read"] == sum(known[part] for part in PARTS) and known["source"] == known["read"] - known["gone"]


@pytest.mark.parametrize("path", ["window/2026-10", "evidence/2026-10"])
def test_the_account_of_a_proof_adds_up(viewer: Any, path: str) -> None:
    """Excluded and duplicate rows are shown beside delivered and rejected ones."""
    account = proof_of(viewer.get(f"/tablero/{path}").text)
    assert account == {
        **{"delivered": 42, "rejected": 5, "excluded": 1, "duplicates": 1, "pending": 0},
        **{"read": 49, "gone": 0, "source": 49},
    }
    assert shows_sums(account)


def test_rows_that_are_gone_from_the_source_are_shown(admin: Any, own_history: History) -> None:
    """After delivered rows were deleted, window, proofs and evidence say how many are gone, and the sums hold."""
    own_history.correct("DELETE FROM tablero_status_changes WHERE request_id IN ('SEP-0001', 'SEP-0002', 'SEP-0003')")
    own_history.run(SEPTEMBER, run_id="manual__again", now=NOW)
    document = admin.get("/tablero/evidence/2026-09.json").json()["last_proof"]
    document["source"] = document["rows_in_source"]
    for account in (*(proof_of(admin.get(f"/tablero/{path}/2026-09").text) for path in ("window", "evidence")), document):
        assert (account["read"], account["gone"], account["source"]) == (45, 3, 42)
        assert shows_sums({name: account[name] for name in ("read", *PARTS, "gone", "source")})
    proofs = re.search(r'(?s)aria-labelledby="proofs-title">.*?<tbody>(.*?)</tr>', admin.get("/tablero/window/2026-09").text)
    assert proofs
    assert re.findall(r'class="num">(\d+)<', proofs[1]) == ["45", "0", "0", "0", "0", "45", "3", "42"]


def test_a_source_that_was_not_counted_is_no_zero(admin: Any, own_history: History) -> None:
    """If the source could not be read, there is a dash where its rows stand, and the result of the proof says why."""
    own_history.correct("ALTER TABLE tablero_status_changes RENAME TO elsewhere")
    run = Run("manual__again", lambda: NOW)
    reconcile(own_history.engine, own_history.source, SETTINGS, [SEPTEMBER], run, send=lambda window: None)
    for path in ("window", "evidence"):
        page = admin.get(f"/tablero/{path}/2026-09").text
        assert proof_of(page)["source"] is None
        assert "could not be counted" in words_of(page)
    assert "Last tried to prove on" in words_of(admin.get("/tablero/window/2026-09").text)
    assert admin.get("/tablero/evidence/2026-09.json").json()["last_proof"]["rows_in_source"] is None
    assert month_of(admin.get("/tablero/evidence").text, "September") == "September 2026 Pending 45 –"


def test_only_a_proof_that_closed_is_a_proof(viewer: Any) -> None:
    """A month with pending rows is not *proven*, though it was tried."""
    listed = viewer.get("/tablero/evidence").text
    assert month_of(listed, "August") == "August 2026 Pending 20 –"
    assert month_of(listed, "September") == "September 2026 Complete 45 20 Nov 2026"
    assert "Last tried to prove on 20 Nov 2026" in words_of(viewer.get("/tablero/window/2026-08").text)
    assert "Proven on 20 Nov 2026" in words_of(viewer.get("/tablero/window/2026-09").text)


def month_of(listed: str, name: str) -> str:
    """The line of a month of 2026 in the list of evidence."""
    (line,) = re.findall(rf'<tr><th scope="row"><a [^>]*>{name}<span class="vh"> 2026</span></a>.*?</tr>', listed)
    return words_of(line).strip()


@pytest.fixture
def many_rejected(own_history: History) -> int:
    """More rejected rows of September than a page counts; returns their number."""
    number = COUNT_LIMIT + 40
    own_history.add(*(("1041", f"BAD-{n}", "2026-09-01 08:00:00", 99, "2026-09-02 09:00:00") for n in range(number)))
    own_history.run(SEPTEMBER, run_id="manual__bad", now=NOW)
    return number


def test_what_was_not_counted_to_the_end_is_not_printed_as_a_number(admin: Any, many_rejected: int) -> None:
    """Pages say "more than 10,000" and no percentage; documents and ``status`` say how many there are."""
    pages = {path: admin.get(f"/tablero/{path}").text for path in ("", "window/2026-09", "rejections", "activity")}
    for path, page in pages.items():
        shown = words_of(page) + " ".join(re.findall('title="([^"]*)"', page))
        assert "10,001" not in shown, path
        assert "10,006" not in shown, path
    assert "more than 10,005 rows have errors" in words_of(pages[""])
    assert "more than 10,000 rows rejected" in words_of(pages["window/2026-09"])
    assert admin.get("/tablero/evidence/2026-09.json").json()["rejected"] == many_rejected
    assert f"Rejected {many_rejected:,}" in words_of(admin.get("/tablero/evidence/2026-09").text)
    assert admin.get("/tablero/status.json").json()["totals"]["rejected"]["unknown_status"] == many_rejected + 2


def test_what_is_in_no_month_stays_so_when_earliest_is_set_back(admin: Any, own_history: History, site: Site) -> None:
    """Months that nobody ever read are *never loaded*, although a reading of undated rows once reached over them."""
    later = Settings.read({"batch_size": 20, "earliest": "2026-08-01"})
    own_history.add(("1041", "MAY-1", "2026-05-05 08:00:00", 1, "2026-05-06 08:00:00"))
    own_history.run(undated_window(later.earliest, ZONE), run_id="manual__undated", now=LOADED, settings=later)
    assert site.settings.earliest == date(2020, 1, 1)
    for label in ("2026-05", "2026-05-06"):
        page = admin.get(f"/tablero/window/{label}")
        assert page.status_code == 200
        assert 'class="badge s-never"' in page.text
    assert admin.get("/tablero/evidence/2026-05.json").json()["state"] == "never"
    status = admin.get("/tablero/status.json").json()
    assert status["settled_until"] is None
    assert re.search(r'class="cell s-never" href="\./window/2026-05"', admin.get("/tablero/").text)


def windows_of(kind: Kind) -> Window:
    """A window of a kind with rows of September."""
    start = first_instant(date(2026, 9, 1), ZONE)
    return {
        "month": SEPTEMBER,
        "day": day_window(date(2026, 9, 1), ZONE),
        "undated": Window("undated", "undated", start - timedelta(days=400), start + timedelta(days=1)),
    }[kind]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_window_of_each_kind_can_be_read_and_proved(admin: Any, own_history: History, kind: Kind) -> None:
    """Whatever the kind of a window that was read and proved, the pages of the days that it touches are shown."""
    window = windows_of(kind)
    own_history.run(window, run_id=f"manual__{kind}", now=NOW)
    for path in ("", "window/2026-09", "window/2026-09-01", "evidence/2026-09", "activity", "status.json"):
        page = admin.get(f"/tablero/{path}")
        assert page.status_code == 200
        assert "window/undated" not in page.text


def test_rows_before_earliest_are_on_a_line_of_their_own(admin: Any, own_history: History, site: Site) -> None:
    """After ``earliest`` was set to a later date, its pending rows are still posted, and so still counted: page and
    ``status`` are late, not complete.
    """
    before = total(admin.get("/tablero/").text, "delivered")
    site.settings = Settings.read({"xroad_client": "DO/GOB/12345/TRAMITES", "earliest": "2026-09-01"})
    page = admin.get("/tablero/").text
    assert total(page, "pending") == 40
    assert total(page, "delivered") == before
    assert "Rows of months before the first one shown are pending" in words_of(page)
    assert "before September 2026, that of earliest, which are not shown: 20 delivered, 0 that the dashboard" in words_of(page)
    status = admin.get("/tablero/status.json").json()
    assert (status["state"], status["totals"]["pending"]) == ("late", 40)
    assert "2026-08" in status["open_windows"]


def test_nothing_lies_outside_as_long_as_earliest_stays(viewer: Any) -> None:
    """The line is not shown where it says nothing."""
    page = viewer.get("/tablero/").text
    assert "data-outside" not in page
    assert "data-adopted" not in page


def test_what_was_adopted_is_no_delivery(admin: Any, own_history: History) -> None:
    """Rows that a person recorded as delivered are counted as such; they are no delivery of that day, and not the last one."""
    before = admin.get("/tablero/status.json").json()
    own_history.add(*requests("JUL", date(2026, 7, 6), 30))
    july = month_windows(date(2026, 7, 1), date(2026, 7, 1), ZONE, NOW)
    named: dict[str, Any] = {"by": "ana", "run_id": "adopt__1", "clock": lambda: NOW}
    assert [rows for _, rows in adopt_all(own_history.engine, own_history.source, SETTINGS, july, **named)] == [30]
    status = admin.get("/tablero/status.json").json()
    assert status["last_delivery"] == before["last_delivery"]
    assert status["totals"]["delivered"] == before["totals"]["delivered"] + 30
    page = words_of(admin.get("/tablero/").text)
    assert "Of those delivered, 30 were marked as delivered by hand (adopt)" in page
    assert re.search("24 Nov 2026 0 ", words_of(admin.get("/tablero/activity").text))


def test_the_evidence_names_where_the_rows_went(admin: Any, own_history: History, site: Site) -> None:
    """The evidence names the dashboard on record, not the one of today's settings; if they differ, every page says so."""
    went = SETTINGS.api_path
    assert "data-target" not in admin.get("/tablero/").text
    site.settings = SETTINGS.model_copy(update={"api_path": "/r1/DO/GOB/1/ANOTHER/api/load"})
    assert admin.get("/tablero/evidence/2026-09.json").json()["target"] == went
    assert went in words_of(admin.get("/tablero/evidence/2026-09").text)
    for path in ("", "window/2026-09", "evidence/2026-09", "rejections", "activity"):
        assert f"The rows of this outbox were delivered to {went}" in words_of(admin.get(f"/tablero/{path}").text)


def test_a_day_that_is_being_posted_shows_the_rows_of_the_day(admin: Any, own_history: History) -> None:
    """What is left to deliver on a day is counted by day, though its batch begins on the day before."""
    own_history.add(*requests("LATE", date(2026, 11, 12), 100))
    own_history.dashboard.down_after = 0
    (november,) = month_windows(date(2026, 11, 1), date(2026, 11, 1), ZONE, NOW)
    own_history.run(november, run_id="manual__x", now=NOW, prove=False)
    in_november = sa.and_(batch.c.state == "pending", batch.c.first_change > november.start)
    with own_history.engine.begin() as connection:
        connection.execute(sa.update(batch).where(in_november).values(claimed_until=NOW + timedelta(minutes=5)))
    page = words_of(admin.get("/tablero/window/2026-11-13").text)
    assert "In progress" in page
    assert "Rows to deliver, about 4" in page
    assert "Pending 4" in page
