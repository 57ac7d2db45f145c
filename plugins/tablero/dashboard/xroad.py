"""X-Road as the client of a security server sees it: headers, errors, and what each error means for a batch.

Source: X-Road Message Protocol for REST (pr-rest), sections 4.3 (headers) and 4.6 (errors); error codes as raised by the
security server 7.2.2 and 7.8.0. The HTTP status of an X-Road error means nothing: 500 is also used for faults that only a
person can fix, and mixed server versions turn 500 into 400. So errors are distinguished by their type alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

from tablero.texts import dashboard as texts
from tablero.texts.text import Text

#: Characters of an identifier that pr-rest 4.2 leaves unescaped; all others are percent-encoded.
_PLAIN = "/'()+,-.="


class Verdict(Enum):
    """What an X-Road error means for the batch."""

    CONFIGURATION = "configuration"
    """Not delivered; permanent until a person acts."""

    SLOW = "slow"
    """Not delivered; resolved over time or by the other side's operators, in hours rather than seconds."""

    TRANSIENT = "transient"
    """Not delivered; a retry may succeed."""

    UNKNOWN = "unknown"
    """It may have been delivered."""

    SPLIT = "split"
    """Not delivered; too large for the message log: post it in parts."""


@dataclass(frozen=True)
class Judgement:
    """A verdict, and who must do what."""

    verdict: Verdict
    advice: Text


@dataclass(frozen=True)
class XRoadError:
    """The body of an X-Road error (pr-rest 4.6).

    :ivar type: dotted code, as received.
    :ivar message: X-Road's message; may be empty.
    :ivar detail: key of the entry in the security server's ``proxy.log``.
    """

    type: str
    message: str
    detail: str

    def judge(self) -> Judgement:
        """The judgement of the first rule whose type, side and message match."""
        segments = _normalise(self.type).split(".")
        side = next((segment for segment in segments if segment in ("clientproxy", "serverproxy")), "")
        message = self.message.lower()
        for rule in _RULES:
            if rule.code != segments[-1] and not (rule.inner and rule.code in segments):
                continue
            if rule.side in ("", side) and (not rule.words or any(word in message for word in rule.words)):
                return rule.judgement
        return _UNKNOWN_ERROR


def request_headers(client: str, message_id: str, issue: str) -> dict[str, str]:
    """The headers of a call (pr-rest 4.3).

    :param client: the institution's own subsystem.
    :param message_id: new for every attempt; X-Road does not detect repeats, and its message log is searched by this id.
    :param issue: id of the batch, the same for all its attempts.
    """
    return {"X-Road-Client": quote(client, safe=_PLAIN), "X-Road-Id": message_id, "X-Road-Issue": issue}


def find_error(headers: Mapping[str, str], body: Any) -> XRoadError | None:
    """The X-Road error in an answer; ``None`` if the answer comes from the provider.

    A provider could send ``X-Road-Error`` itself, so the header counts only without ``X-Road-Request-Hash``, which X-Road sets
    on every relayed answer.
    """
    kind = headers.get("X-Road-Error")
    if not kind or "X-Road-Request-Hash" in headers:
        return None
    fields = body if isinstance(body, dict) else {}
    return XRoadError(kind, str(fields.get("message") or ""), str(fields.get("detail") or ""))


def is_soap_fault(text: str) -> bool:
    """Whether the SOAP interface of a security server answered, because the URL lacks ``/r1/``; its status is 200."""
    return text.lstrip()[:1] == "<" and re.search(r"<([\w.-]+:)?(Envelope|Fault)\b", text[:10_000]) is not None


def _normalise(code: str) -> str:
    # 7.8.0 spells Server.ServerProxy.AccessDenied as server.serverproxy.access_denied.
    return code.lower().replace("_", "")


@dataclass(frozen=True)
class _Rule:
    """A rule of the table.

    :ivar code: last segment of the type, normalised.
    :ivar side: ``clientproxy`` (our security server) or ``serverproxy`` (the dashboard's); empty: either.
    :ivar words: lower-case texts of which the message contains at least one; empty: any message.
    :ivar inner: the code may also stand before the last segment.
    """

    code: str
    side: str
    words: tuple[str, ...]
    judgement: Judgement
    inner: bool = False


