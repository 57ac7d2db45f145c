"""The pages show what the outbox contains."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest
import sqlalchemy as sa
import tablero
from sqlalchemy.engine import Engine
from tablero.contract.windows import day_window, month_windows
from tablero.errors import OutboxUnavailable, SettingsError, SetupError, SourceUnavailable
from tablero.outbox.engine import connect
from tablero.outbox.reports.snapshot import OLDEST_SCHEMA, Readiness
from tablero.outbox.schema import batch
from tablero.texts.text import Text
from tablero.web.status import status

from tests.integration.samples import states as rows_by_state
from tests.postgres import PostgresServer
from tests.web.application import Site, sealed
from tests.web.conftest import make_history
from tests.web.history import FORMULA, HOSTILE, NOW, WORDS, ZONE, History

PAGES = [
    "",
    "live",
    "window/2026-08",
    "window/2026-10",
    "window/2026-11",
    "window/2026-11-22",
    "window/2026-11-23",
    "window/2020-01",
    "batch/1",
    "request",
    "request?id=REQ-77",
    "request?id=nobody",
    "batches?show=pending",
    "rejections",
    "rejections?reason=unknown_status",
    "rejections?reason=refused_by_dashboard&month=2026-10",
    "evidence",
    "evidence/2026-09",
    "activity",
    "actions",
]


def words_of(page: str) -> str:
    """The text of a page as a reader sees it, in one line."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def total(page: str, name: str) -> int:
    """One of the totals on the first page."""
    found = re.search(rf'data-total="{name}">([0-9,]+)<', page)
    assert found, name
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["es", "en"])
def test_every_page_is_shown_in_both_languages(admin: Any, path: str, language: str) -> None:
    """Every page has all its texts, and declares its language."""
    answer = admin.get(sealed(f"/tablero/{path}"), headers={"accept-language": language})
    assert answer.status_code == 200, answer.text
    assert path == "live" or f'<html lang="{language}">' in answer.text


def test_the_totals_are_those_of_the_outbox_and_close(admin: Any, history: History) -> None:
    """Rows read are delivered, rejected, excluded, duplicate or pending; each number is that of the tables."""
    page = admin.get("/tablero/").text
    states = rows_by_state(history.engine)
    assert total(page, "delivered") == states["delivered"] > 0
    assert total(page, "pending") == states["pending"] == 40
    assert total(page, "rejected") == states["refused"] + 3
    assert total(page, "excluded") == 1
    assert total(page, "duplicates") == 1
    parts = ("delivered", "rejected", "excluded", "duplicates", "pending")
    assert total(page, "read") == sum(total(page, part) for part in parts)


@pytest.mark.parametrize(
    ("label", "state"),
    [
        ("2026-08", "pending"),
        ("2026-09", "settled"),
        ("2026-10", "rejections"),
        ("2026-11", "settled"),
        ("2026-07", "never"),
        ("2026-11-22", "settled"),
        ("2026-10-08", "rejections"),
    ],
)
def test_each_month_and_day_has_its_state(admin: Any, label: str, state: str) -> None:
    """Each month and day has its state on the first page and on its own page."""
    assert re.search(rf'class="cell s-{state}" href="\./window/{label}"', admin.get("/tablero/").text)
    assert f'class="badge s-{state}"' in admin.get(f"/tablero/window/{label}").text


def test_a_day_is_not_missed_before_its_daily_send(admin: Any) -> None:
    """At one in the morning, yesterday is not missing yet."""
    assert re.search(r'class="cell s-future" title="Monday, 23 November 2026', admin.get("/tablero/").text)


def test_the_first_page_names_what_is_missing(admin: Any) -> None:
    """The first lines say which months are missing and why."""
    text = words_of(admin.get("/tablero/").text)
    assert "80 months are not complete" in text
    assert "August 2026 : 40 rows that were read wait to be delivered." in text
    assert "January 2020 – July 2026 : Nobody has read it yet." in text


def test_a_window_shows_its_counts_its_proof_its_batches_and_its_runs(admin: Any) -> None:
    """A window shows the source's recount, the dashboard's message, and links to its runs in Airflow."""
    page = admin.get("/tablero/window/2026-10").text
    text = words_of(page)
    assert re.search(r'data-count="delivered">42<', page)
    assert re.search(r'data-proof="source">49<', page)
    assert "adds up" in text
    assert re.search(r"Batch \d+ split", text)
    assert WORDS in text
    assert "HTTP 400" in text


