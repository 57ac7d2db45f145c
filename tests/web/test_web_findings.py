"""Degradations and results of dry runs, as the page shows them."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from tablero.contract.windows import Window, day_window, month_windows
from tablero.delivery import dry_run
from tablero.delivery.run import Run
from tablero.outbox.findings import Degradation, ViewCount, keep_degradations, keep_view_count
from tablero.outbox.schema import attempt
from tablero.settings import Settings

from tests.web.conftest import Site
from tests.web.history import LOADED, NOW, SETTINGS, ZONE, History, requests
from tests.web.test_web_pages import words_of

YESTERDAY = day_window(date(2026, 11, 22), ZONE)
(OCTOBER,) = month_windows(date(2026, 10, 1), date(2026, 10, 1), ZONE, NOW)

NIGHT = "scheduled__2026-11-23"


def test_the_first_page_says_what_was_not_as_usual_last_night(admin: Any, own_history: History) -> None:
    """The first page shows last night's degradations in the words of the alert; older ones are under activity and windows."""
    found = [Degradation.of("few_rows", YESTERDAY, 6, 400), Degradation.of("unknown", YESTERDAY, 3, 6)]
    keep_degradations(own_history.engine, "daily_send", NIGHT, found, now=NOW - timedelta(hours=3))
    old = [Degradation.of("audit", OCTOBER, 2, 49)]
    keep_degradations(own_history.engine, "historical_load", "manual__old", old, now=NOW - timedelta(days=20))

    first, activity = (words_of(admin.get(f"/tablero/{path}").text) for path in ("", "activity"))
    assert "2026-11-22: only 6 rows; usual for that day is 400" in first
    assert "3 of 6 delivered rows were posted before without an answer" in first
    assert "the audit found" not in first
    assert "2026-10: the audit found 2 rows" in activity
    assert "only 6 rows" in activity
    assert "the audit found 2 rows" in words_of(admin.get("/tablero/window/2026-10").text)
    page = admin.get("/tablero/window/2026-11-22").text
    assert "only 6 rows" in page
    assert f'href="../../dags/daily_send/runs/{NIGHT}"' in page


def test_a_night_on_which_all_was_as_usual(admin: Any) -> None:
    """A night without degradations is not mentioned."""
    page = re.sub("(?s)<dl class=.legend.*?</dl>", "", admin.get("/tablero/").text)
    assert "#i-unusual" not in page
    assert "Not as usual, the last 90 days Nothing." in words_of(admin.get("/tablero/activity").text)


@pytest.mark.parametrize(("usual", "is_marked"), [(400, True), (20, False)])
def test_a_day_with_far_fewer_rows_is_marked_as_long_as_it_has(
    admin: Any, own_history: History, usual: int, is_marked: bool
) -> None:
    """A day is marked by its present rows: six are far fewer than 400, but not than 20, whatever a run found earlier."""
    keep_degradations(own_history.engine, "daily_send", NIGHT, [Degradation.of("no_rows", YESTERDAY, 0, usual)], now=NOW)
    cell = re.search(r'<a class="cell [^"]*" href="\./window/2026-11-22".*?</a>', admin.get("/tablero/").text)
    assert cell
    assert ("#i-unusual" in cell[0]) is is_marked
    assert (f"6 rows; usual for that day is {usual}" in cell[0]) is is_marked
    assert "s-settled" in cell[0]


def test_a_day_whose_rows_were_all_excluded_is_not_marked_once_it_has_others(admin: Any, own_history: History) -> None:
    """That no row of a day was to be sent says nothing about it once it has rows that are."""
    found = [Degradation.of("all_excluded", YESTERDAY, 7, 7)]
    keep_degradations(own_history.engine, "daily_send", NIGHT, found, now=NOW)
    cell = re.search(r'<a class="cell [^"]*" href="\./window/2026-11-22".*?</a>', admin.get("/tablero/").text)
    assert cell
    assert "#i-unusual" not in cell[0]


