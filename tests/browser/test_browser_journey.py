"""What users do on the page, in a real browser in a real Airflow."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.testing import Handle
from tests.airflow.client import Client
from tests.airflow.server import Airflow
from tests.browser.prepared import NEVER, PENDING, REFUSED, Prepared
from tests.integration.samples import staged, states

Open = Callable[..., Any]

#: Milliseconds between two polls of the first page for work in progress, while there is none.
BETWEEN_LOOKS = 30_000


def in_airflow(page: Any) -> Any:
    """The page within Airflow, opened through the navigation."""
    page.goto("/")
    page.get_by_test_id("nav-sidebar").get_by_role("link", name="Tablero").click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", level=1).wait_for()
    return frame


def rows(prepared: Prepared, state: str) -> int:
    """Rows of the outbox in a state, counted individually."""
    engine = prepared.engine()
    found = states(engine)
    engine.dispose()
    return found.get(state, 0)


def shown(frame: Any, name: str) -> int:
    """One of the totals on the page."""
    return int(frame.locator(f'[data-total="{name}"]').inner_text().replace(",", ""))


def test_the_numbers_are_read_within_airflow(visit: Open, prepared: Prepared) -> None:
    """After logging in, the page opened from Airflow's navigation shows the numbers of the outbox."""
    frame = in_airflow(visit())
    assert "months are not complete" in frame.get_by_role("heading", level=1).inner_text()
    assert shown(frame, "delivered") == rows(prepared, "delivered") > 50_000
    assert shown(frame, "pending") == rows(prepared, "pending") > 0
    parts = ("delivered", "rejected", "excluded", "duplicates", "pending")
    assert shown(frame, "read") == sum(shown(frame, part) for part in parts)


def test_a_month_is_opened_and_its_run_followed_out_of_the_frame(visit: Open, server: Airflow) -> None:
    """The link to a run opens in the window, which the frame itself may not navigate."""
    page = visit()
    frame = in_airflow(page)
    frame.get_by_role("link", name=re.compile("February 2024: Complete|February 2024: With rejections")).first.click()
    frame.get_by_role("heading", name="February 2024", exact=True).wait_for()
    page.wait_for_url(re.compile(r"/plugin/tablero/tablero/window/2024-02"))
    frame.get_by_role("link", name=re.compile("Historical load")).first.click()
    page.wait_for_url(re.compile(r"/dags/historical_load/runs/manual__"))
    assert "/plugin/" not in page.url


def test_an_address_within_the_frame_can_be_kept(visit: Open) -> None:
    """The address in the browser's address bar leads back to the same month."""
    page = visit()
    page.goto("/plugin/tablero/tablero/window/2023-12")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="December 2023", exact=True).wait_for()
    assert "Pending" in frame.locator(".lead").inner_text()


def test_a_request_is_found(visit: Open, prepared: Prepared) -> None:
    """A request is found by its number from any page."""
    engine = prepared.engine()
    rows = staged(engine)
    request = min(rows).request_id
    changes = sum(row.request_id == request for row in rows)
    engine.dispose()
    frame = in_airflow(visit())
    frame.get_by_label("Was a request reported?").fill(str(request))
    frame.get_by_role("button", name="Find").click()
    frame.get_by_role("heading", name=str(request)).wait_for()
    on_record, at_the_source = frame.get_by_role("table").all()
    assert on_record.locator("tbody tr").count() == changes
    assert at_the_source.locator("tbody tr").count() >= changes