@pytest.mark.parametrize(
    ("path", "dag_id", "run_id"),
    [
        ("window/2026-09", "daily_send", "scheduled__2026-11-24"),
        ("window/2026-10", "historical_load", "manual__history"),
        ("window/2026-11-22", "daily_send", "scheduled__2026-11-23"),
        ("batch/1", "historical_load", "manual__august"),
    ],
)
def test_a_run_is_linked_under_its_own_dag(
    admin: Any, own_history: History, keep_run: Callable[[str, str], None], path: str, dag_id: str, run_id: str
) -> None:
    """Links lead to the DAG that did it, whatever the window: the daily send audits months, too. A run that Airflow does not
    have is named without a link.
    """
    audited = month_windows(date(2026, 9, 1), date(2026, 9, 1), ZONE, NOW)
    own_history.run(*audited, run_id="scheduled__2026-11-24", now=NOW)
    link = f'href="../../dags/{dag_id}/runs/{run_id}"'
    before = admin.get(f"/tablero/{path}").text
    assert run_id in before
    assert link not in before
    keep_run(dag_id, run_id)
    title = {"daily_send": "Daily send", "historical_load": "Historical load"}[dag_id]
    page = admin.get(f"/tablero/{path}").text
    assert f'<a class="run" data-airflow {link}>{title}<' in page
    assert page.count(f">{run_id}<") == page.count(link)


def test_the_batches_of_a_window_can_be_filtered(admin: Any) -> None:
    """The batches of a window can be filtered by state."""
    text = words_of(admin.get("/tablero/window/2026-10?state=refused").text)
    assert "OCT-REFUSED" not in text
    assert text.count(WORDS) >= 2
    assert not re.search(r"Batch \d+ delivered", text)


def test_a_batch_shows_its_attempts_with_their_x_road_ids(admin: Any, history: History) -> None:
    """A batch shows its X-Road ids, by which the administrator of the security server finds the messages."""
    page = admin.get("/tablero/batch/1").text
    assert re.search(r'title="X-Road-Id">[0-9a-f-]{36}<', page)
    assert re.search(r'title="X-Road-Request-Id">req-[0-9a-f]{8}<', page)
    assert "AUG-0000" in page


def test_a_request_is_found_with_all_its_changes(admin: Any) -> None:
    """A request is found with all its changes, their states and times of acknowledgement."""
    text = words_of(admin.get(sealed("/tablero/request?id=REQ-77")).text)
    assert "all 3 status changes that were read are delivered" in text
    assert "2026-11-22 15:00:00.25" in text
    assert "9 · Recibido" in text
    assert text.count("20 Nov 2026, 12:00") == 2
    assert text.count("23 Nov 2026, 02:01") == 1


def test_a_refused_row_that_was_corrected(admin: Any, own_history: History) -> None:
    """A refused row that was corrected is withdrawn: not delivered, not to be corrected, and can still be found."""
    day = date(2026, 10, 7)
    assert "0 of 1" in words_of(admin.get(sealed("/tablero/request?id=OCT-REFUSED-1")).text)
    own_history.correct("UPDATE tablero_status_changes SET service_id = '1041' WHERE request_id = 'OCT-REFUSED-1'")
    own_history.correct("DELETE FROM tablero_status_changes WHERE request_id = 'OCT-REFUSED-2'")
    for changed in (day, day + timedelta(days=1)):
        own_history.run(day_window(changed, ZONE), run_id="again", now=NOW)

    corrected = words_of(admin.get(sealed("/tablero/request?id=OCT-REFUSED-1")).text)
    assert "Yes: the only status change that was read is delivered" in corrected
    assert "withdrawn" in corrected
    assert "it is no longer in the source" in words_of(admin.get(sealed("/tablero/request?id=OCT-REFUSED-2")).text)

    page = admin.get(f"/tablero/window/{day}").text
    assert re.search(r'data-count="delivered">1<', page)
    assert re.search(r'data-count="rejected">0<', page)
    listed = admin.get(f"/tablero/window/{day}?state=withdrawn").text
    (number,) = re.findall(r"/batch/(\d+)", listed)
    assert "Corrected there, it is another row" in admin.get(f"/tablero/batch/{number}").text
    assert not re.search("OCT-REFUSED", admin.get("/tablero/rejections?reason=refused_by_dashboard").text)


