"""Faults on demand: each kind as a client sees it, and when they occur."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from sandbox.testing import Handle, running_sandbox
from tests.waiting import PATIENCE, wait_for

Entry = Callable[..., dict[str, Any]]
Post = Callable[..., requests.Response]


def last_call(sandbox: Handle) -> dict[str, Any]:
    """The call recorded last."""
    return sandbox.calls()[-1]


def test_status(post: Post, sandbox: Handle) -> None:
    """Any status with a NestJS body, relayed by X-Road, and nothing is stored."""
    sandbox.add_fault(kind="status", status=503)
    response = post()

    assert response.status_code == 503
    assert response.json() == {
        "statusCode": 503,
        "message": "Service Unavailable",
        "error": "Service Unavailable",
    }
    assert "X-Road-Request-Hash" in response.headers
    assert sandbox.entries() == []
    assert (last_call(sandbox)["status"], last_call(sandbox)["fault"]) == (503, "status")


def test_retry_after_in_seconds_and_as_date(post: Post, sandbox: Handle) -> None:
    """Retry-After comes in both of HTTP's forms, or as any text."""
    sandbox.add_fault(kind="status", status=429, retry_after=7, times=1)
    sandbox.add_fault(kind="status", status=429, retry_after=60, retry_after_as="date", times=1)
    sandbox.add_fault(kind="status", status=429, retry_after="soon")

    assert post().headers["Retry-After"] == "7"
    before = datetime.now(timezone.utc).replace(microsecond=0)
    moment = parsedate_to_datetime(post().headers["Retry-After"]) - timedelta(seconds=60)
    assert before <= moment <= datetime.now(timezone.utc)
    assert post().headers["Retry-After"] == "soon"


def test_refusal_that_only_the_body_tells(post: Post, sandbox: Handle) -> None:
    """A 201 with ``success`` false stores nothing."""
    sandbox.add_fault(kind="status", status=201, success=False, message="no")
    response = post()

    assert response.status_code == 201
    assert response.json() == {"code": 201, "success": False, "message": "no"}
    assert sandbox.entries() == []
    assert last_call(sandbox)["accepted"] is False


def test_status_with_any_body(post: Post, sandbox: Handle) -> None:
    """The body can be any JSON, including null; 204 has none."""
    sandbox.add_fault(kind="status", status=200, body=None, times=1)
    sandbox.add_fault(kind="status", status=204)

    assert post().content == b"null"
    assert post().content == b""


def test_delay(post: Post, sandbox: Handle) -> None:
    """Delay waits, then answers normally."""
    sandbox.add_fault(kind="delay", seconds=0.2)
    started = time.monotonic()

    assert post().status_code == 201
    assert time.monotonic() - started >= 0.2
    assert last_call(sandbox)["fault"] == "delay"


def test_delay_goes_on_after_the_client_left(post: Post, sandbox: Handle) -> None:
    """If a client gives up too early its entries are still accepted."""
    sandbox.add_fault(kind="delay", seconds=0.3)
    with pytest.raises(requests.exceptions.ReadTimeout):
        post(timeout=0.1)

    assert len(wait_for("it is accepted", sandbox.entries)) == 1


def test_delay_with_another_fault(post: Post, sandbox: Handle) -> None:
    """A later fault may follow a delay."""
    sandbox.add_fault(kind="delay", seconds=0.05)
    sandbox.add_fault(kind="status", status=504)

    assert post().status_code == 504
    assert last_call(sandbox)["fault"] == "delay+status"


