"""The security server: who may call what, and X-Road's errors."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from sandbox.testing import Handle
from sandbox.xroad import spell

LOAD = "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load"
SUBSYSTEM = "/r1/DO/GOB/CNC/MONITOREO"
CLIENT = "DO/GOB/INST/SOLICITUDES"

Post = Callable[..., requests.Response]


def is_x_road_error(response: requests.Response, error_type: str, status: int = 500) -> bool:
    """Whether it has all the properties of X-Road's own errors: header and body agree, and nothing was relayed."""
    body = response.json()
    uuid.UUID(body["detail"])
    return (
        response.status_code == status
        and response.headers["X-Road-Error"] == error_type == body["type"]
        and set(body) == {"type", "message", "detail"}
        and "X-Road-Request-Hash" not in response.headers
        and "X-Road-Id" not in response.headers
    )


def get(sandbox: Handle, path: str, **headers: str) -> requests.Response:
    """A GET with the client's header, as metadata services require it."""
    wanted = {
        "X-Road-Client": CLIENT,
        "Accept": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return requests.get(sandbox.url + path, headers=wanted, timeout=60)


@pytest.mark.parametrize("service", ["INTEGRACION", "INTEGRACION-DEV"])
def test_both_services_relay_to_the_dashboard(post: Post, service: str) -> None:
    """Both services, production and development, exist, and their answers have the headers of relayed answers."""
    response = post(path=f"{SUBSYSTEM}/{service}/api/load", headers={"X-Road-Id": "id-1"})

    assert response.status_code == 201
    assert response.headers["X-Road-Id"] == "id-1"
    assert response.headers["X-Road-Client"] == CLIENT
    assert response.headers["X-Road-Service"] == f"DO/GOB/CNC/MONITOREO/{service}"
    assert "X-Road-Error" not in response.headers


def test_message_id_is_made_when_the_client_sends_none(post: Post) -> None:
    """A missing X-Road-Id is generated as instance-uuid; X-Road-Request-Id and hash are new in every answer."""
    first, second = post(), post()

    assert first.headers["X-Road-Id"].startswith("DO-")
    assert first.headers["X-Road-Request-Id"] != second.headers["X-Road-Request-Id"]
    assert first.headers["X-Road-Request-Hash"] != second.headers["X-Road-Request-Hash"]


def test_refusals_of_the_dashboard_are_relayed_too(post: Post) -> None:
    """A 400 from the dashboard keeps its NestJS body and gets X-Road's headers."""
    response = post(json={"requests": []})

    assert response.status_code == 400
    assert response.json()["statusCode"] == 400
    assert "X-Road-Request-Hash" in response.headers


def test_missing_client_header(post: Post, sandbox: Handle) -> None:
    """Without X-Road-Client the answer is 500, not the 400 of the documents, and nothing is stored."""
    response = post(headers={"X-Road-Client": None})

    assert is_x_road_error(response, "Server.ClientProxy.InvalidClientIdentifier")
    assert sandbox.entries() == []


@pytest.mark.parametrize(
    "path",
    [
        "/r1/DO/GOB/CNC/MONITOREO",  # no service
        "/r1/DO/GOB/CNC//INTEGRACION/api/load",  # an empty part
        "/r1/",
    ],
)
def test_malformed_address(post: Post, path: str) -> None:
    """An address with fewer than five id parts is an internal error of our server."""
    response = post(path=path)

    assert is_x_road_error(response, "Server.ClientProxy.InternalError")
    assert response.json()["message"] == "Invalid request URI"


def test_address_without_subsystem_means_something_else(post: Post) -> None:
    """OGTIC's template leaves the subsystem out; then INTEGRACION is read as an unknown subsystem."""
    response = post(path="/r1/DO/GOB/CNC/INTEGRACION/api/load")

    assert is_x_road_error(response, "Server.ClientProxy.UnknownMember")
    assert "Could not find addresses for service provider" in response.json()["message"]


@pytest.mark.parametrize("path", ["/r1/DO/GOB/CNC/MONITOREO/INTEGRACION%FF/x", "/r1/DO/GOB/CNC/MON^ITOREO/X/y"])
def test_address_with_wrong_encoding(sandbox: Handle, path: str) -> None:
    """Bytes that are not UTF-8, and unencoded characters, are an internal error of our server."""
    # Not through requests, which would correct the address.
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=60)
    connection.request("POST", path, headers={"X-Road-Client": CLIENT})
    answer = connection.getresponse()
    error = json.loads(answer.read())
    connection.close()

    assert (answer.status, error["type"]) == (500, "Server.ClientProxy.InternalError")


def test_address_is_decoded_part_by_part(post: Post) -> None:
    """A percent-encoded letter in an id is that letter."""
    assert post(path="/r1/DO/GOB/CNC/MONITOREO/INTEGRACION%2DDEV/api/load").status_code == 201