def test_a_request_of_which_a_part_is_wrong_is_not_complete(admin: Any) -> None:
    """If a request has delivered changes and rejected rows, the answer is not *yes*, and empty values are named so."""
    page = admin.get(sealed(f"/tablero/request?{urlencode({'id': HOSTILE})}"))
    text = words_of(page.text)
    assert "In part: 1 status change is delivered. 1 more row has errors and was not sent" in text
    assert "Yes:" not in text


def test_empty_values_of_a_row_with_errors_are_named(admin: Any) -> None:
    """A value that is missing in the source is *empty*, not a word of a programming language."""
    text = words_of(admin.get(sealed("/tablero/request?id=OCT-NO-SERVICE")).text)
    assert "None" not in text


def test_beyond_the_last_change_of_a_request_there_is_nothing(admin: Any) -> None:
    """An address beyond the last change does not say that nothing is known of the request."""
    assert admin.get(sealed("/tablero/request?id=REQ-77&skip=10")).status_code == 404


def test_the_rejected_rows_of_a_day_are_those_of_the_day(admin: Any) -> None:
    """A day's page leads to the rejected rows of that day alone."""
    (link,) = set(re.findall(r'href="\.\./(rejections\?month=[^"]*)"', admin.get("/tablero/window/2026-10-09").text))
    assert link == "rejections?month=2026-10-09"
    counts = re.findall(r'class="amount">(\d+) rows?<', admin.get(f"/tablero/{link}").text)
    assert sum(map(int, counts)) == 3


@pytest.mark.parametrize("month", ["2026-13", "2026-02-30", "2026-1", "x", "9999-12"])
def test_a_month_that_does_not_exist_filters_nothing(admin: Any, month: str) -> None:
    """A filter by a month that does not exist is refused, since all rows would be shown, downloaded and retried instead."""
    for path in ("rejections", "rejections.csv"):
        assert admin.get(f"/tablero/{path}?month={month}").status_code == 400


@pytest.mark.parametrize("path", ["", "window/2026-10", "status.json", "evidence/2026-10.json", "nowhere"])
def test_head_is_answered_like_get_without_a_body(admin: Any, path: str) -> None:
    """Monitors ask with HEAD."""
    answer = admin.head(f"/tablero/{path}")
    assert answer.status_code == admin.get(f"/tablero/{path}").status_code
    assert answer.content == b""
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_request_that_nobody_knows_is_not_confused_with_one_that_is_wrong(admin: Any) -> None:
    """A request that was never read is distinguished from one whose rows were rejected, since the remedies differ."""
    assert "nothing about this request" in words_of(admin.get(sealed("/tablero/request?id=nobody")).text)
    wrong = words_of(admin.get(sealed("/tablero/request?id=OCT-FORMULA")).text)
    assert "its rows have errors and were not sent" in wrong
    assert "Map the institution's code" in wrong


def test_what_others_wrote_is_shown_and_not_run(admin: Any) -> None:
    """Ids from the source and messages from the dashboard are escaped everywhere."""
    for path in (
        "rejections?reason=unknown_status",
        "rejections?reason=refused_by_dashboard",
        "window/2026-10",
        "request?id=" + HOSTILE.replace('"', "%22"),
        "rejections?service=" + HOSTILE.replace('"', "%22"),
    ):
        page = admin.get(sealed(f"/tablero/{path}")).text
        assert "<script>alert" not in page, path
        assert "<unknown>" not in page, path
    assert "&lt;script&gt;alert(" in admin.get("/tablero/rejections?reason=unknown_status").text


def test_times_are_those_of_the_institution_and_say_so(admin: Any) -> None:
    """Times are shown in the institution's zone, with the zone."""
    page = admin.get(sealed("/tablero/request?id=REQ-77")).text
    assert "All times are in America/Santo_Domingo." in page
    assert '<time datetime="2026-11-23T02:01:00-04:00" title="2026-11-23 02:01:00 America/Santo_Domingo">' in page


