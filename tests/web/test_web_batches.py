"""The list of batches that someone may have to look at: the alert about posts without an answer leads to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tablero.delivery.health import pages
from tablero.outbox.findings import Degradation, keep_degradations
from tablero.outbox.reports.batches import KINDS
from tablero.outbox.schema import attempt, batch

from tests.web.history import NOW, History
from tests.web.test_web_findings import NIGHT, YESTERDAY
from tests.web.test_web_pages import words_of
from tests.web.test_web_unconfirmed import stuck as stuck


def listed(page: str) -> list[int]:
    """The ids of the batches in the list of a page."""
    return [int(number) for number in re.findall(r'<li class="batch">\s*<p><a href="\./batch/(\d+)"', page)]


@pytest.fixture
def unanswered(own_history: History) -> list[int]:
    """Three delivered batches that were posted without an answer before, the last of them by last night's run."""
    with own_history.engine.begin() as connection:
        ids = connection.scalars(sa.select(batch.c.id).where(batch.c.state == "delivered").order_by(batch.c.id).limit(3)).all()
        connection.execute(sa.update(batch).where(batch.c.id.in_(ids)).values(ever_unknown=True))
        connection.execute(sa.update(batch).where(batch.c.id == ids[0]).values(settled_how="recognised"))
        for identity in ids:
            connection.execute(
                sa.insert(attempt).values(
                    batch_id=identity,
                    run_id=NIGHT if identity == ids[-1] else "manual__earlier",
                    message_id=f"lost-{identity}",
                    started_at=NOW - timedelta(hours=3),
                    outcome="unknown",
                    error="no answer within 300 s",
                )
            )
    return list(ids)


def test_the_batches_that_were_left_without_an_answer(admin: Any, unanswered: list[int]) -> None:
    """They are listed newest first, with their attempts, and with what the dashboard recognised."""
    page = admin.get("/tablero/batches?show=unknown").text
    assert listed(page) == unanswered[::-1]
    text = words_of(page)
    assert "once without an answer (3)" in text
    assert "no answer within 300 s" in text
    assert text.count("(recognised when repeated)") == 1
    assert "name those to Burocracia Cero" in text


def test_the_alert_leads_to_the_batches_of_its_run(admin: Any, own_history: History, unanswered: list[int]) -> None:
    """The alert, the first page and *Activity* link to the batches that this night posted, and to nothing else."""
    found = Degradation.of("unknown", YESTERDAY, 3, 6)
    keep_degradations(own_history.engine, "daily_send", NIGHT, [found], now=NOW - timedelta(hours=3))
    address = pages.address(found, NIGHT)
    for path in ("", "activity"):
        assert f'href="./{address}"'.replace("&", "&amp;") in admin.get(f"/tablero/{path}").text
    page = admin.get(f"/tablero/{address}").text
    assert listed(page) == [unanswered[-1]]
    assert NIGHT in page
    assert 'href="./batches?show=unknown"' in page


def test_what_waits_is_listed_in_the_order_of_posting(admin: Any, own_history: History) -> None:
    """Pending batches are listed oldest change first; those that a task is posting have a list of their own."""
    with own_history.engine.begin() as connection:
        pending = connection.scalars(
            sa.select(batch.c.id).where(batch.c.state == "pending").order_by(batch.c.first_change, batch.c.id)
        ).all()
        until = NOW + timedelta(minutes=5)
        connection.execute(sa.update(batch).where(batch.c.id == pending[-1]).values(claimed_by="w", claimed_until=until))
    assert len(pending) > 1
    assert listed(admin.get("/tablero/batches?show=pending").text) == list(pending)
    assert listed(admin.get("/tablero/batches?show=posting").text) == [pending[-1]]
    activity = words_of(admin.get("/tablero/activity").text)
    assert f"being posted now (1) pending ({len(pending)})" in activity


def test_what_only_a_person_can_settle_can_be_settled_from_the_list(
    as_user: Callable[[str | None], Any], admin: Any, stuck: int
) -> None:
    """Batches to be decided are listed with both ways out for those who may write, and without for others."""
    page = admin.get("/tablero/batches?show=unconfirmed").text
    assert listed(page) == [stuck]
    assert 'action="./unconfirmed/review"' in page
    assert "It has them: mark them as delivered" in page
    other = as_user("vera").get("/tablero/batches?show=unconfirmed").text
    assert listed(other) == [stuck]
    assert "unconfirmed/review" not in other


def test_a_long_list_has_further_pages(admin: Any, own_history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is shown in parts, each batch once; beyond the last one there is nothing."""
    monkeypatch.setattr("tablero.web.routes.batches._BATCHES", 5)
    with own_history.engine.begin() as connection:
        connection.execute(sa.update(batch).where(batch.c.state == "delivered").values(ever_unknown=True))
        known = connection.scalar(sa.select(sa.func.count()).where(batch.c.ever_unknown))
    found: list[int] = []
    path: str | None = "batches?show=unknown&run="
    while path is not None:
        page = admin.get(f"/tablero/{path}").text
        found += listed(page)
        more = re.search(r'<a class="button" href="\./(batches[^"]+)">Show more', page)
        path = more[1].replace("&amp;", "&") if more else None
    assert len(found) == known == len(set(found))
    assert known > 10
    assert admin.get(f"/tablero/batches?show=unknown&skip={known}").status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_where_there_is_none(admin: Any, kind: str) -> None:
    """A list without batches says so."""
    page = admin.get(f"/tablero/batches?show={kind}&run=manual__no-such-run").text
    assert listed(page) == []
    assert "None." in words_of(page)


@pytest.mark.parametrize("query", ["show=all", "show=", "skip=-1", "skip=x", "skip=999999999999", "skip=100000"])
def test_an_address_that_no_link_has_is_not_found(admin: Any, query: str) -> None:
    """Kinds and pages that do not exist are not found."""
    assert admin.get(f"/tablero/batches?{query}").status_code == 404