def test_rejections_are_downloaded(visit: Open, tmp_path: Path) -> None:
    """Rejections are downloaded from within the frame as a file for spreadsheets."""
    page = visit()
    frame = in_airflow(page)
    frame.get_by_role("link", name="Rejections", exact=True).click()
    with page.expect_download() as started:
        frame.get_by_role("link", name="Download CSV").click()
    started.value.save_as(tmp_path / "rejections.csv")
    with (tmp_path / "rejections.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) > 50
    assert {"unknown_status", "missing_request_id", "refused_by_dashboard"} <= {row["code"] for row in found}


def test_a_row_that_was_mended_is_delivered(visit: Open, airflow: Client, prepared: Prepared, sandbox: Handle) -> None:
    """A row corrected in the source and retried on the page is delivered by the run."""
    request, day = prepared.correct_a_row()
    assert not [row for row in sandbox.counts() if row[1] == request]
    frame = in_airflow(visit())
    frame.get_by_role("link", name="Rejections", exact=True).click()
    frame.get_by_role("link", name=re.compile("not one of the dashboard's statuses")).click()
    frame.get_by_label(f"Choose the row of {request}").check()
    frame.get_by_role("button", name="Retry the chosen ones").click()
    frame.get_by_role("heading", name="Retry?").wait_for()
    assert f"run for {day}" in frame.locator("ol").inner_text()
    frame.get_by_role("button", name="Yes, retry").click()
    frame.get_by_role("heading", name="Retry asked for").wait_for()
    run_id = frame.locator(".run .code").inner_text()
    assert airflow.wait("daily_send", run_id) == "success"

    frame.get_by_label("Was a request reported?").fill(request)
    frame.get_by_role("button", name="Find").click()
    frame.get_by_text(re.compile("Yes: ")).wait_for()
    assert [count for row, count in sandbox.counts().items() if row[1] == request] == [1]
    frame.get_by_role("link", name="Actions", exact=True).click()
    frame.get_by_role("heading", name="Actions by people").wait_for()
    assert "admin" in frame.locator("tbody").inner_text()


def test_refused_rows_are_retried_together(visit: Open, airflow: Client, prepared: Prepared) -> None:
    """All rows of a reason are retried together, and disappear from the list once accepted."""
    before = rows(prepared, "refused")
    assert before > 0
    frame = in_airflow(visit())
    frame.get_by_role("link", name="Rejections", exact=True).click()
    frame.get_by_role("link", name=re.compile("The dashboard refused this row")).click()
    frame.get_by_role("button", name="Retry all with this reason").click()
    frame.get_by_role("button", name="Yes, retry").click()
    frame.get_by_role("heading", name="Retry asked for").wait_for()
    assert f"{before} rows are pending again" in frame.locator(".lead").inner_text()
    for run_id in frame.locator(".run .code").all_inner_texts():
        dag_id = "historical_load" if f"{REFUSED}" in str(airflow.runs("historical_load")) else "daily_send"
        assert airflow.wait(dag_id, run_id) == "success"
    assert rows(prepared, "refused") == 0


def test_a_viewer_cannot_retry(visit: Open, server: Airflow) -> None:
    """A viewer has no buttons to retry, and is refused without them."""
    page = visit("vera")
    frame = in_airflow(page)
    frame.get_by_role("link", name="Rejections", exact=True).click()
    frame.get_by_role("link", name=re.compile("not one of the dashboard's statuses")).click()
    frame.get_by_text("right to edit and trigger").wait_for()
    assert frame.get_by_role("checkbox").count() == 0
    assert frame.get_by_role("button", name=re.compile("Retry")).count() == 0
    answer = page.request.post(
        f"{server.url}/tablero/requeue",
        form={"reason": "unknown_status", "whole": "yes"},
        headers={"origin": server.url, "sec-fetch-site": "same-origin"},
    )
    assert answer.status == 403


def test_work_under_way_is_seen_without_a_reload(visit: Open, airflow: Client, sandbox: Handle) -> None:
    """The panel appears, its number grows, it disappears, and the months are complete, with a single page load."""
    page = visit()
    page.goto("/tablero/")
    page.evaluate("window.loadedOnce = true")
    assert page.locator("#live").is_hidden()
    assert page.locator(f'a.s-never[href$="{NEVER[0]}"]').count() == 1
    # Some forty calls, one at a time in each of two months: there is something to see for more than a minute.
    slow = sandbox.add_fault(kind="delay", seconds=3)
    run_id = airflow.trigger("historical_load", {"start_month": NEVER[0], "end_month": NEVER[-1]})
    delivered = page.locator("[data-live-delivered]")
    delivered.wait_for(state="visible", timeout=180_000)
    for _ in range(3):
        page.wait_for_function(
            "before => document.querySelector('[data-live-delivered]').innerText !== before",
            arg=delivered.inner_text(),
            timeout=120_000,
        )
    sandbox.remove_fault(slow)
    assert airflow.wait("historical_load", run_id) == "success"
    page.locator("#live").wait_for(state="hidden", timeout=120_000)
    page.locator(f'a[href$="{NEVER[0]}"]:not(.s-never):not(.s-progress)').wait_for(timeout=120_000)
    assert page.evaluate("window.loadedOnce") is True


def test_the_page_works_without_scripts(visit: Open) -> None:
    """Without scripts the page works, since every link and form is plain HTML."""
    page = visit(java_script_enabled=False)
    page.goto("/tablero/")
    page.get_by_role("link", name=re.compile("December 2023: Pending")).first.click()
    page.get_by_role("heading", name="December 2023", exact=True).wait_for()
    page.get_by_role("link", name="Rejections", exact=True).click()
    page.get_by_role("link", name=re.compile("not one of the dashboard's statuses")).click()
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Retry the chosen ones").click()
    page.get_by_role("heading", name="Retry?").wait_for()


def test_an_ended_login_is_shown_and_renewed(visit: Open) -> None:
    """After the login has expired the page links to Airflow's login, which leads back."""
    page = visit(None)
    assert page.goto("/tablero/window/2023-12").status == 401
    page.get_by_role("heading", name="Your session has ended").wait_for()
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Username").fill("vera")
    page.get_by_label("Password").fill("vera")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="December 2023").wait_for()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_theme_is_that_of_airflow(visit: Open, theme: str) -> None:
    """Within the frame the theme is the one chosen in Airflow, even against the system's."""
    page = visit(color_scheme="light" if theme == "dark" else "dark")
    page.goto("/")
    page.evaluate(f"localStorage.setItem('theme', '{theme}')")
    frame = in_airflow(page)
    ground = frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    dark = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) < 3 * 128
    assert dark == (theme == "dark")


