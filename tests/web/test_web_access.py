"""Who has access, and what no page reveals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from tablero.errors import OutboxUnavailable

from tests.web.application import Site, sealed

#: A value for each path parameter.
PARTS = {"label": "2026-10", "identity": "1", "name": "tablero.css", "path": "no/such/page"}

OWN = {"sec-fetch-site": "same-origin"}


def routes_of(app: Any) -> Iterator[tuple[str, str]]:
    """Every method and path of the application."""
    for route in app.routes:
        for method in sorted(route.methods):
            yield method, "/tablero" + re.sub(r"\{(\w+)(:\w+)?\}", lambda match: PARTS[match[1]], route.path)


def form_of(browser: Any, path: str = "/tablero/rejections?reason=refused_by_dashboard") -> dict[str, Any]:
    """The data that a page's form sends with all of its rows selected."""
    text = browser.get(path).text
    fields: dict[str, Any] = {"key": re.findall(r'name="key" value="([^"]*)"', text)}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', text):
        fields[name] = value
    return fields


@pytest.fixture
def everywhere(whole_app: Any) -> list[tuple[str, str]]:
    """Every route of the page."""
    found = list(routes_of(whole_app.state.page))
    # Guards against a walk that finds nothing.
    assert len(found) > 20
    assert {"POST"} <= {method for method, _ in found}
    assert any("/static/" in path for _, path in found)
    return found


def test_no_route_answers_without_a_login(as_user: Callable[[str | None], Any], everywhere: list[tuple[str, str]]) -> None:
    """No route, static file or unknown address answers without a login."""
    nobody = as_user(None)
    answers = {(method, path): nobody.request(method, path).status_code for method, path in everywhere}
    assert set(answers.values()) == {401}, answers


def test_no_route_answers_to_a_forged_login(as_user: Callable[[str | None], Any], everywhere: list[tuple[str, str]]) -> None:
    """A token that Airflow did not sign is refused."""
    forger = as_user(None)
    forger.headers["authorization"] = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."
    answers = {(method, path): forger.request(method, path).status_code for method, path in everywhere}
    assert set(answers.values()) <= {401, 403}, answers


def test_no_route_answers_to_those_who_may_not_read_the_dags(
    admin: Any, everywhere: list[tuple[str, str]], mocker: Any
) -> None:
    """Access to one of the two DAGs is not enough, since the page shows the data of both."""
    from airflow.api_fastapi.app import get_auth_manager

    mocker.patch.object(
        get_auth_manager(),
        "is_authorized_dag",
        side_effect=lambda *, method, user, access_entity=None, details=None: details.id != "daily_send",
    )
    answers = {(method, path): admin.request(method, path, headers=OWN).status_code for method, path in everywhere}
    assert set(answers.values()) == {403}, answers


def test_only_get_routes_are_open_to_a_viewer(viewer: Any, everywhere: list[tuple[str, str]]) -> None:
    """A viewer can read everything and write nothing."""
    for method, path in everywhere:
        status = viewer.request(method, path, headers=OWN).status_code
        if method == "POST" and "no/such" not in path:
            assert status == 403, path
        elif method == "GET" and "no/such" not in path:
            # Nothing was done yet, so there is neither an action nor a dry run to show.
            assert status == (404 if "actions/" in path or path.endswith("/dry-run") else 200), path


def test_a_viewer_is_not_offered_to_retry(viewer: Any, admin: Any) -> None:
    """A viewer sees the rows without boxes and buttons, and which permission is missing."""
    path = "/tablero/rejections?reason=refused_by_dashboard"
    assert "OCT-REFUSED-1" in viewer.get(path).text
    assert 'type="checkbox"' not in viewer.get(path).text
    assert "Retry the chosen" not in viewer.get(path).text
    assert "right to edit" in viewer.get(path).text
    assert 'type="checkbox"' in admin.get(path).text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"sec-fetch-site": "cross-site"}, id="a form of another site"),
        pytest.param({"sec-fetch-site": "same-site"}, id="a form of a neighbour's host"),
        pytest.param({"sec-fetch-site": "none"}, id="typed into the address bar"),
        pytest.param({"origin": "http://evil.test"}, id="another origin, in an old browser"),
        pytest.param({"origin": "null"}, id="an origin that hides"),
        pytest.param({}, id="a program that says nothing of where it comes from"),
    ],
)
@pytest.mark.parametrize("path", ["/tablero/requeue/review", "/tablero/requeue"])
def test_a_form_from_elsewhere_is_refused(admin: Any, path: str, headers: dict[str, str]) -> None:
    """A form from another site is refused, although the browser sends Airflow's cookie with it."""
    answer = admin.post(path, data=form_of(admin), headers=headers)
    assert answer.status_code == 403
    assert "expired" in answer.text


