"""The faults of a round: faults of the sandbox as plain data, drawn by a seeded generator.

``accept`` (the dashboard accepts the rows but does not say so) is drawn only where the answer leaves the outcome open. A
dashboard that accepts rows and explicitly denies it cannot be handled.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any

from sandbox.xroad import spell

Fault = dict[str, Any]

#: Types of X-Road errors, spelled as in 7.2, with a message that decides where one does, and whether the call may have
#: arrived (``reference/xroad.md``, section 3).
_XROAD: tuple[tuple[str, str, bool], ...] = (
    ("Server.ClientProxy.OutdatedGlobalConf", "Global configuration is expired", False),
    ("Server.ServerProxy.OutdatedGlobalConf", "Global configuration is expired", False),
    ("Server.ClientProxy.InvalidClientIdentifier", "The client identifier is missing", False),
    ("Server.ClientProxy.InternalError", "Invalid request URI", False),
    ("Server.ClientProxy.InternalError", "", True),
    ("Server.ClientProxy.UnknownMember", "Client not found", False),
    ("Server.ClientProxy.UnknownMember", "Could not find addresses for service provider", False),
    ("Server.ServerProxy.ServiceFailed.UnknownMember", "", False),
    ("Server.ServerProxy.UnknownService", "Unknown service", False),
    ("Server.ServerProxy.AccessDenied", "Request is not allowed", False),
    ("Server.ServerProxy.ServiceDisabled", "Service is disabled: maintenance", False),
    ("Server.ServerProxy.ServiceMissingUrl", "", False),
    ("Server.ClientProxy.NetworkError", "Could not connect to any target host", False),
    ("Server.ClientProxy.NetworkError", "Connection reset", True),
    ("Server.ServerProxy.NetworkError", "Connect to 10.0.0.1 failed", False),
    ("Server.ServerProxy.NetworkError", "Connection reset", True),
    ("Server.ServerProxy.UnknownHost", "dashboard.example", False),
    ("Server.ServerProxy.IOError", "Read timed out", True),
    ("Server.ClientProxy.IOError", "", True),
    ("Server.ClientProxy.IOError", "LoggingFailed.TimestamperFailed: Cannot time-stamp messages", False),
    ("Server.ClientProxy.IOError", "Message size exceeds maximum loggable size", False),
    ("Server.ClientProxy.LoggingFailed.DatabaseError", "", True),
    ("Server.ServerProxy.LoggingFailed.TimestamperFailed", "", False),
    ("Server.ClientProxy.SslAuthenticationFailed", "did not supply TLS certificate", False),
    ("Server.ClientProxy.SslAuthenticationFailed", "Security server has no valid authentication certificate", False),
    ("Server.ServerProxy.SslAuthenticationFailed", "", False),
    ("Server.ClientProxy.HttpError", "Server responded with error 502", True),
    ("Server.ClientProxy.ServiceFailed.InvalidMessage", "", True),
    ("Server.ClientProxy.InconsistentResponse", "", True),
    ("Server.ClientProxy.MissingSignature", "", True),
    ("Server.ClientProxy.SignatureVerification.Failed", "", True),
    ("Server.ServerProxy.ServiceFailed.InvalidMessage", "", False),
    ("Server.ClientProxy.CannotCreateSignature", "", False),
    ("Server.ServerProxy.CannotCreateSignature", "", True),
    ("Server.ServerProxy.DatabaseError", "", True),
    ("Server.ServerProxy.MaintenanceMode", "", False),
    ("Server.ServerProxy.ClientProxyVersionNotSupported", "", False),
    ("Client.BadRequest", "", False),
    ("Server.ServerProxy.SomethingNobodyHasHeardOf", "", True),
)

#: Not 409, which says that the rows are there: see the sandbox's setting ``repeats``.
_NOT_TAKEN = (400, 401, 403, 404, 408, 413, 422, 425, 429, 429, 500, 501, 503, 503, 503)
_MAYBE_TAKEN = (502, 504)

_RAW = (
    {"wire_base64": b""},
    {"wire_base64": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
    {"wire_base64": b"HTTP/1.1 2"},
    {"wire_base64": b"HTTP/1.1 201 Created\r\nContent-Length: 40\r\n\r\n{"},
    {"wire_base64": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}"},
    {"wire_base64": b"220 smtp.example ESMTP\r\n"},
    {"body_base64": b"[]"},
    {"body_base64": b"\xff\xfe\x00{"},
    {"body_base64": b'{"success": tru'},
    {"body_base64": b"OK", "headers": {"Content-Type": "text/plain"}},
)


def draw(rng: random.Random, *, read_timeout: float) -> list[Fault]:
    """The faults of a round, none to four, in the order in which they are tried.

    :param read_timeout: seconds after which the client gives up on an answer.
    """
    kinds = rng.choices(tuple(_KINDS), k=rng.choice((1, 2, 2, 3, 4)))
    return [_armed(rng, _KINDS[kind](rng, read_timeout)) for kind in kinds]


def whole_night(rng: random.Random, after: int) -> list[Fault]:
    """A dashboard that refuses, or fails on, every call of a round, after it has answered so many as usual."""
    return [{"kind": "status", "status": rng.choice((400, 500, 503, 504)), "probability": 1.0, "after": after}]


def by_size(rng: random.Random) -> list[Fault]:
    """A gateway that times out on large calls, though the dashboard may accept their rows; or none."""
    if rng.random() < 0.7:
        return []
    return [{"kind": "status", "status": 504, "larger_than": rng.choice((4, 8, 12)), "accept": _coin(rng)}]


def refusals(rng: random.Random) -> list[Fault]:
    """The rows that the dashboard of a campaign never accepts: those of some requests, or none."""
    if rng.random() < 0.4:
        return []
    return [
        {
            "kind": "refuse",
            "match": {"request_id": f"{rng.randint(0, 9)}$"},
            "status": rng.choice((400, 422)),
            "name_indexes": rng.random() < 0.5,
        }
    ]


def _armed(rng: random.Random, fault: Fault) -> Fault:
    if fault["kind"] in ("hang", "delay"):
        return {"times": rng.randint(1, 3), "after": rng.randint(0, 6), **fault}
    if rng.random() < 0.5:
        return {"probability": rng.choice((0.05, 0.2, 0.5)), **fault}
    return {"times": rng.randint(1, 4), "after": rng.randint(0, 8), **fault}


def _status(rng: random.Random, _timeout: float) -> Fault:
    if rng.random() < 0.2:
        # A refusal that is not about the rows: it does not recur.
        return {"kind": "status", "status": rng.choice((400, 413, 422))}
    if rng.random() < 0.15:
        return {"kind": "status", "status": rng.choice((200, 201, 202)), "success": False}
    if rng.random() < 0.15:
        return {"kind": "status", "status": 204, "accept": _coin(rng)}
    if rng.random() < 0.25:
        return {"kind": "status", "status": rng.choice(_MAYBE_TAKEN), "accept": _coin(rng)}
    fault: Fault = {"kind": "status", "status": rng.choice(_NOT_TAKEN)}
    if fault["status"] in (429, 503):
        wait = rng.choice((None, 3, "soon", 4))
        if wait is not None:
            fault |= {"retry_after": wait, "retry_after_as": rng.choice(("seconds", "date"))}
    return fault


def _delay(rng: random.Random, timeout: float) -> Fault:
    return {"kind": "delay", "seconds": rng.choice((0.05, 0.2, timeout * 1.3))}


def _hang(rng: random.Random, _timeout: float) -> Fault:
    return {"kind": "hang", "accept": _coin(rng)}


def _drop_before(rng: random.Random, _timeout: float) -> Fault:
    return {"kind": "drop_before", "reset": _coin(rng)}


def _drop_after(rng: random.Random, _timeout: float) -> Fault:
    return {"kind": "drop_after", "reset": _coin(rng)}


def _truncate(rng: random.Random, _timeout: float) -> Fault:
    return {"kind": "truncate", "accept": _coin(rng), "keep_bytes": rng.choice((None, 0, 1))}


def _html(rng: random.Random, _timeout: float) -> Fault:
    status = rng.choice((200, 502, 504, 403, 503))
    return {"kind": "html", "status": status, "accept": status in (200, 502, 504) and _coin(rng)}


def _soap(_rng: random.Random, _timeout: float) -> Fault:
    return {"kind": "soap"}


def _xroad(rng: random.Random, _timeout: float) -> Fault:
    error, message, may_have_arrived = rng.choice(_XROAD)
    fault: Fault = {"kind": "xroad", "type": spell(error, rng.choice(("7.2", "7.8"))), "message": message or None}
    return fault | {"status": rng.choice((400, 500, None)), "accept": may_have_arrived and _coin(rng)}


def _redirect(rng: random.Random, _timeout: float) -> Fault:
    return {"kind": "redirect", "status": rng.choice((301, 302, 307, 308))}


def _refuse(rng: random.Random, _timeout: float) -> Fault:
    match = rng.choice(({"status_id": rng.randint(1, 21)}, {"request_id": rng.choice(("^S-00.1", "5$"))}))
    return {"kind": "refuse", "match": match, "status": rng.choice((400, 413, 422)), "name_indexes": _coin(rng)}


def _raw(rng: random.Random, _timeout: float) -> Fault:
    content = {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in rng.choice(_RAW).items()
    }
    return {"kind": "raw", "status": rng.choice((200, 201)), "accept": _coin(rng), **content}


def _coin(rng: random.Random) -> bool:
    return rng.random() < 0.5


_KINDS: dict[str, Callable[[random.Random, float], Fault]] = {
    "status": _status,
    "delay": _delay,
    "hang": _hang,
    "drop_before": _drop_before,
    "drop_after": _drop_after,
    "truncate": _truncate,
    "html": _html,
    "soap": _soap,
    "xroad": _xroad,
    "redirect": _redirect,
    "refuse": _refuse,
    "raw": _raw,
}