def test_delayed_calls_overlap(entry: Entry) -> None:
    """Delayed calls wait in parallel, and the largest number at once is remembered."""

    def call(url: str) -> None:
        with contextlib.suppress(requests.exceptions.ConnectionError):  # it ends with the sandbox
            requests.post(url, json={"requests": [entry()]}, timeout=PATIENCE)

    with running_sandbox() as sandbox:
        sandbox.add_fault(kind="delay", seconds=2 * PATIENCE, times=4)
        threads = [threading.Thread(target=call, args=(sandbox.url + "/api/load",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for("all four wait", lambda: sandbox.stats()["in_flight"] == 4)
        call(sandbox.url + "/api/load")
        wait_for("the fifth has ended", lambda: sandbox.stats()["in_flight"] == 4)
        assert sandbox.stats()["max_in_flight"] == 5
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("accept", [False, True])
def test_hang(post: Post, sandbox: Handle, accept: bool) -> None:
    """Hang never answers; whether the entries were accepted can be chosen."""
    sandbox.add_fault(kind="hang", accept=accept)
    with pytest.raises(requests.exceptions.ReadTimeout):
        post(timeout=0.2)

    (call,) = wait_for("it is recorded, even if the client has left before", sandbox.calls)
    assert call["status"] is None
    assert len(sandbox.entries()) == int(accept)


def test_hang_ends_at_its_cap(post: Post, sandbox: Handle) -> None:
    """After ``seconds`` a hanging connection is closed without an answer."""
    sandbox.add_fault(kind="hang", seconds=0.1)
    with pytest.raises(requests.exceptions.ConnectionError, match="without response"):
        post()


@pytest.mark.parametrize(("reset", "text"), [(False, "Remote end closed connection"), (True, "Connection reset")])
@pytest.mark.parametrize(("kind", "accepted"), [("drop_before", False), ("drop_after", True)])
def test_dropped_connection(post: Post, sandbox: Handle, kind: str, accepted: bool, reset: bool, text: str) -> None:
    """Both drops look alike to the client; only one of them has stored the entries."""
    sandbox.add_fault(kind=kind, reset=reset)
    with pytest.raises(requests.exceptions.ConnectionError, match=text):
        post()

    assert len(sandbox.entries()) == int(accepted)
    assert last_call(sandbox)["status"] is None
    assert last_call(sandbox)["accepted"] is accepted


def test_dropped_connection_of_a_session(sandbox: Handle, entry: Entry) -> None:
    """A kept-open connection is dropped too, and the next call on the session works."""
    headers = {"X-Road-Client": "DO/GOB/INST/SOLICITUDES"}
    url = sandbox.url + "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load"
    sandbox.add_fault(kind="drop_before", after=1, times=1)
    body = {"requests": [entry()]}
    with requests.Session() as session:
        assert session.post(url, json=body, headers=headers, timeout=60).status_code == 201
        with pytest.raises(requests.exceptions.ConnectionError):
            session.post(url, json=body, headers=headers, timeout=60)
        assert session.post(url, json=body, headers=headers, timeout=60).status_code == 201


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("keep_bytes", [None, 0])
def test_truncate(post: Post, sandbox: Handle, accept: bool, keep_bytes: int | None) -> None:
    """The body ends before its announced length."""
    sandbox.add_fault(kind="truncate", accept=accept, keep_bytes=keep_bytes)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        post()

    assert len(sandbox.entries()) == int(accept)


def test_html(post: Post, sandbox: Handle) -> None:
    """A page instead of an answer, with any status, without X-Road's headers."""
    sandbox.add_fault(kind="html", status=200, title="Login")
    response = post()

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert "Login" in response.text
    assert "X-Road-Id" not in response.headers


def test_soap(post: Post, sandbox: Handle) -> None:
    """A SOAP fault with HTTP 200."""
    sandbox.add_fault(kind="soap")
    response = post()

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/xml")
    assert sandbox.entries() == []


@pytest.mark.parametrize(
    ("generation", "error_type", "status"),
    [
        ("7.2", "Server.ServerProxy.IOError", 500),
        ("7.2", "server.serverproxy.io_error", 400),
        ("7.8", "server.serverproxy.io_error", 500),
        ("7.2", "Client.BadRequest", 400),
    ],
)
def test_x_road_error(post: Post, sandbox: Handle, generation: str, error_type: str, status: int) -> None:
    """Any X-Road error, in the requested spelling, with the status that our server uses for it."""
    sandbox.settings(generation=generation)
    sandbox.add_fault(kind="xroad", type=error_type, message="Read timed out")
    response = post()

    assert response.status_code == status
    assert response.headers["X-Road-Error"] == response.json()["type"] == error_type
    assert response.json()["message"] == "Read timed out"
    assert "X-Road-Request-Hash" not in response.headers


def test_x_road_error_after_the_dashboard_took_it(post: Post, sandbox: Handle) -> None:
    """An X-Road error can hide that the entries were accepted; its message may be null."""
    sandbox.add_fault(kind="xroad", type="Server.ServerProxy.IOError", message=None, status=400, accept=True)
    response = post()

    assert response.status_code == 400
    assert response.json()["message"] is None
    assert len(sandbox.entries()) == 1


def test_redirect(post: Post, sandbox: Handle) -> None:
    """A redirect has its Location, where there is nothing useful."""
    sandbox.add_fault(kind="redirect", status=307, location="/elsewhere")
    response = post()

    assert response.status_code == 307
    assert response.headers["Location"] == "/elsewhere"
    assert post(allow_redirects=True).headers["Content-Type"].startswith("text/xml")
    assert sandbox.entries() == []


def test_refuse(post: Post, sandbox: Handle, entry: Entry) -> None:
    """A matching entry refuses the whole call and is named; a call without one is accepted."""
    sandbox.add_fault(kind="refuse", match={"request_id": "-13$"}, message="request_id is not known")
    refused = post(entry("R-12"), entry("R-13"), entry("R-131"))

    assert refused.status_code == 400
    assert refused.json()["message"] == ["requests.1.request_id is not known"]
    assert post(entry("R-12"), entry("R-131")).status_code == 201
    assert [each["request_id"] for each in sandbox.entries()] == ["R-12", "R-131"]


def test_refuse_without_indexes(post: Post, sandbox: Handle, entry: Entry) -> None:
    """A refusal can leave out which entries it is about."""
    sandbox.add_fault(kind="refuse", match={"service_id": "9"}, message="no", name_indexes=False)

    assert post(entry(service_id="9"), entry(service_id="9")).json()["message"] == ["no"]


def test_refuse_leaves_invalid_calls_to_the_validation(post: Post, sandbox: Handle, entry: Entry) -> None:
    """A call that breaks the contract is refused for that reason."""
    sandbox.add_fault(kind="refuse", match={"service_id": "123"})

    assert post(entry(status_id=0)).json()["message"] == ["requests.0.status_id must not be less than 1"]


def test_raw_answer(post: Post, sandbox: Handle) -> None:
    """Any status, headers and bytes."""
    body = base64.b64encode(b'\x00\xff{"success": true').decode()
    sandbox.add_fault(kind="raw", status=201, headers={"Content-Type": "application/json"}, body_base64=body)
    response = post()

    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.content == b'\x00\xff{"success": true'


def test_raw_bytes_on_the_wire(post: Post, sandbox: Handle) -> None:
    """Arbitrary bytes that are not HTTP."""
    sandbox.add_fault(kind="raw", wire_base64=base64.b64encode(b"SSH-2.0-nope\r\n").decode())
    with pytest.raises(requests.exceptions.ConnectionError, match="BadStatusLine"):
        post()


def test_times_and_after(post: Post, sandbox: Handle) -> None:
    """A fault lets the first calls through, occurs a number of times, and is then over."""
    sandbox.add_fault(kind="status", status=503, after=1, times=2)

    assert [post().status_code for _ in range(5)] == [201, 503, 503, 201, 201]
    assert sandbox.faults()[0]["seen"] == 5
    assert sandbox.faults()[0]["fired"] == 2


def test_without_times_for_ever(post: Post, sandbox: Handle) -> None:
    """A fault without ``times`` lasts until it is cleared."""
    sandbox.add_fault(kind="status", status=500)
    assert [post().status_code for _ in range(3)] == [500, 500, 500]

    sandbox.clear_faults()
    assert post().status_code == 201


def test_match_any_kind(post: Post, sandbox: Handle, entry: Entry) -> None:
    """Any fault can be limited to entries; all fields of a match must apply to the same entry."""
    sandbox.add_fault(kind="status", status=500, match={"status_id": 7, "service_id": "9"})

    assert post(entry(status_id=7), entry(service_id="9")).status_code == 201
    assert post(entry(), entry(status_id=7, service_id="9")).status_code == 500


def test_first_fault_decides(post: Post, sandbox: Handle) -> None:
    """Faults are tried in order of addition; one that had no turn is not used up."""
    sandbox.add_fault(kind="status", status=502, times=1)
    second = sandbox.add_fault(kind="status", status=503, times=1)

    assert [post().status_code for _ in range(3)] == [502, 503, 201]
    sandbox.remove_fault(second)
    assert len(sandbox.faults()) == 1


def test_probability_can_be_replayed(post: Post, sandbox: Handle) -> None:
    """The same seed and faults give the same run; another seed gives another one."""

    def run(seed: int) -> list[int]:
        sandbox.reset()
        sandbox.settings(seed=seed)
        sandbox.add_fault(kind="status", status=500, probability=0.5)
        return [post().status_code for _ in range(24)]

    first = run(7)
    assert run(7) == first
    assert run(8) != first
    assert {201, 500} == set(first)


def test_seed_may_follow_the_fault(post: Post, sandbox: Handle) -> None:
    """Setting the seed restarts the random numbers of existing faults."""
    sandbox.add_fault(kind="status", status=500, probability=0.5)
    sandbox.settings(seed=7)
    first = [post().status_code for _ in range(12)]
    sandbox.settings(seed=7)

    assert [post().status_code for _ in range(12)] == first


def test_x_road_refuses_before_any_fault(post: Post, sandbox: Handle) -> None:
    """A call that X-Road refuses does not use up a fault."""
    sandbox.add_fault(kind="status", status=503, times=1)
    post(headers={"X-Road-Client": None})

    assert sandbox.faults()[0]["seen"] == 0
    assert post().status_code == 503


def test_fault_on_a_direct_call(post: Post, sandbox: Handle) -> None:
    """Faults also apply to direct calls, without X-Road headers."""
    sandbox.add_fault(kind="status", status=503)
    response = post(path="/api/load")

    assert response.status_code == 503
    assert "X-Road-Id" not in response.headers


def test_fault_on_metadata(post: Post, sandbox: Handle) -> None:
    """A fault with target "metadata" does not affect posted entries."""
    sandbox.add_fault(kind="html", target="metadata")

    assert requests.get(sandbox.url + "/listClients", timeout=60).status_code == 502
    assert post().status_code == 201


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "explode"}, "kind"),
        ({"kind": "status"}, "status"),
        ({"kind": "status", "status": 99}, "status"),
        ({"kind": "status", "status": 500, "tims": 1}, "tims"),
        ({"kind": "delay", "seconds": -1}, "seconds"),
        ({"kind": "refuse"}, "match"),
        ({"kind": "refuse", "match": {}}, "match"),
        ({"kind": "refuse", "match": {"request_id": "("}}, "regular expression"),
        ({"kind": "raw", "body_base64": "!"}, "base64"),
        ({"kind": "soap", "probability": 2}, "probability"),
        ({"kind": "soap", "times": 0}, "times"),
    ],
    ids=str,
)
def test_wrong_fault(sandbox: Handle, fields: dict[str, Any], problem: str) -> None:
    """An invalid fault is refused at once, and the message names the field."""
    with pytest.raises(ValueError, match=problem):
        sandbox.add_fault(**fields)
    assert sandbox.faults() == []