@pytest.mark.parametrize("headers", [OWN, {"origin": "http://airflow.test"}])
def test_a_form_of_the_page_itself_is_accepted(admin: Any, headers: dict[str, str]) -> None:
    """A form of the page itself is accepted, recognised by ``Sec-Fetch-Site`` or, in old browsers, by ``Origin``."""
    assert admin.post("/tablero/requeue/review", data=form_of(admin), headers=headers).status_code == 200


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ñ"])
def test_a_form_without_its_token_is_refused(admin: Any, token: str | None) -> None:
    """A form without its token is refused: another site can send a form but not read the token."""
    form = form_of(admin) | {"token": token}
    if token is None:
        del form["token"]
    assert admin.post("/tablero/requeue/review", data=form, headers=OWN).status_code == 403


def test_the_token_of_someone_else_is_refused(admin: Any, as_user: Callable[[str | None], Any]) -> None:
    """A token belongs to a user, and is refused for another one even with that person's cookie."""
    other = as_user("uma")
    form = form_of(other)
    admin.cookies.set("tablero_form", other.cookies["tablero_form"])
    assert admin.post("/tablero/requeue/review", data=form, headers=OWN).status_code == 403


def test_an_endless_form_is_not_read(admin: Any) -> None:
    """A form that is too long is refused by its length, before it is read."""
    form = form_of(admin) | {"key": ["x" * 1000] * 1000}
    assert admin.post("/tablero/requeue/review", data=form, headers=OWN).status_code == 413


@pytest.mark.parametrize("path", ["", "nothing/here", "static/tablero.css", "rejections.csv", "evidence/2026-09/rows.jsonl"])
@pytest.mark.parametrize("name", ["admin", None])
def test_every_answer_carries_the_headers_that_keep_it_private(
    as_user: Callable[[str | None], Any], path: str, name: str | None
) -> None:
    """Pages, files, errors and answers to users without a login all have the security headers."""
    headers = as_user(name).get(f"/tablero/{path}").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert re.search("no-store|private", headers["cache-control"])


def test_the_headers_stand_on_the_page_that_tells_of_trouble(admin: Any, site: Site) -> None:
    """The error page of an unavailable outbox has the headers as well."""
    site.problem = OutboxUnavailable("gone")
    answer = admin.get("/tablero/")
    assert answer.status_code == 503
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_no_page_asks_anything_of_a_third_party(admin: Any) -> None:
    """Every address in a page, style sheet or script is relative: the page's own, or Airflow's."""
    for path in ("", "rejections?reason=unknown_status", "evidence/2026-09", "activity", "request?id=REQ-77"):
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', admin.get(sealed(f"/tablero/{path}")).text):
            assert re.match(r"\.{1,2}/|#", address), address
    for name in ("tablero.css", "theme.js", "live.js", "airflow.js"):
        text = admin.get(f"/tablero/static/{name}").text
        assert text
        assert "http:" not in text
        assert "https:" not in text
        assert "@import" not in text


def test_only_the_pages_own_files_are_sent(admin: Any) -> None:
    """No path leads from the static files to other files."""
    for name in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "__init__.py", ".", "tablero.css%00", "nothing.js"):
        assert admin.get(f"/tablero/static/{name}").status_code == 404, name


def test_no_schema_and_no_documentation_is_served(admin: Any) -> None:
    """FastAPI's own pages are not served: they would be public and load third-party scripts."""
    for path in ("docs", "redoc", "openapi.json"):
        assert admin.get(f"/tablero/{path}").status_code == 404


def test_a_login_that_ended_is_shown_with_a_way_back(as_user: Callable[[str | None], Any]) -> None:
    """After the login has expired there is a link to Airflow's login, in the reader's language."""
    answer = as_user(None).get("/tablero/window/2026-10", headers={"accept-language": "es"})
    assert answer.status_code == 401
    assert "Su sesión terminó" in answer.text
    assert re.search(r'href="/auth/login\?next=[^"]*window%2F2026-10"', answer.text)


@pytest.mark.parametrize("base_url", ["https://airflow.institucion.gob.do", ""])
@pytest.mark.parametrize("host", ["airflow.test", "evil.test"])
def test_the_way_back_from_the_login_is_on_the_server_that_the_browser_knows(
    as_user: Callable[[str | None], Any], monkeypatch: pytest.MonkeyPatch, base_url: str, host: str
) -> None:
    """The way back has neither scheme nor host: behind TLS it stays with TLS, and a forged ``Host`` leads nowhere else."""
    from airflow.api_fastapi.core_api.security import is_safe_url

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    answer = as_user(None).get("/tablero/rejections?reason=unknown_status&month=2026-10", headers={"host": host})
    link = re.search(r'href="/auth/login\?next=([^"]*)"', answer.text)
    assert link
    back = unquote(link[1])
    assert back == "/tablero/rejections?reason=unknown_status&month=2026-10"
    assert is_safe_url(back)


@pytest.mark.parametrize(("base_url", "secure"), [("https://airflow.institucion.gob.do", True), ("", False)])
def test_cookies_are_secure_where_the_browser_sees_tls(
    admin: Any, monkeypatch: pytest.MonkeyPatch, base_url: str, secure: bool
) -> None:
    """Cookies are marked *Secure* by the address that browsers see, although the server itself sees plain HTTP."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    cookies = admin.get("/tablero/rejections?lang=es").headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert {"; Secure" in cookie for cookie in cookies} == {secure}