@pytest.mark.parametrize("client", ["DO/GOB", "DO/GOB/INST/SOLICITUDES/EXTRA", "DO//INST/SOLICITUDES"])
def test_client_header_of_the_wrong_form(post: Post, client: str) -> None:
    """A client id has three or four parts."""
    response = post(headers={"X-Road-Client": client})

    assert is_x_road_error(response, "Server.ClientProxy.InternalError")
    assert response.json()["message"] == "Invalid Client Id"


@pytest.mark.parametrize("client", ["DO/GOB/OTHER/SOLICITUDES", "DO/GOB/INST"])
def test_client_not_registered_here(post: Post, client: str) -> None:
    """A client that our security server does not host is an unknown member."""
    response = post(headers={"X-Road-Client": client})

    assert is_x_road_error(response, "Server.ClientProxy.UnknownMember")
    assert client in response.json()["message"]


def test_unknown_service(post: Post) -> None:
    """A service that the provider does not have is refused by the provider's server."""
    response = post(path=f"{SUBSYSTEM}/OTRO/api/load")

    assert is_x_road_error(response, "Server.ServerProxy.UnknownService")


@pytest.mark.parametrize("settings", [{"allowed_clients": []}, {"access": "none"}, {"access": "other"}], ids=str)
def test_no_access_right(post: Post, sandbox: Handle, settings: dict[str, Any]) -> None:
    """Without access to this endpoint the provider's server refuses, and nothing is stored."""
    sandbox.settings(**settings)

    assert is_x_road_error(post(), "Server.ServerProxy.AccessDenied")
    assert sandbox.entries() == []


@pytest.mark.parametrize("access", ["full", "endpoint", "wildcard"])
def test_access_right(post: Post, sandbox: Handle, access: str) -> None:
    """Access to the service, the endpoint or a pattern that matches it allows the call."""
    sandbox.settings(access=access)

    assert post().status_code == 201


def test_body_too_large_for_the_message_log(post: Post, sandbox: Handle) -> None:
    """X-Road refuses what it cannot log, before it reaches the dashboard."""
    sandbox.settings(max_loggable_bytes=50)
    response = post()

    assert is_x_road_error(response, "Server.ClientProxy.IOError")
    assert "Message size exceeds maximum loggable size" in response.json()["message"]


def test_errors_in_the_spelling_of_7_8(post: Post, sandbox: Handle) -> None:
    """From 7.8.0 on types are lower-case with underscores, still with status 500."""
    sandbox.settings(generation="7.8", allowed_clients=[])

    assert is_x_road_error(post(), "server.serverproxy.access_denied")
    assert is_x_road_error(post(headers={"X-Road-Client": None}), "server.clientproxy.invalid_client_identifier")


@pytest.mark.parametrize(
    ("generation", "relayed", "own"),
    [
        ("7.2", "server.serverproxy.access_denied", "Server.ClientProxy.InvalidClientIdentifier"),
        ("7.8", "Server.ServerProxy.AccessDenied", "server.clientproxy.invalid_client_identifier"),
    ],
)
def test_mixed_generations(post: Post, sandbox: Handle, generation: str, relayed: str, own: str) -> None:
    """Errors of a provider of the other generation arrive with 400, those of our own server with 500."""
    sandbox.settings(generation=generation, mixed=True, allowed_clients=[])

    assert is_x_road_error(post(), relayed, 400)
    assert is_x_road_error(post(headers={"X-Road-Client": None}), own, 500)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Server.ServerProxy.AccessDenied", "server.serverproxy.access_denied"),
        ("Server.ServerProxy.IOError", "server.serverproxy.io_error"),
        ("Server.ClientProxy.SslAuthenticationFailed", "server.clientproxy.ssl_authentication_failed"),
        (
            "Server.ServerProxy.ServiceFailed.UnknownMember",
            "server.serverproxy.service_failed.unknown_member",
        ),
        ("Server.ClientProxy.OutdatedGlobalConf", "server.clientproxy.global_conf_outdated"),
    ],
)
def test_spelling(old: str, new: str) -> None:
    """Each word of a type is spelled as in its generation."""
    assert spell(old, "7.2") == old
    assert spell(old, "7.8") == new


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/xml", "text/xml"),
        ("application/xml;q=0.9", "application/xml"),
        ("text/*", "text/xml"),
    ],
)
def test_accept_decides_the_form_of_an_error(post: Post, accept: str, media_type: str) -> None:
    """With an Accept header for XML, X-Road's errors are XML."""
    response = post(headers={"Accept": accept, "X-Road-Client": None})

    assert response.headers["Content-Type"].startswith(media_type)
    if media_type != "application/json":
        assert ElementTree.fromstring(response.content).findtext("type") == response.headers["X-Road-Error"]