def test_rejections_are_grouped_and_say_what_to_do(admin: Any) -> None:
    """Rejections are grouped by reason, with the number of rows and the remedy."""
    text = words_of(admin.get("/tablero/rejections").text)
    assert "status_id is not one of the dashboard's statuses. 2 rows" in text
    assert "The dashboard refused this row; see its message. 2 rows" in text
    assert "What to do: Map the institution's code" in text


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("reason=unknown_status", {"OCT-FORMULA", HOSTILE}),
        ("reason=unknown_status&service=1041", {HOSTILE}),
        ("reason=unknown_status&month=2026-09", set()),
        ("reason=refused_by_dashboard&service=9999&month=2026-10", {"OCT-REFUSED-1", "OCT-REFUSED-2"}),
        ("reason=refused_by_dashboard&service=1041", set()),
        ("reason=no_such_reason", set()),
    ],
)
def test_rejections_are_filtered(admin: Any, query: str, seen: set[str]) -> None:
    """Rejections can be filtered by reason, service and month together."""
    page = admin.get(f"/tablero/rejections?{query}").text
    shown = {html.unescape(name) for name in re.findall(r'class="value"><a href="[^"]*">([^<]*)</a>', page)}
    assert shown == seen


def test_many_rejections_are_shown_page_by_page(admin: Any, own_history: History) -> None:
    """Paging shows each row once, however many have the same instant."""
    own_history.add(*(("1041", f"BAD-{number:04d}", "2026-09-10 08:00:00", 99, "2026-09-10 09:00:00") for number in range(250)))
    from tests.web.history import LOADED, ZONE, day_window

    own_history.run(day_window(LOADED.date().replace(month=9, day=10), ZONE), run_id="again", now=LOADED)
    seen: list[str] = []
    address = "./rejections?reason=unknown_status&month=2026-09"
    for _ in range(3):
        page = admin.get(address.replace("./", "/tablero/")).text
        seen += re.findall(r">(BAD-\d+)</a>", page)
        following = re.search(r'class="button" href="([^"]*before=[^"]*)"', page)
        address = html.unescape(following[1]) if following else ""
    assert not address
    assert sorted(seen) == [f"BAD-{number:04d}" for number in range(250)]


def test_pages_work_under_a_path_prefix(whole_app: Any, admin: Any) -> None:
    """Below a path prefix of Airflow every link leads to a page, and cookies stay below the prefix."""
    from fastapi.testclient import TestClient
    from starlette.applications import Starlette
    from starlette.routing import Mount

    prefixed = TestClient(Starlette(routes=[Mount("/af", whole_app)]), base_url="http://airflow.test")
    prefixed.cookies.set("_token", admin.cookies["_token"])
    for path in ("", "window/2026-10", "evidence/2026-10", "rejections?reason=unknown_status"):
        start = f"http://airflow.test/af/tablero/{path}"
        answer = prefixed.get(start)
        assert answer.status_code == 200, path
        assert "path=/af/tablero;" in answer.headers.get("set-cookie", "path=/af/tablero;").lower()
        links = {html.unescape(link) for link in re.findall(r'(?:href|src)="([^"#]+)', answer.text)}
        inside = sorted({urljoin(start, link) for link in links if "dags/" not in link})
        assert len(inside) > 8
        for address in inside[:: max(1, len(inside) // 12)]:
            assert address.startswith("http://airflow.test/af/tablero/"), address
            assert prefixed.get(address).status_code == 200, address
        for link in links:
            if "dags/" in link:
                assert urljoin(start, link).startswith("http://airflow.test/af/dags/"), link


NOWHERE = """
window/2026-13 window/2019-12 window/2027-01 window/yesterday window/2026-1-1 window/9999-12 window/9999-12-31 window/0001-01
batch/999999 batch/x batch/-1 batch/99999999999999999999 evidence/9999-12.json evidence/9999-12 evidence/2026-10-01
evidence/2019-01 evidence/x.json actions/7 actions/99999999999999999999
"""

ODD = [
    "request?id=%00",
    "request?id=" + "x" * 5000,
    "request?of=%ff",
    "request?of=" + "x" * 5000,
    "rejections?before=nonsense",
    "rejections?reason=unknown_status&before=1-zz",
    "rejections?reason=unknown_status&before=99999999999999999-ff",
    "rejections?reason=refused_by_dashboard&before=1-ff",
    "rejections?reason=refused_by_dashboard&before=1-99999999999999999999",
    "rejections?reason=unknown_status&service=%00",
    "window/2026-10?state=nothing",
    "window/2026-10?after=99999",
    "?lang=xx",
]

LANGUAGES = [
    ("", "fr, de;q=0.8", "es"),
    ("", "en-GB,en;q=0.9", "en"),
    ("?lang=en", "es", "en"),
    ("", "", "es"),
    ("", "es;q=0,en", "en"),
    ("", "en;q=nonsense", "es"),
]


@pytest.mark.parametrize("path", NOWHERE.split())
def test_what_does_not_exist_is_said_to_not_exist(admin: Any, path: str) -> None:
    """What does not exist is a 404 with an explanation, never an error."""
    answer = admin.get(f"/tablero/{path}")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


@pytest.mark.parametrize("path", ODD)
def test_odd_questions_are_answered_calmly(admin: Any, path: str) -> None:
    """No address can make the page fail."""
    assert admin.get(sealed(f"/tablero/{path}")).status_code == 200


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (OutboxUnavailable("The outbox did not answer: disk I/O error."), "The outbox does not answer"),
        (SetupError("Connection tablero_outbox is 'mysql'."), "The outbox cannot be used"),
    ],
)
def test_an_outbox_out_of_order_is_shown_with_what_to_do(admin: Any, site: Site, given: Exception, title: str) -> None:
    """An unavailable outbox is a 503 with the database's message and no traceback."""
    site.problem = given
    answer = admin.get("/tablero/")
    assert answer.status_code == 503
    assert title in answer.text
    assert html.escape(str(given)) in answer.text.replace("&#39;", "&#x27;")