_OUR_REGISTRATION = Judgement(Verdict.CONFIGURATION, texts.OUR_REGISTRATION)
_PROVIDER_ID = Judgement(Verdict.CONFIGURATION, texts.PROVIDER_ID)
_OUR_REQUEST = Judgement(Verdict.CONFIGURATION, texts.OUR_REQUEST)
_CLIENT_CERTIFICATE = Judgement(Verdict.CONFIGURATION, texts.CLIENT_CERTIFICATE)
_NO_ACCESS = Judgement(Verdict.CONFIGURATION, texts.NO_ACCESS)
_NO_SERVICE = Judgement(Verdict.CONFIGURATION, texts.NO_SERVICE)
_PROVIDER_SETUP = Judgement(Verdict.CONFIGURATION, texts.PROVIDER_SETUP)
_OUR_VERSION = Judgement(Verdict.CONFIGURATION, texts.OUR_VERSION)
_PROVIDER_CERTIFICATE = Judgement(Verdict.CONFIGURATION, texts.PROVIDER_CERTIFICATE)
_DISABLED = Judgement(Verdict.SLOW, texts.DISABLED)
_OUR_SERVER_FAULT = Judgement(Verdict.SLOW, texts.OUR_SERVER_FAULT)
_SIGNING_UNKNOWN = Judgement(Verdict.UNKNOWN, texts.SIGNING_UNKNOWN)
_GLOBAL_CONFIGURATION = Judgement(Verdict.TRANSIENT, texts.GLOBAL_CONFIGURATION)
_UNREACHABLE = Judgement(Verdict.TRANSIENT, texts.UNREACHABLE)
_CUT_UPLOAD = Judgement(Verdict.TRANSIENT, texts.CUT_UPLOAD)
_AMBIGUOUS = Judgement(Verdict.UNKNOWN, texts.AMBIGUOUS)
_TOO_LARGE = Judgement(Verdict.SPLIT, texts.TOO_LARGE)
_BAD_REQUEST = Judgement(Verdict.CONFIGURATION, texts.BAD_REQUEST)
_UNKNOWN_ERROR = Judgement(Verdict.UNKNOWN, texts.UNKNOWN_ERROR)

_CANNOT_CONNECT = ("could not connect", "connect to", "connection refused", "unknown host", "unresolved")

#: Errors of a security server, most specific first. Whether a batch may have been delivered follows from the order of steps in
#: the servers' code: read message, verify access, verify signature, log, call the API, sign, log.
_RULES: tuple[_Rule, ...] = (
    _Rule("outdatedglobalconf", "", (), _GLOBAL_CONFIGURATION),
    _Rule("globalconfoutdated", "", (), _GLOBAL_CONFIGURATION),
    _Rule("invalidclientidentifier", "", (), _OUR_REQUEST),
    _Rule(
        "internalerror",
        "clientproxy",
        (
            "invalid request uri",
            "invalid client id",
            "unsupported protocol version",
            "invalid instance identifier",
            "percent",
            "illegal character",
        ),
        _OUR_REQUEST,
    ),
    _Rule("unknownmember", "clientproxy", ("could not find addresses",), _PROVIDER_ID),
    _Rule("unknownmember", "clientproxy", (), _OUR_REGISTRATION),
    _Rule("unknownmember", "serverproxy", (), _PROVIDER_SETUP),
    _Rule("unknownmember", "", (), _OUR_REGISTRATION),
    _Rule("unknownservice", "", (), _NO_SERVICE),
    _Rule("accessdenied", "", (), _NO_ACCESS),
    _Rule("servicedisabled", "", (), _DISABLED),
    _Rule("maintenancemode", "", (), _DISABLED),
    _Rule("servicetype", "", (), _PROVIDER_SETUP),
    _Rule("servicemissingurl", "", (), _PROVIDER_SETUP),
    _Rule("clientproxyversionnotsupported", "", (), _OUR_VERSION),
    _Rule("badrequest", "", (), _BAD_REQUEST),
    _Rule("missingheader", "", (), _BAD_REQUEST),
    _Rule("missingheaderfield", "", (), _BAD_REQUEST),
    _Rule(
        "sslauthenticationfailed",
        "clientproxy",
        ("did not supply tls certificate", "does not match any is certificates", "has no is certificates", "plaintext"),
        _CLIENT_CERTIFICATE,
    ),
    _Rule("sslauthenticationfailed", "serverproxy", (), _PROVIDER_CERTIFICATE),
    _Rule("sslauthenticationfailed", "", (), _OUR_SERVER_FAULT),
    _Rule("ioerror", "clientproxy", ("maximum loggable size",), _TOO_LARGE),
    _Rule(
        "ioerror",
        "clientproxy",
        ("timestamper", "time-stamp", "cannotcreatesignature", "cannot_create_signature"),
        _OUR_SERVER_FAULT,
    ),
    _Rule("ioerror", "clientproxy", ("loggingfailed", "logging_failed"), _CUT_UPLOAD),
    _Rule("networkerror", "", _CANNOT_CONNECT, _UNREACHABLE),
    _Rule("unknownhost", "", (), _UNREACHABLE),
    _Rule("networkerror", "", (), _AMBIGUOUS),
    _Rule("ioerror", "", (), _AMBIGUOUS),
    _Rule("cannotcreatesignature", "clientproxy", (), _OUR_SERVER_FAULT),
    _Rule("cannotcreatesignature", "", (), _SIGNING_UNKNOWN),
    _Rule("loggingfailed", "clientproxy", (), _AMBIGUOUS, inner=True),
    _Rule("loggingfailed", "", (), _SIGNING_UNKNOWN, inner=True),
    _Rule("timestamperfailed", "", (), _OUR_SERVER_FAULT),
    _Rule("httperror", "", (), _AMBIGUOUS),
    _Rule("servicefailed", "serverproxy", (), _CUT_UPLOAD, inner=True),
    _Rule("servicefailed", "", (), _AMBIGUOUS, inner=True),
    _Rule("inconsistentresponse", "", (), _AMBIGUOUS),
    _Rule("missingsignature", "", (), _AMBIGUOUS),
    _Rule("signatureverification", "", (), _AMBIGUOUS, inner=True),
    _Rule("databaseerror", "", (), _AMBIGUOUS),
    _Rule("internalerror", "", (), _AMBIGUOUS),
)
