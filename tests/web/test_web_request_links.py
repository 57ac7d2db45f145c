"""Request ids never stand in an address, since addresses stand in the logs of servers and proxies."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
import sqlalchemy as sa
from tablero.outbox.schema import rejection
from tablero.web.access import seal

from tests.web.application import Site, sealed
from tests.web.history import History
from tests.web.test_web_access import OWN
from tests.web.test_web_pages import words_of
from tests.web.test_web_requeue import fields


def find(browser: Any, asked: str) -> Any:
    """Fill in the form that every page has."""
    form = fields(re.search(r'(?s)<form class="find".*?</form>', browser.get("/tablero/").text)[0])  # type: ignore[index]
    return browser.post("/tablero/request", data=form | {"id": asked}, headers=OWN)


@pytest.mark.parametrize("name", ["admin", "vera"])
def test_the_answer_has_an_address_without_the_id(as_user: Callable[[str | None], Any], name: str) -> None:
    """Whoever may see the page finds a request; the answer can be opened again by its address, also by someone else."""
    answer = find(as_user(name), " REQ-77 ")
    assert answer.status_code == 303
    address = answer.headers["location"]
    assert "REQ-77" not in unquote(address)
    text = as_user("admin").get(f"/tablero/{address.removeprefix('./')}").text
    assert "all 3 status changes that were read are delivered" in words_of(text)
    assert 'value="REQ-77"' in text


@pytest.mark.parametrize("path", ["batch/1", "rejections?reason=unknown_status", "request?id=REQ-77", "window/2026-10"])
def test_no_link_has_an_id_in_it(admin: Any, path: str) -> None:
    """Links to requests are sealed on every page that has any."""
    page = admin.get(sealed(f"/tablero/{path}")).text
    links = re.findall(r'(?:href|action)="([^"]*)"', page)
    assert links
    assert not [link for link in links if re.search("REQ-|OCT-|NOV-|SEP-", unquote(link))]


@pytest.mark.parametrize("written", [" REQ-77", "REQ-77 \x00"])
def test_a_link_from_a_row_with_blanks_around_its_id(admin: Any, written: str) -> None:
    """A rejected row's link has the id as the source writes it; the request is the one that is sent without blanks."""
    text = words_of(admin.get(f"/tablero/request?{urlencode({'of': seal(written)})}").text)
    assert "all 3 status changes that were read are delivered" in text


@pytest.mark.parametrize("written", ["OCT-FORMULA", "OCT-FORMULA   ", "  OCT-FORMULA", "OCT-FORMULA\t"])
def test_a_rejected_row_with_blanks_around_its_id_is_found_by_the_form(written: str, admin: Any, own_history: History) -> None:
    """The form takes an id as it is sent; the rejected row keeps it as the source writes it."""
    with own_history.engine.begin() as connection:
        connection.execute(sa.update(rejection).where(rejection.c.request_id == "OCT-FORMULA").values(request_id=written))
    page = words_of(admin.get(f"/tablero/{find(admin, 'OCT-FORMULA').headers['location']}").text)
    assert "is not one of the dashboard's statuses" in page


def test_a_link_from_a_row_whose_id_is_blank(admin: Any) -> None:
    """There is no request to look for, and the link is no broken one."""
    text = admin.get(f"/tablero/request?{urlencode({'of': seal('  ')})}").text
    assert "Type the number of the request above" in text
    assert "no longer valid" not in text


@pytest.mark.parametrize("asked", ["", "   ", "\x00"])
def test_nothing_is_asked(admin: Any, asked: str) -> None:
    """An empty form leads to the explanation."""
    answer = find(admin, asked)
    assert (answer.status_code, answer.headers["location"]) == (303, "./request")
    assert "Type the number of the request above" in admin.get("/tablero/request").text


@pytest.mark.parametrize("address", ["request?of=REQ-77", "request?of=%ff", "request?of=" + "x" * 5_000])
def test_an_address_that_was_cut_or_made_up(admin: Any, address: str) -> None:
    """A link that cannot be read says so, and how to go on."""
    page = admin.get(f"/tablero/{address}")
    assert page.status_code == 200
    assert "no longer valid" in page.text
    assert "REQ-77 " not in words_of(page.text)


def test_an_id_in_the_address_is_not_looked_up(admin: Any, site: Site) -> None:
    """An address of earlier versions, which had the id in it, leads to the form; the source is not asked."""
    page = admin.get("/tablero/request?id=REQ-77").text
    assert "Type the number of the request above" in page
    assert not site.patience


def test_a_link_of_another_secret_is_refused(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Airflow's secret was changed, older links are refused like made-up ones."""
    address = sealed("/tablero/request?id=REQ-77")
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "another one")
    assert "no longer valid" in admin.get(address).text


def test_another_site_cannot_ask(admin: Any) -> None:
    """A form of another site is refused: it could make the institution's database look for ids."""
    for headers in ({"sec-fetch-site": "cross-site"}, {}):
        assert admin.post("/tablero/request", data={"id": "REQ-77"}, headers=headers).status_code == 403