def test_a_wrong_setting_is_shown_with_its_key(admin: Any, site: Site) -> None:
    """A wrong setting is reported with its key instead of an error, since the page needs the zone."""
    site.settings = SettingsError("[tablero] timezone = 'Mars' is wrong.")
    answer = admin.get("/tablero/")
    assert answer.status_code == 503
    assert "timezone =" in answer.text


def test_an_outbox_that_was_never_made_is_shown_with_the_first_step(admin: Any, site: Site, tmp_path: Path) -> None:
    """A database without tables means that nothing has run yet; the page creates none."""
    site.engine = connect(f"sqlite:///{tmp_path / 'new.db'}")
    answer = admin.get("/tablero/")
    assert answer.status_code == 503
    assert "There is nothing to show yet" in answer.text
    with site.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_an_outbox_of_an_earlier_version_is_shown_with_what_upgrades_it(admin: Any, own_history: History) -> None:
    """An outbox of an earlier version is reported with its remedy: a run migrates it, not the page."""
    with own_history.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tablero_version SET version_num = '0001'")
    answer = admin.get("/tablero/")
    assert answer.status_code == 503
    assert "earlier version" in answer.text
    assert Readiness.OLDER.value == "older"


@pytest.mark.parametrize(("version", "words"), [("moving", "is not finished"), ("0099", "newer than this package")])
def test_an_outbox_that_is_half_moved_or_newer_is_not_shown(version: str, words: str, admin: Any, own_history: History) -> None:
    """What such an outbox holds is no answer: the page says why, and a monitor gets *unknown*."""
    with own_history.engine.begin() as connection:
        connection.execute(sa.text("UPDATE tablero_version SET version_num = :version"), {"version": version})
    answer = admin.get("/tablero/")
    assert answer.status_code == 503
    assert words in answer.text
    status = admin.get("/tablero/status.json")
    assert (status.status_code, status.json()["state"]) == (503, "unknown")
    assert words in status.json()["why"]["en"]


def test_an_outbox_is_shown_before_a_run_upgrades_it(admin: Any, site: Site, tmp_path: Path) -> None:
    """With a newer package, no page reads columns that the outbox does not have yet."""
    site.engine = connect(f"sqlite:///{tmp_path / 'older.db'}")
    upgrade(site.engine, OLDEST_SCHEMA)
    for path in PAGES:
        assert admin.get(sealed(f"/tablero/{path}")).status_code == (404 if path == "batch/1" else 200), path


