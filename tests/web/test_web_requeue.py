"""Retrying rows after a correction: the review, the effect, and the record."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from tablero.outbox.schema import batch, operator_action, rejection, requeued

from tests.integration.samples import contents
from tests.web.history import NOW, WORDS, ZONE, History, day_window

OWN = {"sec-fetch-site": "same-origin"}


@pytest.fixture(autouse=True)
def no_runs_of_other_tests(airflow_database: None) -> None:
    """Runs remain in Airflow; each test looks only at its own."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(sa.delete(DagRun))


def runs() -> list[tuple[str, dict[str, str], str | None]]:
    """DAG, parameters and user of each run, in order."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        return [
            (run.dag_id, run.conf, run.triggering_user_name) for run in session.scalars(sa.select(DagRun).order_by(DagRun.id))
        ]


def fields(page: str) -> dict[str, Any]:
    """The hidden fields of the last form of a page."""
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def keys(page: str) -> dict[str, str]:
    """The values of a page's checkboxes: the key of each request."""
    found = re.findall(r'name="key" value="([^"]*)" aria-label="Choose the row of ([^"]*)"', page)
    return {request: key for key, request in found}


def ask(browser: Any, query: str, *, requests: list[str] | None) -> Any:
    """Choose rows, or a whole reason, review and confirm; returns the resulting page."""
    listed = browser.get(f"/tablero/rejections?{query}").text
    form = fields(listed)
    if requests is None:
        form["whole"] = ["yes"]
    else:
        boxes = keys(listed)
        form["key"] = [boxes[request] for request in requests]
    review = browser.post("/tablero/requeue/review", data=form, headers=OWN)
    assert review.status_code == 200, review.text
    answer = browser.post("/tablero/requeue", data=fields(review.text), headers=OWN)
    assert answer.status_code == 303, answer.text
    return browser.get("/tablero/" + answer.headers["location"].removeprefix("./"))


def states(history: History, request: str) -> list[tuple[str, str | None]]:
    """State and message of the batches of a request."""
    return [
        (row.state, row.words) for row, rows in contents(history.engine) if any(change.request_id == request for change in rows)
    ]


def test_a_chosen_refused_row_is_pending_again_and_a_run_delivers_it(admin: Any, own_history: History) -> None:
    """Only the chosen row is pending again, and the run of its day is started in the user's name."""
    page = ask(admin, "reason=refused_by_dashboard", requests=["OCT-REFUSED-1"])
    assert "1 row is pending again" in page.text
    assert states(own_history, "OCT-REFUSED-1") == [("pending", None)]
    assert states(own_history, "OCT-REFUSED-2")[0][0] == "refused"
    assert runs() == [("daily_send", {"day": "2026-10-07"}, "admin")]

    own_history.dashboard.knows_9999 = True
    own_history.run(day_window(NOW.date().replace(month=10, day=7), ZONE), run_id="again", now=NOW)
    assert states(own_history, "OCT-REFUSED-1") == [("delivered", None)]


def test_a_whole_reason_is_pending_again(admin: Any, own_history: History) -> None:
    """All refused rows are pending again, and their days are sent."""
    page = ask(admin, "reason=refused_by_dashboard", requests=None)
    assert "2 rows are pending again" in page.text
    assert {states(own_history, f"OCT-REFUSED-{number}")[0][0] for number in (1, 2)} == {"pending"}
    assert [conf for _, conf, _ in runs()] == [{"day": "2026-10-07"}, {"day": "2026-10-08"}]


def test_a_whole_reason_keeps_to_its_filter(admin: Any, own_history: History) -> None:
    """Rows of another month or service are not affected."""
    for query in ("reason=refused_by_dashboard&month=2026-09", "reason=refused_by_dashboard&service=1041"):
        form = fields(admin.get("/tablero/rejections?reason=refused_by_dashboard").text)
        name, _, value = query.rpartition("&")[2].partition("=")
        form |= {name: [value], "whole": ["yes"]}
        assert "nothing to retry" in admin.post("/tablero/requeue/review", data=form, headers=OWN).text
        admin.post("/tablero/requeue", data=form, headers=OWN)
    assert states(own_history, "OCT-REFUSED-1")[0][0] == "refused"
    assert runs() == []


def test_rows_that_break_the_contract_are_read_again(admin: Any, own_history: History) -> None:
    """Rows that broke the contract are corrected in the source: their day is read again, and the outbox does not change."""
    page = ask(admin, "reason=unknown_status", requests=["OCT-FORMULA"])
    assert "1 row is to be read from the source again" in page.text
    assert runs() == [("daily_send", {"day": "2026-10-09"}, "admin")]

    own_history.correct("UPDATE tablero_status_changes SET status_id = 7, service_id = '1041' WHERE request_id = 'OCT-FORMULA'")
    own_history.run(day_window(NOW.date().replace(month=10, day=9), ZONE), run_id="again", now=NOW)
    assert states(own_history, "OCT-FORMULA") == [("delivered", None)]
    assert "OCT-FORMULA" not in admin.get("/tablero/rejections?reason=unknown_status").text