def test_a_day_whose_rows_may_be_there_twice_is_marked(admin: Any, own_history: History) -> None:
    """A day with rows that may have arrived twice is marked with the last finding, and nothing later removes the mark."""
    for rows in (3, 2):
        found = [Degradation.of("unknown", YESTERDAY, rows, 6)]
        keep_degradations(own_history.engine, "daily_send", f"{NIGHT}-{rows}", found, now=NOW)
    cell = re.search(
        r'<a class="cell s-settled" href="\./window/2026-11-22" title="([^"]*)".*?</a>', admin.get("/tablero/").text
    )
    assert cell
    assert "#i-unusual" in cell[0]
    assert "2 of 6 delivered rows were posted before without an answer" in cell[1]
    assert "3 of 6" not in cell[1]


def test_the_share_of_rejected_rows_follows_the_counts_of_now(admin: Any, own_history: History) -> None:
    """The share of rejected rows uses present counts: once corrected, the day is like any other."""
    found = [Degradation.of("rejected", YESTERDAY, 3, 6), Degradation.of("all_rejected", YESTERDAY, 6, 6)]
    keep_degradations(own_history.engine, "daily_send", NIGHT, found, now=NOW)
    cell = re.search(r'<a class="cell s-settled" href="\./window/2026-11-22".*?</a>', admin.get("/tablero/").text)
    assert cell
    assert "#i-unusual" not in cell[0]


def test_a_cause_of_a_newer_version_is_shown_by_its_name(admin: Any, own_history: History) -> None:
    """A cause of a newer version is shown by its name, since two versions may share an outbox during an upgrade."""
    keep_degradations(own_history.engine, "daily_send", NIGHT, [Degradation.of("of_tomorrow", YESTERDAY, 1, 2)], now=NOW)
    assert "2026-11-22: of_tomorrow" in words_of(admin.get("/tablero/").text)


DRY = "manual__2026-11-23T12:00:00+00:00"

#: The five counts that add up to the rows of the source.
PARTS = ("new", "known", "rejected", "excluded", "duplicates")


def dry_run_of(history: History, *windows: Window, settings: Settings = SETTINGS, dag_id: str = "historical_load") -> None:
    """A dry run of the source as it is now, stored by its own use case."""
    for window in windows:
        dry_run.run(history.engine, history.source, settings, window, dag_id=dag_id, run=Run(DRY, lambda: NOW))


def test_a_dry_run_is_shown_with_what_it_would_do(admin: Any, own_history: History) -> None:
    """A dry run is shown with totals that add up, windows, reasons with remedies, masked samples, and its duration."""
    own_history.add(*requests("OCT-NEW", date(2026, 10, 20), 3))
    own_history.correct("DELETE FROM tablero_status_changes WHERE request_id = 'OCT-0001'")
    dry_run_of(own_history, *month_windows(date(2026, 9, 1), date(2026, 10, 1), ZONE, LOADED))

    activity = admin.get("/tablero/activity").text
    (link,) = re.findall(r'href="\./(dry-run\?run=[^"]*)"', activity)
    assert "2 windows" in activity
    page = admin.get(f"/tablero/{link}").text
    text = words_of(page)
    sums = {name: int(count) for name, count in re.findall(r'data-sum="(\w+)">([0-9,]+)<', page)}
    assert sums == {
        **{"read": 96, "new": 3, "known": 88, "rejected": 3, "excluded": 1, "duplicates": 1},
        **{"gone": 1, "withdrawn": 0, "resent": 0, "batches": 1},
    }
    assert sums["read"] == sum(sums[part] for part in PARTS)
    assert "Would take 0.25 s" in text
    assert "Map the institution's code" in text
    assert "OCT********" in text
    assert "OCT-FORMULA" not in text
    assert f'dags/historical_load/runs/{quote(DRY, safe="")}"' in page


def test_a_dry_run_that_the_brake_would_stop_says_so(admin: Any, own_history: History) -> None:
    """If the brake would stop a load, the page says so in the words of a run."""
    own_history.correct("UPDATE tablero_status_changes SET request_id = 'X' || request_id WHERE request_id LIKE 'SEP-%'")
    dry_run_of(own_history, *month_windows(date(2026, 9, 1), date(2026, 9, 1), ZONE, LOADED))
    for language, said, not_said in (("es", "ya no están", "are no longer"), ("en", "are no longer", "ya no están")):
        page = words_of(admin.get(f"/tablero/dry-run?run={quote(DRY)}&lang={language}").text)
        assert "accept_changes" in page
        assert f"{said} en la fuente" in page or f"{said} in the source" in page
        assert not_said not in page