def upgrade(engine: Engine, revision: str) -> None:
    """Create an outbox as an earlier version of the package left it."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    location = str(Path(tablero.__path__[0]) / "outbox" / "migrations")
    for script in reversed(list(ScriptDirectory(location).iterate_revisions(revision, "base"))):
        if (prepare := getattr(script.module, "prepare", None)) is not None:
            prepare(engine)
        with engine.begin() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", location)
            command.upgrade(config, script.revision)


def test_an_outbox_in_which_nothing_was_read_tells_the_first_step(admin: Any, site: Site, tmp_path: Path) -> None:
    """An outbox with empty tables shows the first step."""
    from tablero.outbox.upgrade import migrate

    site.engine = connect(f"sqlite:///{tmp_path / 'empty.db'}")
    migrate(site.engine)
    text = words_of(admin.get("/tablero/").text)
    assert "Nothing has been sent yet" in text
    assert "Trigger the DAG Carga histórica" in text
    assert "No row was delivered in these days." in words_of(admin.get("/tablero/activity").text)


def test_who_has_taken_the_first_step_is_not_asked_to(admin: Any, site: Site, tmp_path: Path, mocker: Any) -> None:
    """While the first load is running, nobody is asked to trigger it."""
    from tablero.outbox.upgrade import migrate
    from tablero.web.airflow_runs import Run, Runs

    site.engine = connect(f"sqlite:///{tmp_path / 'empty.db'}")
    migrate(site.engine)
    mocker.patch.object(Runs, "at_work", return_value=[Run("historical_load", "manual__1", "running", "manual", NOW, None)])
    text = words_of(admin.get("/tablero/").text)
    assert "Nothing has been sent yet" in text
    assert "Trigger the DAG" not in re.sub("In total.*", "", text)


def test_reading_a_page_waits_for_no_writer_and_holds_up_none(admin: Any, own_history: History) -> None:
    """Every page is shown while a worker holds the write lock of the outbox."""
    with own_history.engine.begin() as writer:
        writer.execute(sa.update(batch).where(batch.c.id == 1).values(words="under way"))
        for path in ("", "window/2026-10", "rejections?reason=unknown_status", "request?id=REQ-77", "evidence/2026-09"):
            assert admin.get(sealed(f"/tablero/{path}")).status_code == 200


@pytest.mark.parametrize(("asked", "accepted", "language"), LANGUAGES)
def test_the_language_is_the_readers(admin: Any, asked: str, accepted: str, language: str) -> None:
    """The language is the requested one, then the browser's, then Spanish."""
    page = admin.get(f"/tablero/{asked}", headers={"accept-language": accepted}).text
    assert f'<html lang="{language}">' in page


def test_the_language_that_was_asked_for_stays(admin: Any) -> None:
    """The requested language stays on later pages, and switching it keeps what a page shows."""
    address = sealed("/tablero/request?id=REQ-77")
    link = address.replace("/tablero", ".")
    assert f'href="{link}&amp;lang=es"' in admin.get(address).text
    admin.get("/tablero/?lang=es")
    assert '<html lang="es">' in admin.get("/tablero/rejections").text


def test_formulas_of_the_source_are_text_in_the_page_too(admin: Any) -> None:
    """Formulas are shown unchanged in the page, since they are dangerous only in a spreadsheet."""
    assert html.escape(FORMULA).replace("&quot;", "&#34;") in admin.get("/tablero/rejections?reason=unknown_status").text


@pytest.mark.integration
def test_pages_are_the_same_on_postgresql(admin: Any, site: Site, history: History, tmp_path: Path) -> None:
    """Both kinds of outbox give the same pages, except for the order of times within a second."""
    with PostgresServer() as server:
        pages = {path: words_of(admin.get(sealed(f"/tablero/{path}")).text) for path in PAGES if not path.startswith("batch")}
        site.engine = make_history(server.address, tmp_path).engine
        for path, expected in pages.items():
            answer = admin.get(sealed(f"/tablero/{path}"))
            assert answer.status_code == 200, path
            assert _without_ids(words_of(answer.text)) == _without_ids(expected), path
        site.engine.dispose()