def test_a_whole_reason_is_read_again_by_its_months(admin: Any, own_history: History) -> None:
    """Only months with such a row are read again."""
    ask(admin, "reason=unknown_status", requests=None)
    assert [run[:2] for run in runs()] == [("historical_load", {"start_month": "2026-10", "end_month": "2026-10"})]


def test_nothing_changes_before_it_is_confirmed(admin: Any, own_history: History) -> None:
    """The review shows the effect, the run to be started, that the DAG is paused, and the user to be recorded."""
    listed = admin.get("/tablero/rejections?reason=refused_by_dashboard").text
    form = fields(listed) | {"key": list(keys(listed).values())}
    text = admin.post("/tablero/requeue/review", data=form, headers=OWN).text
    assert "2 rows" in text
    assert "run for 2026-10-07" in text
    assert "This DAG is paused" in text
    assert "admin asked for it" in text
    assert states(own_history, "OCT-REFUSED-1") == [("refused", f"HTTP 400 «{WORDS}»")]
    assert runs() == []


def test_who_asked_for_what_and_when_is_kept(admin: Any, own_history: History) -> None:
    """The record keeps user and time, and the dashboard's message, which the row no longer has."""
    ask(admin, "reason=refused_by_dashboard", requests=["OCT-REFUSED-1"])
    with own_history.engine.connect() as connection:
        kept = connection.execute(sa.select(operator_action)).one()
        (again,) = connection.execute(sa.select(requeued)).all()
    assert (kept.user_name, kept.done_at, kept.reason, kept.rows) == ("admin", NOW, "refused_by_dashboard", 1)
    assert [run["dag_id"] for run in kept.runs] == ["daily_send"]
    assert again.words == f"HTTP 400 «{WORDS}»"
    assert "admin" in admin.get("/tablero/actions").text
    assert html.escape(WORDS) in admin.get(f"/tablero/batch/{again.batch_id}").text


def test_asking_twice_does_it_once(admin: Any, own_history: History) -> None:
    """The second time nothing is left to retry, and no run is started."""
    listed = admin.get("/tablero/rejections?reason=refused_by_dashboard").text
    form = fields(listed) | {"key": list(keys(listed).values())}
    for _ in range(2):
        assert admin.post("/tablero/requeue", data=form, headers=OWN).status_code == 303
    assert len(runs()) == 2
    with own_history.engine.connect() as connection:
        assert connection.execute(sa.select(operator_action.c.rows).order_by(operator_action.c.id)).all() == [(2,), (0,)]


def test_a_run_that_cannot_be_started_is_reported(admin: Any, own_history: History, mocker: Any) -> None:
    """If the run cannot be started the rows are still pending, and the page says what to do by hand."""
    mocker.patch("tablero.web.airflow_runs.trigger_dag", side_effect=ValueError("no such DAG <today>"))
    page = ask(admin, "reason=refused_by_dashboard", requests=["OCT-REFUSED-1"])
    assert "A run could not be started" in page.text
    assert "no such DAG &lt;today&gt;" in page.text
    assert states(own_history, "OCT-REFUSED-1")[0][0] == "pending"


def test_a_viewer_changes_nothing(viewer: Any, admin: Any, own_history: History) -> None:
    """A viewer changes nothing, not even with another user's form."""
    listed = admin.get("/tablero/rejections?reason=refused_by_dashboard").text
    form = fields(listed) | {"key": list(keys(listed).values())}
    viewer.cookies.set("tablero_form", admin.cookies["tablero_form"])
    for path in ("/tablero/requeue/review", "/tablero/requeue"):
        assert viewer.post(path, data=form, headers=OWN).status_code == 403
    assert states(own_history, "OCT-REFUSED-1")[0][0] == "refused"
    assert runs() == []


def test_a_get_changes_nothing(admin: Any, own_history: History) -> None:
    """GET requests by links, prefetches and crawlers change nothing."""
    for path in ("/tablero/requeue", "/tablero/requeue?whole=yes&reason=refused_by_dashboard", "/tablero/requeue/review"):
        assert admin.get(path).status_code in (404, 405)
    assert states(own_history, "OCT-REFUSED-1")[0][0] == "refused"


@pytest.mark.parametrize("keys", [["x"], ["-1"], ["999999"], ["1"], ["9" * 40], []])
def test_keys_of_no_refused_row_are_passed_over(admin: Any, own_history: History, keys: list[str]) -> None:
    """Keys of batches that are not refused are ignored, so that a delivered batch cannot become pending."""
    form = fields(admin.get("/tablero/rejections?reason=refused_by_dashboard").text) | {"key": keys}
    assert "nothing to retry" in admin.post("/tablero/requeue/review", data=form, headers=OWN).text
    admin.post("/tablero/requeue", data=form, headers=OWN)
    with own_history.engine.connect() as connection:
        assert connection.scalar(sa.select(batch.c.state).where(batch.c.id == 1)) == "delivered"


