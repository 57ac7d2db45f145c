"""Batches that the dashboard may have but fails on when repeated: the two ways out that the page offers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from tablero.outbox.schema import attempt, batch, operator_action

from tests.web.history import History
from tests.web.test_web_pages import words_of
from tests.web.test_web_requeue import OWN, fields, runs
from tests.web.test_web_requeue import no_runs_of_other_tests as no_runs_of_other_tests

#: In the month in which the dashboard was down.
ROWS = 20


@pytest.fixture
def stuck(own_history: History) -> int:
    """The id of a batch that once had an unknown outcome and was split by the search since."""
    with own_history.engine.begin() as connection:
        first = sa.select(sa.func.min(batch.c.id)).where(batch.c.state == "pending").scalar_subquery()
        connection.execute(sa.update(batch).where(batch.c.id == first).values(ever_unknown=True, cuts=1))
        return connection.scalar(sa.select(batch.c.id).where(batch.c.ever_unknown)) or 0


def state_of(history: History, identity: int) -> tuple[str, str | None]:
    """The state of a batch, and how it is known to be delivered."""
    with history.engine.connect() as connection:
        row = connection.execute(sa.select(batch.c.state, batch.c.settled_how).where(batch.c.id == identity)).one()
    return row.state, row.settled_how


def review(browser: Any, identity: int, way: str) -> Any:
    """Press one of the two buttons on the page of a batch."""
    form = fields(browser.get(f"/tablero/batch/{identity}").text) | {"way": way}
    return browser.post("/tablero/unconfirmed/review", data=form, headers=OWN)


def test_the_first_page_names_what_only_a_person_can_settle(admin: Any, stuck: int) -> None:
    """The first page links to the batch that needs a decision, whose page says why and what to ask whom."""
    page = admin.get("/tablero/").text
    assert f'href="./batch/{stuck}"' in page
    assert f"someone has to decide: Batch {stuck}" in words_of(page)
    text = words_of(admin.get(f"/tablero/batch/{stuck}").text)
    assert f"The dashboard may have these {ROWS} rows already" in text
    assert "Ask Burocracia Cero" in text


def test_no_other_batch_offers_it(admin: Any, stuck: int, own_history: History) -> None:
    """Batches that were never posted, or are delivered, do not offer it."""
    with own_history.engine.connect() as connection:
        others = connection.scalars(sa.select(batch.c.id).where(batch.c.id != stuck)).all()
    assert others
    for identity in others:
        assert "unconfirmed" not in admin.get(f"/tablero/batch/{identity}").text


def test_what_the_dashboard_has_counts_as_delivered(admin: Any, stuck: int, own_history: History) -> None:
    """If the dashboard has the rows they count as delivered: nothing is posted, and the user is recorded."""
    asked = review(admin, stuck, "adopt")
    assert "not posted again" in asked.text
    assert state_of(own_history, stuck) == ("pending", None)
    done = admin.post("/tablero/unconfirmed", data=fields(asked.text), headers=OWN)
    assert done.status_code == 303
    page = admin.get("/tablero/" + done.headers["location"].removeprefix("./")).text
    assert f"{ROWS} rows were marked as delivered." in words_of(page)
    assert state_of(own_history, stuck) == ("delivered", "adopted")
    assert runs() == []
    with own_history.engine.connect() as connection:
        words = connection.scalar(sa.select(attempt.c.message).where(attempt.c.batch_id == stuck).order_by(attempt.c.id.desc()))
        kept = connection.execute(sa.select(operator_action.c.user_name, operator_action.c.reason)).one()
    assert "page by admin; nothing was posted" in str(words)
    assert tuple(kept) == ("admin", "adopt_batch")
    assert "Batch marked as delivered" in admin.get("/tablero/actions").text
    assert "marked as delivered by hand" in admin.get(f"/tablero/batch/{stuck}").text


def test_what_it_does_not_have_is_posted_again(admin: Any, stuck: int, own_history: History) -> None:
    """If the dashboard does not have the rows they are posted by a run of their day, and the batch stays as it is."""
    asked = review(admin, stuck, "retry")
    assert "Daily send is run for 2026-08-03" in words_of(asked.text)
    done = admin.post("/tablero/unconfirmed", data=fields(asked.text), headers=OWN)
    assert done.status_code == 303
    assert state_of(own_history, stuck) == ("pending", None)
    assert runs() == [("daily_send", {"day": "2026-08-03"}, "admin")]


def test_the_parts_of_a_batch_are_settled_together(admin: Any, stuck: int, own_history: History) -> None:
    """The parts of a batch are settled together on the page of the original batch, which the alert names."""
    with own_history.engine.begin() as connection:
        whole = connection.scalar(sa.select(sa.func.min(batch.c.id)))
        connection.execute(sa.update(batch).where(batch.c.id == whole).values(state="split", rows=0))
        connection.execute(sa.update(batch).where(batch.c.id == stuck).values(parent_id=whole))
    assert whole is not None
    asked = review(admin, whole, "adopt")
    assert f"{ROWS} rows" in asked.text
    assert admin.post("/tablero/unconfirmed", data=fields(asked.text), headers=OWN).status_code == 303
    assert state_of(own_history, stuck) == ("delivered", "adopted")


def test_only_what_was_shown_counts_as_delivered(admin: Any, stuck: int, own_history: History) -> None:
    """Rows of the same batch that the dashboard refused, or that were never posted, are not recorded as delivered with it."""
    with own_history.engine.begin() as connection:
        whole, refused, unposted = connection.scalars(sa.select(batch.c.id).where(batch.c.id != stuck).limit(3)).all()
        connection.execute(sa.update(batch).where(batch.c.id == whole).values(state="split", rows=0))
        connection.execute(sa.update(batch).where(batch.c.id.in_([stuck, refused, unposted])).values(parent_id=whole))
        connection.execute(sa.update(batch).where(batch.c.id == refused).values(state="refused", settled_how=None))
        connection.execute(sa.update(batch).where(batch.c.id == unposted).values(state="pending", settled_how=None))
    asked = review(admin, whole, "adopt")
    assert admin.post("/tablero/unconfirmed", data=fields(asked.text), headers=OWN).status_code == 303
    assert state_of(own_history, stuck) == ("delivered", "adopted")
    assert [state_of(own_history, part) for part in (refused, unposted)] == [("refused", None), ("pending", None)]


@pytest.mark.parametrize("way", ["adopt", "retry"])
def test_whoever_is_second_gets_a_message(admin: Any, stuck: int, own_history: History, way: str) -> None:
    """If another user or the dashboard was faster, nothing is done twice, and a message says so."""
    asked = review(admin, stuck, way)
    with own_history.engine.begin() as connection:
        connection.execute(sa.update(batch).where(batch.c.id == stuck).values(state="delivered", settled_how="acknowledged"))
    answer = admin.post("/tablero/unconfirmed", data=fields(asked.text), headers=OWN)
    assert answer.status_code == 409
    assert "nothing left to decide" in answer.text
    assert state_of(own_history, stuck) == ("delivered", "acknowledged")
    assert runs() == []


def test_a_batch_that_a_task_is_posting_is_left_to_it(admin: Any, stuck: int, own_history: History) -> None:
    """A batch that a task is posting is left alone, since its answer may be on the way."""
    asked = review(admin, stuck, "adopt")
    with own_history.engine.begin() as connection:
        later = datetime.now(timezone.utc) + timedelta(hours=1)
        connection.execute(sa.update(batch).where(batch.c.id == stuck).values(claimed_by="w", claimed_until=later))
    answer = admin.post("/tablero/unconfirmed", data=fields(asked.text), headers=OWN)
    assert answer.status_code == 409
    assert "A task is posting it" in answer.text
    assert state_of(own_history, stuck) == ("pending", None)


def test_a_viewer_sees_which_permission_is_required(as_user: Callable[[str | None], Any], admin: Any, stuck: int) -> None:
    """A user without permission sees what is required, and is refused whatever form is sent."""
    viewer = as_user("vera")
    page = viewer.get(f"/tablero/batch/{stuck}").text
    assert 'action="../unconfirmed' not in page
    assert f"tablero adopt --batch {stuck}" in page
    form = fields(admin.get(f"/tablero/batch/{stuck}").text) | {"way": "adopt"}
    assert viewer.post("/tablero/unconfirmed", data=form, headers=OWN).status_code == 403


@pytest.mark.parametrize("change", [{"batch": "x"}, {"batch": ""}, {"batch": "9" * 30}, {"way": "delete"}, {"way": ""}])
def test_a_form_that_makes_no_sense_is_refused(admin: Any, stuck: int, change: dict[str, str]) -> None:
    """An invalid form is refused before anything is looked up."""
    form = fields(admin.get(f"/tablero/batch/{stuck}").text) | {"way": "adopt"} | change
    assert admin.post("/tablero/unconfirmed/review", data=form, headers=OWN).status_code == 400