def _without_ids(text: str) -> str:
    """Remove message ids, which are random, and batch numbers."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|req-[0-9a-f]{8}|Batch \d+", "#", text)


@pytest.mark.parametrize("path", ["", "activity", "evidence/2026-09"])
def test_a_page_says_of_which_version_it_is(admin: Any, path: str) -> None:
    """The footer and the evidence show the version, which support asks for first."""
    assert f"Tablero {tablero.__version__}" in words_of(admin.get(f"/tablero/{path}").text)
    assert admin.get("/tablero/evidence/2026-09.json").json()["version"] == tablero.__version__


def test_a_figure_says_what_its_axes_count(admin: Any) -> None:
    """A figure has units on both axes, a legend for two lines, the total in words, and the numbers as a table."""
    figures = re.findall(r"<figure.*?</figure>", admin.get("/tablero/activity").text, re.DOTALL)
    units = [re.findall(r'<text class="unit"[^>]*>([^<]+)<', figure) for figure in figures]
    assert units == [["rows", "Day of sending"], ["seconds", "calls, in order of time"], []]
    assert ">rows</th>" in figures[2]
    assert figures[1].count('class="key"') == 2
    for figure in figures:
        assert re.search(r"<table", figure)


def test_few_rejected_rows_are_a_badge_on_green(admin: Any, site: Site) -> None:
    """A tenth of October's rows is rejected: too many by default, but not if the institution allows more."""
    assert 'class="cell s-rejections" href="./window/2026-10"' in admin.get("/tablero/").text
    site.settings = site.settings.model_copy(update={"alert_rejected_percent": 20})
    page = admin.get("/tablero/").text
    found = re.search(r'<a class="cell s-settled" href="\./window/2026-10".*?</a>', page, re.DOTALL)
    assert found
    assert 'class="flag"' in found[0]
    assert "5 rejected" in found[0]


def test_rows_that_lie_in_no_month_have_a_filter_of_their_own(admin: Any, own_history: History) -> None:
    """Undated rows are named on the first page and listed, and a retry reads them by the shortest historical load."""
    own_history.put_undated("UND-1")
    page = admin.get("/tablero/").text
    assert "1 of them lies in no month" in words_of(page)
    assert 'href="./rejections?month=undated"' in page
    listed = admin.get("/tablero/rejections?month=undated&reason=change_missing").text
    assert "UND-1" in listed
    assert "OCT-FORMULA" not in admin.get("/tablero/rejections?month=undated&reason=unknown_status").text


#: REQ-77 as the source of the history has it.
REQ_77 = [
    ("1041", "REQ-77", "2026-11-18 08:00:00", 9, "2026-11-18 08:00:00"),
    ("1041", "REQ-77", "2026-11-18 08:00:00", 2, "2026-11-19 09:30:00"),
    ("1041", "REQ-77", "2026-11-18 08:00:00", 7, "2026-11-22 15:00:00.25"),
]


def test_a_request_is_held_against_what_the_source_says_now(admin: Any, site: Site) -> None:
    """A request that the source has unchanged matches, whatever the order and repetitions of its rows."""
    site.source = [*reversed(REQ_77), REQ_77[0]]
    text = words_of(admin.get(sealed("/tablero/request?id=REQ-77")).text)
    assert "Yes: all 3 status changes that were read are delivered." in text
    assert "The source says the same: 3 rows, all delivered." in text


def test_what_differs_in_the_source_is_shown_row_by_row(admin: Any, site: Site) -> None:
    """Differences are shown row by row: a corrected row, a new one, an invalid one, and one the dashboard refuses."""
    site.source = [
        REQ_77[0],
        ("1041", "REQ-77", "2026-11-18 08:00:00", 3, "2026-11-19 09:30:00"),
        ("1041", "REQ-77", "2026-11-18 08:00:00", 99, "2026-11-20 09:30:00"),
        ("1041", "REQ-77", "2019-11-18 08:00:00", 1, "2026-11-20 09:30:00"),
        REQ_77[2],
    ]
    text = words_of(admin.get(sealed("/tablero/request?id=REQ-77")).text)
    assert "The source holds 5 rows; delivered: 2. One is new" in text
    assert "2026-11-19 09:30:00 3 · Aprobado not read yet" in text
    assert "99 with an error" in text
    assert "excluded: older than" in text
    assert "A change that was read is no longer in the source, or was corrected: 2026-11-19 09:30:00 · 2 · " in text


def test_a_request_that_only_the_source_knows(admin: Any, site: Site) -> None:
    """A request only in the source was entered after the last reading; one that is nowhere is reported as such."""
    site.source = [("1041", "NEW-1", "2026-11-23 08:00:00", 1, "2026-11-23 09:00:00")]
    text = words_of(admin.get(sealed("/tablero/request?id=NEW-1")).text)
    assert "There is nothing about this request" in text
    assert "The source holds 1 row; delivered: 0. One is new" in text
    site.source = []
    assert "The source holds no row of this request now." in words_of(admin.get(sealed("/tablero/request?id=NEW-2")).text)


