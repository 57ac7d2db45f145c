"""The dashboard: what it accepts, what it refuses, and its messages."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import requests

from sandbox.testing import Handle

Entry = Callable[..., dict[str, Any]]
Post = Callable[..., requests.Response]

MISSING = object()


def messages(response: requests.Response) -> list[str]:
    """The messages of a NestJS 400."""
    body = response.json()
    assert response.status_code == 400
    assert body["statusCode"] == 400
    assert body["error"] == "Bad Request"
    found: list[str] = body["message"]
    return found


def test_success(post: Post, sandbox: Handle, entry: Entry) -> None:
    """A valid call is answered 201 with code, success and message, and stored as it was sent."""
    sent = entry()
    response = post(sent)

    assert response.status_code == 201
    assert response.json()["code"] == 201
    assert response.json()["success"] is True
    assert isinstance(response.json()["message"], str)
    assert sandbox.counts() == {tuple(sent.values()): 1}


def test_direct_call_knows_nothing_of_x_road(post: Post, sandbox: Handle) -> None:
    """POST /api/load works without a security server, and the answer then has no X-Road header."""
    response = post(path="/api/load")

    assert response.status_code == 201
    assert not [name for name in response.headers if name.lower().startswith("x-road")]
    assert sandbox.stats()["violations"] == {}


def test_x_road_headers_on_a_direct_call_are_a_breach(post: Post, sandbox: Handle) -> None:
    """X-Road headers on a direct call are a breach."""
    post(path="/api/load", headers={"X-Road-Id": "x"})

    assert sandbox.stats()["violations"] == {"x_road_header_on_direct_call": 1}


@pytest.mark.parametrize("prefix", ["", "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION"])
def test_deprecated_endpoint(post: Post, sandbox: Handle, prefix: str) -> None:
    """POST /services-data/requests is gone, and using it is a breach."""
    response = post(path=prefix + "/services-data/requests")

    assert response.status_code == 410
    assert response.json()["statusCode"] == 410
    assert sandbox.stats()["violations"] == {"deprecated_path": 1}
    assert sandbox.entries() == []


def test_other_method_on_the_endpoint(sandbox: Handle) -> None:
    """GET /api/load does not exist."""
    response = requests.get(sandbox.url + "/api/load", timeout=60)

    assert response.status_code == 404
    assert response.json()["message"] == "Cannot GET /api/load"


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("service_id", 123, "service_id must be a string"),
        ("service_id", MISSING, "service_id must be a string"),
        ("service_id", "", "service_id should not be empty"),
        ("request_id", None, "request_id must be a string"),
        ("request_id", "  ", "request_id should not be empty"),
        ("status_id", "2", "status_id must be an integer number"),
        ("status_id", 2.0, "status_id must be an integer number"),
        ("status_id", True, "status_id must be an integer number"),
        ("status_id", 0, "status_id must not be less than 1"),
        ("status_id", 22, "status_id must not be greater than 21"),
        ("opening_date", "2025-06-13 08:00:00", "opening_date must be a valid ISO 8601 date string in UTC"),
        ("opening_date", "2025-06-13T08:00:00", "opening_date must be a valid ISO 8601 date string in UTC"),
        (
            "opening_date",
            "2025-06-13T08:00:00+00:00",
            "opening_date must be a valid ISO 8601 date string in UTC",
        ),
        (
            "opening_date",
            "2025-06-13T08:00:00.123Z",
            "opening_date must be a valid ISO 8601 date string in UTC",
        ),
        ("opening_date", "2025-02-29T08:00:00Z", "opening_date must be a valid ISO 8601 date string in UTC"),
        ("opening_date", "2025-06-13T24:00:00Z", "opening_date must be a valid ISO 8601 date string in UTC"),
        ("opening_date", 1749801600, "opening_date must be a valid ISO 8601 date string in UTC"),
        (
            "last_modified_date",
            "2025-06-13T10:15:60Z",
            "last_modified_date must be a valid ISO 8601 date string in UTC",
        ),
        ("last_modified_date", MISSING, "last_modified_date must be a valid ISO 8601 date string in UTC"),
        ("last_modified_date", "2025-06-13T07:59:59Z", "opening_date must not be after last_modified_date"),
        ("opening_date", "2020-01-01T03:59:59.999999Z", "opening_date must not be before 2020-01-01"),
        ("comment", "x", "property comment should not exist"),
    ],
)
def test_wrong_entry(post: Post, sandbox: Handle, entry: Entry, field: str, value: Any, complaint: str) -> None:
    """One wrong field refuses the whole call, says which entry and field, and stores nothing."""
    wrong = entry("REQ-002")
    if value is MISSING:
        del wrong[field]
    else:
        wrong[field] = value

    assert messages(post(entry("REQ-001"), wrong)) == [f"requests.1.{complaint}"]
    assert sandbox.entries() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"opening_date": "2020-01-01T04:00:00Z"},  # midnight in Santo Domingo
        {"opening_date": "2025-06-13T10:15:00Z"},  # opened and changed in the same second
        {"opening_date": "2025-06-13T10:15:00.000000Z"},  # the same, written differently
        {"last_modified_date": "2025-06-13T08:00:00.000001Z"},
        {"status_id": 1},
        {"status_id": 21},
        {"request_id": "Solicitud Nº 1/ñ"},
    ],
    ids=str,
)
def test_limits_of_what_is_right(post: Post, entry: Entry, changes: dict[str, Any]) -> None:
    """Values at the limits of the contract are accepted."""
    assert post(entry(**changes)).status_code == 201


def test_all_wrong_entries_are_named(post: Post, entry: Entry) -> None:
    """Every complaint about every entry is listed, as class-validator does."""
    response = post(entry(status_id=0), entry(), "no object", entry(status_id=99, service_id=""))

    assert messages(response) == [
        "requests.0.status_id must not be less than 1",
        "requests.2.value must be an object",
        "requests.3.service_id should not be empty",
        "requests.3.status_id must not be greater than 21",
    ]


def test_vague_messages(post: Post, sandbox: Handle, entry: Entry) -> None:
    """With the switch on, a refusal is one sentence that names neither entry nor field."""
    sandbox.settings(vague_messages=True)

    assert messages(post(entry(), entry(status_id=0))) == ["The request contains invalid data"]


def test_early_request_is_counted_as_a_breach(post: Post, sandbox: Handle, entry: Entry) -> None:
    """Sending a request opened before 2020 is forbidden, not merely wrong."""
    post(entry(opening_date="2019-12-31T12:00:00Z"))

    assert sandbox.stats()["violations"] == {"opened_before_2020": 1}


@pytest.mark.parametrize(
    ("body", "complaints"),
    [
        ({"requests": []}, ["requests must contain at least 1 elements"]),
        ({"requests": {}}, ["requests must be an array"]),
        ({}, ["requests must be an array"]),
        ([], ["requests must be an array"]),
        ({"requests": [], "extra": 1}, ["property extra should not exist"]),
    ],
    ids=str,
)
def test_wrong_envelope(post: Post, body: Any, complaints: list[str]) -> None:
    """The body is an object with exactly the key ``requests``, a list that is not empty."""
    assert messages(post(json=body))[: len(complaints)] == complaints


@pytest.mark.parametrize("data", [b"", b"{", b'{"requests": [NaN]}', b'\xff{"requests": []}'])
def test_no_json(post: Post, data: bytes) -> None:
    """A body that is not JSON is a 400."""
    response = post(data=data, headers={"Content-Type": "application/json"})

    assert response.status_code == 400
    assert response.json()["error"] == "Bad Request"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json; charset=latin-1"])
def test_wrong_content_type(post: Post, entry: Entry, content_type: str | None) -> None:
    """Content-Type must be application/json, in UTF-8 if a charset is given."""
    body = orjson.dumps({"requests": [entry()]})

    assert post(data=body, headers={"Content-Type": content_type}).status_code == 415


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
def test_content_type_with_charset(post: Post, entry: Entry, content_type: str) -> None:
    """The charset may be named."""
    body = orjson.dumps({"requests": [entry()]})

    assert post(data=body, headers={"Content-Type": content_type}).status_code == 201


def test_compressed_body(post: Post, sandbox: Handle, entry: Entry) -> None:
    """Whether the real dashboard takes gzip is not documented; this one does not."""
    body = gzip.compress(orjson.dumps({"requests": [entry()]}))
    response = post(data=body, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})

    assert response.status_code == 415
    assert sandbox.stats()["violations"] == {"compressed": 1}


def test_a_thousand_entries(post: Post, sandbox: Handle, entry: Entry) -> None:
    """1000 entries are accepted; 1001 are a 413 and a breach, and store nothing."""
    entries = [entry(f"REQ-{number}") for number in range(1001)]

    assert post(*entries[:1000]).status_code == 201
    refused = post(*entries)
    assert refused.status_code == 413
    assert refused.json()["statusCode"] == 413
    assert len(sandbox.entries()) == 1000
    assert sandbox.stats()["violations"] == {"too_many_entries": 1}


def test_smaller_limits(post: Post, sandbox: Handle, entry: Entry) -> None:
    """The limits of entries and of bytes can be set; exceeding them is a 413 and no breach."""
    sandbox.settings(max_entries=2)
    assert post(entry("A"), entry("B")).status_code == 201
    assert post(entry("A"), entry("B"), entry("C")).status_code == 413

    sandbox.settings(max_entries=1000, max_bytes=100)
    assert post().status_code == 413
    assert sandbox.stats()["violations"] == {}


def test_chunked_upload(post: Post, entry: Entry) -> None:
    """A body without Content-Length is accepted."""
    body = orjson.dumps({"requests": [entry()]})
    response = post(data=iter([body[:10], body[10:]]), headers={"Content-Type": "application/json"})

    assert response.status_code == 201