def test_how_many_nights_a_load_takes_is_counted_for_all_months_together(admin: Any, own_history: History, site: Site) -> None:
    """Each of two months needs a part of one night, and together they need two if they are loaded one after the other."""
    own_history.add(*requests("S", date(2026, 9, 10), 300), *requests("O", date(2026, 10, 20), 300))
    slow = SETTINGS.model_copy(
        update={"batch_size": 2, "concurrency": 1, "parallel_months": 1, "send_hours": (time(1), time(1, 1))}
    )
    dry_run_of(own_history, *month_windows(date(2026, 9, 1), date(2026, 10, 1), ZONE, LOADED), settings=slow)
    site.settings = slow
    page = words_of(admin.get(f"/tablero/dry-run?run={quote(DRY)}").text)
    assert "Would take 1 min 15 s, 2 nights" in page
    assert page.count("2 nights") == 1


def test_a_dry_run_without_a_call_on_record_has_no_duration(admin: Any, own_history: History) -> None:
    """Before the first call nobody knows how long one takes: a dash, not 0."""
    with own_history.engine.begin() as connection:
        connection.execute(sa.delete(attempt))
    dry_run_of(own_history, YESTERDAY, dag_id="daily_send")
    page = admin.get(f"/tablero/dry-run?run={quote(DRY)}").text
    assert "Would take –" in words_of(page)
    assert f'dags/daily_send/runs/{quote(DRY, safe="")}"' in page


@pytest.mark.parametrize("run", ["", "nobody", "x" * 5_000, "%00"])
def test_a_dry_run_that_is_not_on_record_is_not_found(admin: Any, run: str) -> None:
    """An unknown dry run is not found, whatever the address."""
    assert admin.get(f"/tablero/dry-run?run={run}").status_code == 404


UNTIL = datetime(2026, 11, 20, 16, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("count", "icon", "words"),
    [
        (ViewCount("complete", UNTIL, 1_234, 1_234, 5), "settled", "the source counts 1,234 rows up to 20 Nov 2026"),
        (ViewCount("differs", UNTIL, 1_230, 1_234, 5), "mismatch", "and 1,230 were read; difference: 4."),
        (ViewCount("changing", UNTIL, 1_235, 1_234, 5), "pending", "difference: -1. The next historical load"),
        (ViewCount("not_in_time", UNTIL, 1_234), "pending", "could not be counted in the time that its server allows"),
        (ViewCount("not_possible", UNTIL, 1_234), "pending", "The whole view cannot be counted"),
        (ViewCount("own_sql", UNTIL, 1), "pending", "With source_sql there is no view to count"),
        (ViewCount("of_2030", UNTIL, 1), "pending", "of_2030"),
    ],
    ids=lambda value: value.result if isinstance(value, ViewCount) else None,
)
def test_where_the_proof_over_the_whole_view_stands(
    admin: Any, own_history: History, count: ViewCount, icon: str, words: str
) -> None:
    """The first page and the evidence say what the count of the whole view gave, when, and in which run."""
    keep_view_count(own_history.engine, count, "manual__load", LOADED)
    first, evidence = admin.get("/tablero/").text, admin.get("/tablero/evidence/2026-10").text
    shown = re.search(r'<use href="#i-(\w+)"/></svg><span data-view class="who">(.*?)</span></li>', first, re.DOTALL)
    assert shown
    assert shown[1] == icon
    assert 'dags/historical_load/runs/manual__load"' in shown[2]
    for page in (shown[2], evidence):
        assert words in words_of(page)
        assert LOADED.astimezone(ZONE).isoformat() in page
        assert "manual__load" in page
    document = admin.get("/tablero/evidence/2026-10.json").json()["view_count"]
    assert (document["result"], document["rows_counted"], document["run_id"]) == (
        count.result,
        count.rows_counted,
        "manual__load",
    )


def test_a_view_that_was_not_counted_yet(admin: Any) -> None:
    """Before the first load that begins at the first month the pages say that it is missing."""
    for path in ("", "evidence/2026-10"):
        assert "The whole view was not counted yet" in words_of(admin.get(f"/tablero/{path}").text)
    assert admin.get("/tablero/evidence/2026-10.json").json()["view_count"] is None
