"""X-Road as its client sees it: the verdict on each error in both spellings, what counts as an X-Road error, the headers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tablero.dashboard.xroad import Verdict, XRoadError, find_error, is_soap_fault, request_headers

CONFIGURATION, SLOW, TRANSIENT, UNKNOWN, SPLIT = Verdict

OURS, THEIRS = "Server.ClientProxy", "Server.ServerProxy"

#: Type as 7.2.2 spells it, message, verdict: the table of errors, line by line.
ERRORS = [
    (f"{OURS}.OutdatedGlobalConf", "Global configuration is expired", TRANSIENT),
    (f"{THEIRS}.OutdatedGlobalConf", "Global configuration is expired", TRANSIENT),
    (f"{OURS}.InvalidClientIdentifier", "The client identifier is missing", CONFIGURATION),
    (f"{OURS}.InternalError", "Invalid request URI: /r1/DO", CONFIGURATION),
    (f"{OURS}.InternalError", "Invalid Client Id: INST", CONFIGURATION),
    (f"{OURS}.InternalError", "Unsupported protocol version", CONFIGURATION),
    (f"{OURS}.InternalError", "Invalid instance identifier: XX", CONFIGURATION),
    (f"{OURS}.InternalError", "Illegal character in percent-encoding", CONFIGURATION),
    (f"{OURS}.InternalError", "NullPointerException", UNKNOWN),
    (f"{OURS}.UnknownMember", "Client 'SUBSYSTEM:DO/GOB/INST/X' not found", CONFIGURATION),
    (f"{OURS}.UnknownMember", "Could not find addresses for service provider", CONFIGURATION),
    (f"{THEIRS}.ServiceFailed.UnknownMember", "not registered", CONFIGURATION),
    (f"{THEIRS}.UnknownService", "Unknown service", CONFIGURATION),
    (f"{THEIRS}.AccessDenied", "Request is not allowed", CONFIGURATION),
    (f"{THEIRS}.ServiceDisabled", "Out of order until Monday", SLOW),
    (f"{THEIRS}.ServiceType", "wrong type", CONFIGURATION),
    (f"{THEIRS}.ServiceMissingUrl", "no URL", CONFIGURATION),
    (f"{OURS}.NetworkError", "Could not connect to any target host ([https://10.0.0.1:5500/])", TRANSIENT),
    (f"{OURS}.NetworkError", "Connection reset", UNKNOWN),
    (f"{THEIRS}.NetworkError", "Connect to api:443 failed: Connection refused", TRANSIENT),
    (f"{THEIRS}.NetworkError", "Broken pipe", UNKNOWN),
    (f"{THEIRS}.UnknownHost", "api: Name or service not known", TRANSIENT),
    (f"{THEIRS}.IOError", "Read timed out", UNKNOWN),
    (f"{THEIRS}.IOError", "api:443 failed to respond", UNKNOWN),
    (f"{OURS}.IOError", "LoggingFailed.InternalError: disk", TRANSIENT),
    (f"{OURS}.IOError", "logging_failed", TRANSIENT),
    (f"{OURS}.IOError", "LoggingFailed.TimestamperFailed: Cannot time-stamp messages", SLOW),
    (f"{OURS}.IOError", "CannotCreateSignature: token", SLOW),
    (f"{OURS}.IOError", "stream closed", UNKNOWN),
    (f"{OURS}.IOError", "Message size exceeds maximum loggable size", SPLIT),
    (f"{OURS}.LoggingFailed.InternalError", "", UNKNOWN),
    (f"{THEIRS}.LoggingFailed.InternalError", "", UNKNOWN),
    (f"{THEIRS}.LoggingFailed.TimestamperFailed", "Cannot time-stamp messages", UNKNOWN),
    (f"{OURS}.SslAuthenticationFailed", "Client specifies HTTPS but did not supply TLS certificate", CONFIGURATION),
    (f"{OURS}.SslAuthenticationFailed", "Client does not match any IS certificates", CONFIGURATION),
    (f"{OURS}.SslAuthenticationFailed", "Client has no IS certificates", CONFIGURATION),
    (f"{OURS}.SslAuthenticationFailed", "Client made plaintext connection", CONFIGURATION),
    (f"{OURS}.SslAuthenticationFailed", "Security server has no valid authentication certificate", SLOW),
    (f"{THEIRS}.SslAuthenticationFailed", "Server certificate is not trusted", CONFIGURATION),
    (f"{THEIRS}.ServiceFailed.SslAuthenticationFailed", "not trusted", CONFIGURATION),
    (f"{OURS}.HttpError", "Server responded with error 502: Bad Gateway", UNKNOWN),
    (f"{OURS}.ServiceFailed.InvalidMessage", "", UNKNOWN),
    (f"{OURS}.InconsistentResponse", "", UNKNOWN),
    (f"{OURS}.MissingSignature", "", UNKNOWN),
    (f"{OURS}.SignatureVerification.InvalidSignatureValue", "", UNKNOWN),
    (f"{THEIRS}.ServiceFailed.InvalidMessage", "cut upload", TRANSIENT),
    (f"{OURS}.CannotCreateSignature", "Signer is unreachable", SLOW),
    (f"{THEIRS}.CannotCreateSignature", "Signer is unreachable", UNKNOWN),
    (f"{THEIRS}.DatabaseError", "", UNKNOWN),
    (f"{THEIRS}.MaintenanceMode", "", SLOW),
    (f"{OURS}.MaintenanceMode", "", SLOW),
    (f"{THEIRS}.ClientProxyVersionNotSupported", "", CONFIGURATION),
    ("Client.BadRequest", "", CONFIGURATION),
    ("Client.MissingHeader", "", CONFIGURATION),
    ("Client.MissingHeaderField", "", CONFIGURATION),
    (f"{THEIRS}.SomethingNew", "", UNKNOWN),
    ("Gateway.Nonsense", "", UNKNOWN),
    ("", "", UNKNOWN),
]


def since_7_8(code: str) -> str:
    """``Server.ServerProxy.AccessDenied`` as 7.8.0 spells it: ``server.serverproxy.access_denied``."""
    first, *rest = code.split(".")
    words = {"ClientProxy": "clientproxy", "ServerProxy": "serverproxy", "OutdatedGlobalConf": "global_conf_outdated"}
    snake = [words.get(part) or re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", part).lower() for part in rest]
    return ".".join([first.lower(), *snake])


def test_the_newer_spelling() -> None:
    """The newer spelling is that of the servers' own tests."""
    assert since_7_8("Server.ServerProxy.ServiceFailed.UnknownMember") == "server.serverproxy.service_failed.unknown_member"
    assert since_7_8("Server.ClientProxy.IOError") == "server.clientproxy.io_error"