@pytest.mark.parametrize("path", ["/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load", "/", "/r2/DO/x"])
def test_post_without_r1_looks_like_success(post: Post, sandbox: Handle, path: str) -> None:
    """A POST outside /r1/ reaches the SOAP handler: HTTP 200, XML, no X-Road-Error, nothing stored."""
    response = post(path=path)

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/xml")
    assert "Fault" in response.text
    assert "X-Road-Error" not in response.headers
    assert sandbox.entries() == []
    assert sandbox.stats()["violations"] == {"outside_r1": 1}


def test_other_paths_of_the_dashboard_through_x_road(post: Post, sandbox: Handle) -> None:
    """An unknown path gets the dashboard's own 404, relayed."""
    response = post(path=f"{SUBSYSTEM}/INTEGRACION-DEV/api/loads")

    assert response.status_code == 404
    assert response.json()["statusCode"] == 404
    assert "X-Road-Request-Hash" in response.headers


def test_headers_only_the_server_may_set(post: Post, sandbox: Handle) -> None:
    """A client's X-Road-Request-Id is dropped, and recorded as a breach."""
    response = post(headers={"X-Road-Request-Id": "mine"})

    assert response.status_code == 201
    assert response.headers["X-Road-Request-Id"] != "mine"
    assert sandbox.stats()["violations"] == {"x_road_owned_header": 1}


def test_list_clients(sandbox: Handle) -> None:
    """GET /listClients needs no client header and lists provider and clients, as JSON only on request."""
    url = sandbox.url + "/listClients"
    as_json = requests.get(url, headers={"Accept": "application/json"}, timeout=60).json()
    as_xml = requests.get(url, timeout=60)
    elsewhere = requests.get(url + "?xRoadInstance=XX", headers={"Accept": "application/json"}, timeout=60)

    assert {
        "object_type": "SUBSYSTEM",
        "xroad_instance": "DO",
        "member_class": "GOB",
        "member_code": "CNC",
        "subsystem_code": "MONITOREO",
    } in [member["id"] for member in as_json["member"]]
    assert "INST" in {member["id"]["member_code"] for member in as_json["member"]}
    assert as_xml.headers["Content-Type"].startswith("text/xml")
    assert ElementTree.fromstring(as_xml.content).tag.endswith("clientList")
    assert elsewhere.json() == {"member": []}


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ("full", {"INTEGRACION": [], "INTEGRACION-DEV": []}),
        ("endpoint", {"INTEGRACION": [("POST", "/api/load")], "INTEGRACION-DEV": [("POST", "/api/load")]}),
        ("wildcard", {"INTEGRACION": [("POST", "/api/**")], "INTEGRACION-DEV": [("POST", "/api/**")]}),
        ("other", {"INTEGRACION": [("GET", "/api/status")], "INTEGRACION-DEV": [("GET", "/api/status")]}),
        ("none", {}),
    ],
)
def test_allowed_methods(sandbox: Handle, access: str, expected: dict[str, list[tuple[str, str]]]) -> None:
    """allowedMethods shows our access; an empty endpoint list means access to the whole service."""
    sandbox.settings(access=access)
    services = get(sandbox, f"{SUBSYSTEM}/allowedMethods").json()["service"]

    listed = {
        service["service_code"]: [(each["method"], each["path"]) for each in service["endpoint_list"]] for service in services
    }
    assert listed == expected
    assert all(service["service_type"] == "REST" for service in services)


def test_list_methods_tells_nothing_about_access(sandbox: Handle) -> None:
    """listMethods lists what exists, whether or not we have access."""
    sandbox.settings(access="none", services=["DO/GOB/CNC/MONITOREO/INTEGRACION"])
    services = get(sandbox, f"{SUBSYSTEM}/listMethods").json()["service"]

    assert [service["service_code"] for service in services] == ["INTEGRACION"]


def test_metadata_needs_a_registered_client(sandbox: Handle) -> None:
    """Metadata requests pass the same checks of our own server as calls."""
    url = f"{sandbox.url}{SUBSYSTEM}/allowedMethods"

    assert is_x_road_error(requests.get(url, timeout=60), "Server.ClientProxy.InvalidClientIdentifier")
    assert is_x_road_error(get(sandbox, "/r1/DO/GOB/CNC/OTRO/allowedMethods"), "Server.ClientProxy.UnknownMember")


def test_metadata_echoes_headers(sandbox: Handle) -> None:
    """Metadata answers repeat the request's headers, including Authorization, so they must not be logged."""
    response = get(sandbox, f"{SUBSYSTEM}/allowedMethods", Authorization="Bearer secret")

    assert response.headers["Authorization"] == "Bearer secret"


def test_get_open_api(sandbox: Handle) -> None:
    """getOpenAPI fails for a service that is not described by OpenAPI."""
    response = get(sandbox, f"{SUBSYSTEM}/getOpenAPI?serviceCode=INTEGRACION")

    assert is_x_road_error(response, "Server.ServerProxy.InternalError")