def test_a_source_that_does_not_answer_hides_nothing(admin: Any, site: Site) -> None:
    """If the source does not answer, the outbox's answer is shown, with an option to wait longer."""
    site.source = SourceUnavailable(Text("La fuente no responde.", "The source does not answer."))
    page = admin.get(sealed("/tablero/request?id=REQ-77")).text
    assert "Yes: all 3 status changes that were read are delivered." in words_of(page)
    assert "The source does not answer." in page
    assert re.search(r'href="\./request\?of=[^"]+&amp;wait=yes"', page)
    assert "Ask again" not in admin.get(sealed("/tablero/request?id=REQ-77&wait=yes")).text
    assert site.patience[0] <= 2 < site.patience[1]


def test_a_source_that_cannot_be_asked_is_not_mentioned(admin: Any, site: Site) -> None:
    """A source with the institution's own SQL, which cannot look up requests, is not mentioned."""
    site.source = None
    assert "What the source says now" not in admin.get(sealed("/tablero/request?id=REQ-77")).text


def test_a_month_that_is_being_sent_says_how_far_it_is_and_when_it_will_be_done(admin: Any, own_history: History) -> None:
    """Progress uses the pace of the last minute: 20 rows of August are delivered, 40 wait, and one batch is in flight."""
    with own_history.engine.begin() as connection:
        august = batch.c.first_change < NOW - timedelta(days=80)
        first = sa.select(sa.func.min(batch.c.id)).where(batch.c.state == "pending").scalar_subquery()
        connection.execute(sa.update(batch).where(batch.c.id == first).values(claimed_until=NOW + timedelta(minutes=1)))
        connection.execute(
            sa.update(batch).where(august, batch.c.state == "delivered").values(settled_at=NOW - timedelta(seconds=30))
        )
    text = words_of(admin.get("/tablero/window/2026-08").text)
    assert "In progress" in text
    assert "Rows delivered 20 Rows a second 0.3 Rows to deliver, about 40 Ends about 24 Nov 2026, 01:02" in text
    cell = re.search(r'<a class="cell s-progress" href="\./window/2026-08".*?</a>', admin.get("/tablero/").text)
    assert cell
    assert "33.3 %" in cell[0]
    assert "Rows a second" not in admin.get("/tablero/window/2026-09").text


def test_a_monitor_reads_the_status_as_json(admin: Any, site: Site, history: History) -> None:
    """The status as JSON is the same as on the command line, and requires a login."""
    answer = admin.get("/tablero/status.json")
    assert answer.status_code == 200
    with history.engine.connect() as connection:
        known = status(connection, site.settings, site.now)
    assert answer.json() == known.to_json()
    # A later ``earliest`` would silence it, and keep back changes of requests that were opened before.
    assert "never loaded: 2020-01 … 2026-07 (run historical_load, also if they are empty)" in known.line().en
    assert "earliest" not in known.line().en
    found = answer.json()
    assert found["state"] == "late"
    assert "2026-08" in [label[:7] for label in found["open_windows"]]
    assert found["totals"]["pending"] == 40
    assert found["version"] == tablero.__version__
    assert (found["failing"], found["degraded"], found["why"]) == (False, ["never_read"], None)


@pytest.mark.parametrize("problem", [OutboxUnavailable("away"), SetupError("no such database"), SettingsError("wrong")])
def test_a_status_that_cannot_be_determined_is_unknown(admin: Any, site: Site, problem: Any) -> None:
    """A monitor always gets JSON, even if the status is unknown."""
    if isinstance(problem, SettingsError):
        site.settings = problem
    else:
        site.problem = problem
    answer = admin.get("/tablero/status.json")
    assert answer.status_code == 503
    assert answer.json()["state"] == "unknown"
    assert answer.json()["why"] == {"es": str(problem), "en": str(problem)}


def test_when_each_month_was_last_proved_is_shown(admin: Any) -> None:
    """The time of the last proof is shown for each month, and the oldest of them on the first page."""
    months, first = admin.get("/tablero/evidence").text, admin.get("/tablero/").text
    assert "September 2026 Complete 45 20 Nov 2026" in words_of(months)
    assert 'title="September 2026: Complete; proven on 20 Nov 2026, 12:00"' in first
    assert "the oldest proof is of 20 Nov 2026, 12:00" in words_of(first)
    assert "July 2026 Never loaded 0 – August 2026" in words_of(months)