@pytest.mark.parametrize("spelling", [str, since_7_8], ids=["until 7.7", "since 7.8"])
@pytest.mark.parametrize(("code", "message", "verdict"), ERRORS)
def test_a_verdict(code: str, message: str, verdict: Verdict, spelling: Any) -> None:
    """The verdict does not depend on the server's spelling or on upper and lower case."""
    for words in (message, message.upper()):
        judgement = XRoadError(spelling(code), words, "").judge()
        assert judgement.verdict is verdict, judgement.advice.en


@pytest.mark.parametrize(
    ("code", "message", "who"),
    [
        (f"{OURS}.UnknownMember", "Client not found", "Your subsystem is not registered"),
        (f"{OURS}.UnknownMember", "Could not find addresses for service provider", "does not know the provider"),
        (f"{THEIRS}.AccessDenied", "", "no access right"),
        (f"{THEIRS}.UnknownService", "", "api_path"),
        (f"{THEIRS}.ServiceDisabled", "", "disabled"),
        (f"{OURS}.SslAuthenticationFailed", "has no IS certificates", "client certificate"),
        (f"{THEIRS}.SslAuthenticationFailed", "", "your security server's certificate"),
        (f"{OURS}.CannotCreateSignature", "", "X-Road administrator"),
    ],
)
def test_it_says_who_must_do_what(code: str, message: str, who: str) -> None:
    """The text says who must act and what to do."""
    assert who in str(XRoadError(code, message, "").judge().advice)


@pytest.mark.parametrize(("code", "message", "verdict"), ERRORS)
def test_advice_in_both_languages(code: str, message: str, verdict: Verdict) -> None:
    """Every error has advice in both languages, and the two texts differ."""
    judgement = XRoadError(code, message, "").judge()
    assert judgement.advice.es.endswith(".")
    assert judgement.advice.en.endswith(".")
    assert judgement.advice.es != judgement.advice.en


BODY = {"type": "Server.ServerProxy.AccessDenied", "message": "Request is not allowed", "detail": "d41e"}


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ({"X-Road-Error": BODY["type"]}, BODY, XRoadError(BODY["type"], "Request is not allowed", "d41e")),
        ({"X-Road-Error": "X"}, {"message": None}, XRoadError("X", "", "")),  # its message may be null
        ({"X-Road-Error": "X"}, None, XRoadError("X", "", "")),  # XML, or nothing
        ({"X-Road-Error": "X"}, ["x"], XRoadError("X", "", "")),
        ({"X-Road-Error": "X", "X-Road-Request-Hash": "aGFzaA=="}, BODY, None),  # the provider's own header, relayed
        ({"X-Road-Request-Hash": "aGFzaA=="}, BODY, None),  # the provider's own body
        ({}, BODY, None),
        ({"X-Road-Error": ""}, BODY, None),
    ],
)
def test_what_is_an_error_of_xroad(headers: dict[str, str], body: Any, found: XRoadError | None) -> None:
    """An answer is an X-Road error if its header says so and the hash that X-Road adds to relayed answers is missing."""
    assert find_error(headers, body) == found


@pytest.mark.parametrize(
    ("text", "is_fault"),
    [
        ('<SOAP-ENV:Envelope xmlns:SOAP-ENV="x"><SOAP-ENV:Body>', True),
        ("<?xml version='1.0'?><Envelope>", True),
        (" <soap:Fault><faultcode>", True),
        ("<Fault>", True),
        ('{"message": "<Envelope>"}', False),
        ("<html><body>not found</body></html>", False),
        ("", False),
    ],
)
def test_the_soap_face(text: str, is_fault: bool) -> None:
    """At an address without /r1/ the server answers with SOAP faults of status 200, whatever type they declare."""
    assert is_soap_fault(text) is is_fault


@pytest.mark.parametrize(
    ("client", "sent"),
    [
        ("DO/GOB/INST/SOLICITUDES", "DO/GOB/INST/SOLICITUDES"),
        ("DO/GOB/INST-1/A'()+,.=B", "DO/GOB/INST-1/A'()+,.=B"),  # allowed unescaped
        ("DO/GOB/Ñ/A B", "DO/GOB/%C3%91/A%20B"),
        ("DO/GOB/INST/A?B%", "DO/GOB/INST/A%3FB%25"),
    ],
)
def test_the_client_is_percent_encoded(client: str, sent: str) -> None:
    """The client id is percent-encoded part by part in UTF-8, without its slashes; attempt and batch ids are sent along."""
    headers = request_headers(client, "0b1c", "17")
    assert headers == {"X-Road-Client": sent, "X-Road-Id": "0b1c", "X-Road-Issue": "17"}