def test_the_page_shows_a_run_that_is_at_work(admin: Any, own_history: History, site: Any) -> None:
    """The page shows the progress, speed and expected end of a run, and its day as in progress."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    ask(admin, "reason=refused_by_dashboard", requests=["OCT-REFUSED-1"])
    with create_session() as session:
        run = session.scalar(sa.select(DagRun))
        run.state, run.start_date = "running", NOW
        run_id = run.run_id
    own_history.dashboard.knows_9999 = True
    day = day_window(NOW.date().replace(month=10, day=7), ZONE)
    own_history.run(day, run_id=run_id, now=NOW + timedelta(seconds=5), prove=False)
    site.now = NOW + timedelta(seconds=10)
    live = admin.get("/tablero/live")
    assert live.headers["x-tablero-at-work"] == "1"
    assert re.search(r"data-live-delivered>1<", live.text)
    assert "0.1" in live.text
    page = admin.get("/tablero/").text
    assert re.search(r'class="cell s-progress" href="\./window/2026-10-07"', page)
    assert re.search(r'class="cell s-progress" href="\./window/2026-10"', page)


def test_nothing_is_at_work_when_nothing_is(viewer: Any) -> None:
    """The panel is hidden if no run is active."""
    assert viewer.get("/tablero/live").headers["x-tablero-at-work"] == "0"
    assert re.search(r'<section id="live"[^>]* hidden>', viewer.get("/tablero/").text)


def test_the_csv_of_rejections_runs_nothing(viewer: Any) -> None:
    """Cells that look like formulas begin with an apostrophe; all others are unchanged."""
    import csv
    import io

    answer = viewer.get("/tablero/rejections.csv?reason=unknown_status")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="tablero-rejections-unknown_status.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {row["request_id"] for row in rows} == {"OCT-FORMULA", '<script>alert("1")</script>'}
    (formula,) = (row for row in rows if row["request_id"] == "OCT-FORMULA")
    assert formula["service_id"].startswith("'=HYPERLINK")
    assert formula["code"] == "unknown_status"
    assert formula["what to do"].startswith("Map the institution's code")


def test_the_csv_holds_every_reason(viewer: Any) -> None:
    """The CSV has every reason, including refused rows with the dashboard's message."""
    import csv
    import io

    rows = list(csv.DictReader(io.StringIO(viewer.get("/tablero/rejections.csv").content.decode("utf-8-sig"))))
    assert sorted(row["code"] for row in rows) == ["missing_service_id", *2 * ["refused_by_dashboard"], *2 * ["unknown_status"]]
    assert {row["the dashboard's message"] for row in rows if row["code"] == "refused_by_dashboard"} == {f"HTTP 400 «{WORDS}»"}


def test_rows_that_are_in_no_month_can_be_retried_by_their_reason(admin: Any, own_history: History) -> None:
    """Undated rows lie in no month: the load of the current month reads them again."""
    own_history.put_undated("U-1")
    action = ask(admin, "reason=change_missing", requests=None)
    assert "1 row is to be read from the source again" in action.text
    assert runs() == [("historical_load", {"start_month": "2026-11", "end_month": "2026-11"}, "admin")]


def test_nothing_is_confirmed_that_no_run_can_do(admin: Any, own_history: History) -> None:
    """Rows whose date lies in the future cannot be read yet: the review says so and has no button."""
    with own_history.engine.begin() as connection:
        later = sa.update(rejection).where(rejection.c.reason == "missing_service_id")
        connection.execute(later.values(changed_at=NOW + timedelta(days=90)))
    form = fields(admin.get("/tablero/rejections?reason=missing_service_id").text) | {"whole": ["yes"]}
    review = admin.post("/tablero/requeue/review", data=form, headers=OWN).text
    assert "their date lies in the future" in review
    assert "Yes, retry" not in review


def test_a_month_that_does_not_exist_retries_nothing(admin: Any, own_history: History) -> None:
    """A form with a month that does not exist is refused: without the month it would mean all rows."""
    form = fields(admin.get("/tablero/rejections?reason=unknown_status").text) | {"whole": ["yes"], "month": ["2026-13"]}
    for path in ("requeue/review", "requeue"):
        assert admin.post(f"/tablero/{path}", data=form, headers=OWN).status_code == 400
    assert runs() == []


def test_an_action_without_its_run_has_no_tick(admin: Any, own_history: History, mocker: MockerFixture) -> None:
    """If a run could not be started, the action does not look as if all went well."""
    from tablero.web.airflow_runs import CannotStart, Runs

    mocker.patch.object(Runs, "start", side_effect=CannotStart("no"))
    lead = re.search(r'<p class="lead">(.*?)</p>', ask(admin, "reason=unknown_status", requests=None).text)
    assert lead
    assert "#i-mismatch" in lead[1]