def test_the_keyboard_is_enough(visit: Open) -> None:
    """By keyboard, the first stop skips the navigation, every stop is visible, and a month opens with Enter."""
    page = visit()
    page.goto("/tablero/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator(f'a[href$="window/{PENDING}"]').first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="December 2023").wait_for()


def test_the_evidence_is_fit_to_be_printed(visit: Open) -> None:
    """The printed evidence has no navigation or buttons, and is dark on light in any theme."""
    page = visit(color_scheme="dark")
    page.goto("/tablero/evidence/2024-02")
    page.emulate_media(media="print")
    for part in (".top", ".bottom", ".no-print"):
        assert page.locator(part).is_hidden()
    assert page.locator("[data-digest]").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_evidence_leaves_the_frame_to_be_printed(visit: Open) -> None:
    """The evidence opens in the window for printing, since a frame may not print."""
    page = visit()
    page.add_init_script("window.print = () => { window.printed = true }")
    page.goto("/plugin/tablero/tablero/evidence/2024-02")
    page.frame_locator("iframe").get_by_role("button", name="Print").click()
    page.wait_for_url("**/tablero/evidence/2024-02#print")
    assert "/plugin/" not in page.url
    page.wait_for_function("window.printed === true")


def test_a_page_that_lost_its_server_says_so(visit: Open) -> None:
    """A page that lost its server warns that its content may be old, until the server is back."""
    page = visit()
    page.clock.install()
    page.goto("/tablero/")
    stale = page.locator("[data-stale]")
    assert stale.is_hidden()
    page.route("**/tablero/live", lambda route: route.abort())
    page.clock.fast_forward(BETWEEN_LOOKS)
    stale.wait_for(state="visible")
    page.unroute("**/tablero/live")
    page.clock.fast_forward(BETWEEN_LOOKS)
    stale.wait_for(state="hidden")


def test_a_page_whose_login_ended_says_so_by_itself(visit: Open) -> None:
    """A page whose login expired says so by itself, since nobody reloads a wall screen."""
    page = visit(color_scheme="light")  # in its own window, since it loses its login
    page.clock.install()
    page.goto("/tablero/")
    page.context.clear_cookies()
    page.clock.fast_forward(BETWEEN_LOOKS)
    page.get_by_role("heading", name="Your session has ended").wait_for()
