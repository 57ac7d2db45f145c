"""Appearance and accessibility of the pages: axe-core, widths, pictures."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.client import Client
from tests.airflow.server import Airflow
from tests.browser.prepared import DELIVERED, DRY_RUN, MISMATCH, PENDING, REFUSED, UNREAD, Prepared

Open = Callable[..., Any]

PAGES = {
    "coverage": "",
    "window": f"window/{REFUSED}",
    "window-pending": f"window/{PENDING}",
    "window-mismatch": f"window/{MISMATCH}",
    "day": f"window/{REFUSED}-12",
    "batch": "batch/7",
    "batches": "batches?show=pending",
    "request": "request",
    "request-unread": "request",
    "rejections": "rejections",
    "rejections-reason": "rejections?reason=unknown_status",
    "rejections-undated": "rejections?month=undated&reason=change_missing",
    "evidence-months": "evidence",
    "evidence": "evidence/2024-02",
    "activity": "activity",
    "dry-run": f"dry-run?run={DRY_RUN}",
    "actions": "actions",
    "nothing": "no/such/page",
}

#: Requests are found with the form, since no address has an id in it.
ASKED = {"request": DELIVERED, "request-unread": UNREAD}

#: The pages in the README, and their widths.
SHOWN = {"coverage": (360, 1280, 2560), **dict.fromkeys(("window", "rejections-reason", "evidence", "activity"), (1280,))}

THEMES = ("light", "dark")

#: Widths of a telephone, a desktop and a wall screen, in pixels.
WIDTHS = (360, 1280, 2560)

#: The folder for a picture of every page, at each width, in each theme and language.
ALL_PICTURES = os.environ.get("TABLERO_ALL_PICTURES")

#: The folder for pictures, if they are to be kept: ``TABLERO_PICTURES=docs``.
KEPT = os.environ.get("TABLERO_PICTURES")


def violations(page: Any) -> list[tuple[str, list[str]]]:
    """The rules of axe-core that a page violates, and where."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found["violations"]]


@pytest.mark.parametrize("locale", ["es-DO", "en-US"])
@pytest.mark.parametrize("name", PAGES)
def test_everyone_can_use_it(visit: Open, axe: str, name: str, locale: str) -> None:
    """axe-core finds nothing, in both themes, on a wide and on a narrow screen; and no page is wider than the screen, from
    a telephone to a wall: wide content scrolls within the page.
    """
    page = visit(locale=locale)
    page.goto(f"/tablero/{PAGES[name]}")
    if name in ASKED:
        page.locator("#find").fill(ASKED[name])
        page.locator("#find").press("Enter")
        page.wait_for_url("**/request?of=*")
    for closed in page.locator("details").all()[:3]:
        closed.evaluate("element => { element.open = true }")
    page.evaluate(axe)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            if width != max(WIDTHS):
                assert violations(page) == [], f"{theme}, {width} pixels"
            if ALL_PICTURES:
                page.screenshot(path=Path(ALL_PICTURES) / f"{name}-{width}-{theme}-{locale[:2]}.png", full_page=True)


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_on_the_page_for_those_who_are_not_logged_in(visit: Open, axe: str, theme: str) -> None:
    """axe-core finds nothing on the page for users without a login, which has only inline styles."""
    page = visit(None, color_scheme=theme)
    page.goto("/tablero/")
    page.evaluate(axe)
    assert violations(page) == []


def test_axe_finds_nothing_before_something_is_confirmed(visit: Open, axe: str) -> None:
    """axe-core finds nothing on the confirmation page, which is reached only by a form."""
    page = visit()
    page.goto("/tablero/rejections?reason=unknown_status")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Retry the chosen ones").click()
    page.get_by_role("heading", name="Retry?").wait_for()
    page.evaluate(axe)
    assert violations(page) == []


def test_axe_finds_nothing_where_someone_has_to_decide(visit: Open, axe: str) -> None:
    """axe-core finds nothing on the batch that needs a decision, and on its confirmation page."""
    page = visit()
    page.goto("/tablero/")
    page.get_by_text("someone has to decide").get_by_role("link").first.click()
    page.get_by_role("heading", name="The dashboard may have").wait_for()
    page.evaluate(axe)
    assert violations(page) == []
    page.get_by_role("button", name="mark them as delivered").click()
    page.get_by_role("heading", name="Mark them as delivered?").wait_for()
    page.evaluate(axe)
    assert violations(page) == []


@pytest.fixture(scope="module")
def after_a_night(airflow: Client, server: Airflow, prepared: Prepared) -> None:
    """For pictures: last night's send is over, and the next one is tonight's. No run is scheduled here."""
    if not KEPT:
        return
    run_id, state = airflow.load("daily_send", {"day": prepared.last_day.isoformat()})
    assert state == "success"
    tonight = datetime.now(timezone.utc).replace(hour=6, minute=0) + timedelta(days=1)
    with closing(sqlite3.connect(server.home / "airflow.db")) as database, database:
        database.execute("update dag_run set run_type = 'scheduled' where run_id = ?", (run_id,))
        database.execute("update dag set next_dagrun_create_after = ? where dag_id = 'daily_send'", (str(tonight),))


@pytest.mark.usefixtures("after_a_night")
@pytest.mark.parametrize(("name", "width"), [(name, width) for name, widths in SHOWN.items() for width in widths])
def test_pictures_for_the_readme(visit: Open, name: str, width: int, tmp_path: Path) -> None:
    """Pictures can be taken on every run, and are kept on request."""
    folder = Path(KEPT) if KEPT else tmp_path
    # The first page down to the months.
    height = 1400 if (name, width) == ("coverage", 1280) else {360: 780, 1280: 900, 2560: 1440}[width]
    page = visit(viewport={"width": width, "height": height}, locale="es-DO")
    page.goto(f"/tablero/{PAGES[name]}")
    picture = folder / f"page-{name}-{width}.png"
    page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000


@pytest.mark.usefixtures("after_a_night")
def test_a_picture_within_airflow_for_the_readme(visit: Open, tmp_path: Path) -> None:
    """A picture within Airflow shows the page as users see it, in the dark theme."""
    folder = Path(KEPT) if KEPT else tmp_path
    page = visit(viewport={"width": 1440, "height": 900}, locale="es-DO", color_scheme="dark")
    page.goto("/plugin/tablero")
    page.frame_locator("iframe").get_by_role("heading", level=1).wait_for()
    page.wait_for_timeout(1_000)
    page.screenshot(path=folder / "page-in-airflow-1440.png")
    assert (folder / "page-in-airflow-1440.png").stat().st_size > 10_000
