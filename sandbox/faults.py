"""Faults on demand: what can go wrong, and the book that decides which call it happens to.

A fault is plain data, so that it can be posted to ``/_sandbox/faults`` as JSON and written in a test as
keyword arguments::

    {"kind": "status", "status": 503, "retry_after": 7, "times": 2}
    {"kind": "drop_after", "after": 3, "times": 1}
    {"kind": "refuse", "match": {"request_id": "-13$"}}
    {"kind": "delay", "seconds": 0.2, "probability": 0.1}

Faults are tried in the order in which they were added. A later fault may follow a ``delay``;
otherwise the first that fires decides. What X-Road itself refuses (a wrong address, an unknown
client) is refused before any fault is tried.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, field_validator, model_validator
from starlette.responses import Response

from sandbox.answers import Dropped, Hanging, Truncated, Wire
from sandbox.dashboard import answer, nest_error
from sandbox.settings import Settings
from sandbox.xroad import render_error, soap_fault


class Match(BaseModel):
    """The entries that a fault is about; an entry matches if every field given here does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Equal to this.
    service_id: str | None = None
    #: Regular expression, found anywhere in the value; anchor it with ``^`` and ``$`` for an exact id.
    request_id: str | None = None
    #: Equal to this.
    status_id: int | None = None

    _pattern: re.Pattern[str] | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _says_something(self) -> Match:
        if self.service_id is None and self.request_id is None and self.status_id is None:
            raise ValueError("give at least one of service_id, request_id, status_id")
        return self

    @field_validator("request_id")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as exc:
            raise ValueError(f"not a regular expression: {exc}") from exc
        return value

    def model_post_init(self, _context: Any) -> None:
        """Compile the pattern once, not once for each entry."""
        if self.request_id is not None:
            self._pattern = re.compile(self.request_id)

    def positions(self, entries: Sequence[Any]) -> list[int]:
        """Indexes of the matching entries; entries that are not objects never match."""
        return [index for index, entry in enumerate(entries) if isinstance(entry, dict) and self._matches(entry)]

    def _matches(self, entry: dict[str, Any]) -> bool:
        if self.service_id is not None and entry.get("service_id") != self.service_id:
            return False
        if self.status_id is not None and entry.get("status_id") != self.status_id:
            return False
        return self._pattern is None or self._pattern.search(str(entry.get("request_id"))) is not None


@dataclass(frozen=True)
class Situation:
    """What a fault may use for its answer."""

    settings: Settings
    #: The ``Accept`` header of the call; decides between JSON and XML for X-Road's errors.
    accept: str
    #: The normal answer.
    normal: Response
    #: Indexes of the entries that match the fault; empty for a fault without ``match``.
    positions: Sequence[int]
    #: Set when the server begins to close.
    closing: asyncio.Event


class _Fault(BaseModel):
    """The common part of all faults: when a fault fires."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Calls it may happen to: posted entries, or the metadata services and ``listClients``.
    target: Literal["load", "metadata"] = "load"
    #: Maximum number of times it fires; null = unlimited.
    times: Annotated[int, Field(ge=1)] | None = None
    #: Number of matching calls that are let through first.
    after: int = Field(default=0, ge=0)
    #: Probability that it fires, for each such call; drawn from a generator seeded by the setting ``seed``.
    probability: float = Field(default=1.0, ge=0, le=1)
    #: Only calls that contain an entry like this; null = any call.
    match: Match | None = None
    #: Only calls with more entries than this, as if time or memory ran out.
    larger_than: int = Field(default=0, ge=0)

    def stores(self) -> bool:
        """Whether the entries of a valid call are accepted nevertheless, durably, before the fault shows."""
        return bool(getattr(self, "accept", False))

    def relayed(self) -> bool:
        """Whether the answer comes from the provider, so that X-Road adds its headers to it."""
        return False

    def answer(self, situation: Situation) -> Response:
        """What to send instead of the normal answer."""
        raise NotImplementedError


class StatusFault(_Fault):
    """Another HTTP status, with a JSON body as NestJS or the dashboard would send it."""

    kind: Literal["status"]
    status: int = Field(ge=200, le=599)
    #: ``message`` of the body; null = the name of the status.
    message: str | list[str] | None = None
    #: ``success`` of the body. False with a 2xx status is a refusal that only the body reveals.
    success: bool | None = None
    #: The whole body instead, any JSON.
    body: Any = None
    #: Seconds for a ``Retry-After`` header, or its literal text.
    retry_after: float | str | None = None
    #: Whether as seconds, or as the corresponding HTTP date.
    retry_after_as: Literal["seconds", "date"] = "seconds"
    accept: bool = False

    def relayed(self) -> bool:
        """True: the dashboard answers."""
        return True

    def answer(self, situation: Situation) -> Response:
        """JSON with the status, and ``Retry-After`` if requested."""
        headers = {} if self.retry_after is None else {"Retry-After": self._retry_after()}
        if self.status in (204, 205, 304):  # these have no body by definition
            return Response(b"", self.status, headers)
        if "body" in self.model_fields_set:
            return answer(self.status, self.body, headers)
        if self.status < 300:
            success = True if self.success is None else self.success
            body: dict[str, Any] = {"code": self.status, "success": success, "message": self.message or "ok"}
        else:
            body = nest_error(self.status, self.message or "")
            body["message"] = self.message or body["error"]
            if self.success is not None:
                body["success"] = self.success
        return answer(self.status, body, headers)

    def _retry_after(self) -> str:
        if isinstance(self.retry_after, str):
            return self.retry_after
        seconds = self.retry_after or 0
        if self.retry_after_as == "date":
            return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)
        return f"{seconds:g}"


class DelayFault(_Fault):
    """Waits, then continues as if nothing had happened, even if the client has left meanwhile."""

    kind: Literal["delay"]
    seconds: float = Field(ge=0)


class HangFault(_Fault):
    """Never answers; holds the connection until the client leaves or ``seconds`` have passed."""

    kind: Literal["hang"]
    seconds: float = Field(default=600, gt=0)
    accept: bool = False

    def answer(self, situation: Situation) -> Response:
        """An open connection."""
        return Hanging(self.seconds, situation.closing)


class DropBeforeFault(_Fault):
    """Closes the connection; nothing was accepted."""

    kind: Literal["drop_before"]
    #: Whether by a TCP reset instead of an orderly close.
    reset: bool = False

    def answer(self, situation: Situation) -> Response:
        """A closed connection."""
        return Dropped(reset=self.reset)


class DropAfterFault(_Fault):
    """Accepts the entries, durably, then closes the connection: an outcome that the client cannot know."""

    kind: Literal["drop_after"]
    reset: bool = False

    def stores(self) -> bool:
        """True: that is its purpose."""
        return True

    def answer(self, situation: Situation) -> Response:
        """A closed connection."""
        return Dropped(reset=self.reset)


class TruncateFault(_Fault):
    """Sends only the beginning of the normal answer, with the Content-Length of the whole."""

    kind: Literal["truncate"]
    #: How many bytes of the body are sent; null = half.
    keep_bytes: Annotated[int, Field(ge=0)] | None = None
    accept: bool = False

    def relayed(self) -> bool:
        """True: these are headers of an answer in progress."""
        return True

    def answer(self, situation: Situation) -> Response:
        """The cut-off answer."""
        return Truncated(situation.normal, self.keep_bytes)


class HtmlFault(_Fault):
    """A page such as those of load balancers, proxies or login portals."""

    kind: Literal["html"]
    status: int = Field(default=502, ge=200, le=599)
    title: str = "Bad Gateway"
    accept: bool = False

    def answer(self, situation: Situation) -> Response:
        """The page."""
        page = f"<html><head><title>{self.title}</title></head><body><h1>{self.title}</h1></body></html>"
        return Response(page, self.status, media_type="text/html")


class SoapFault(_Fault):
    """A SOAP fault with HTTP 200, as sent by X-Road's SOAP handler."""

    kind: Literal["soap"]
    code: str = "Server.ClientProxy.InvalidSoapAction"
    message: str = "Malformed SOAP message"
    accept: bool = False

    def answer(self, situation: Situation) -> Response:
        """The fault as ``text/xml``."""
        return soap_fault(self.code, self.message)


class XRoadFault(_Fault):
    """An X-Road error of any type, sent as spelled here."""

    kind: Literal["xroad"]
    type: str = Field(min_length=1)
    message: str | None = "Injected by the sandbox"
    #: Null = the status that a security server of the set generation chooses for this spelling: 500 or 400.
    status: Literal[400, 500] | None = None
    accept: bool = False

    def answer(self, situation: Situation) -> Response:
        """The error, as JSON or XML according to the call's ``Accept``."""
        return render_error(self.type, self.message, situation.settings, situation.accept, self.status)


class RedirectFault(_Fault):
    """A redirect, which X-Road passes on and a client must not follow."""

    kind: Literal["redirect"]
    status: int = Field(default=302, ge=300, le=399)
    location: str = "/login"
    accept: bool = False

    def relayed(self) -> bool:
        """True: X-Road passes redirects on."""
        return True

    def answer(self, situation: Situation) -> Response:
        """The status and a ``Location``."""
        return Response(b"", self.status, {"Location": self.location})


class RefuseFault(_Fault):
    """The dashboard refuses a whole valid call because an entry in it matches."""

    kind: Literal["refuse"]
    match: Match
    status: int = Field(default=400, ge=400, le=499)
    #: What is wrong with such an entry; follows ``requests.<index>.`` when indexes are named.
    message: str = "service_id is not registered for this institution"
    name_indexes: bool = True

    def relayed(self) -> bool:
        """True: the dashboard refuses."""
        return True

    def answer(self, situation: Situation) -> Response:
        """A NestJS refusal; one sentence for all unless ``name_indexes``."""
        if self.name_indexes and not situation.settings.vague_messages:
            messages = [f"requests.{index}.{self.message}" for index in situation.positions]
        else:
            messages = [self.message]
        return answer(self.status, nest_error(self.status, messages))


class RawFault(_Fault):
    """Arbitrary status, headers and body, or arbitrary bytes instead of an HTTP answer; for fuzzing."""

    kind: Literal["raw"]
    status: int = Field(default=200, ge=200, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body_base64: str = ""
    #: Written to the connection unchanged, which is then closed; the other three fields are ignored.
    wire_base64: str | None = None
    accept: bool = False

    @field_validator("body_base64", "wire_base64")
    @classmethod
    def _is_base64(cls, value: str | None) -> str | None:
        try:
            base64.b64decode(value or "", validate=True)
        except binascii.Error as exc:
            raise ValueError(f"not base64: {exc}") from exc
        return value

    def answer(self, situation: Situation) -> Response:
        """The bytes, with only the length added to the headers."""
        if self.wire_base64 is not None:
            return Wire(base64.b64decode(self.wire_base64))
        return Response(base64.b64decode(self.body_base64), self.status, self.headers)


Fault = Annotated[
    # typing.Union because the alias is evaluated at run time and read by pydantic as one discriminated union.
    Union[  # noqa: UP007
        StatusFault,
        DelayFault,
        HangFault,
        DropBeforeFault,
        DropAfterFault,
        TruncateFault,
        HtmlFault,
        SoapFault,
        XRoadFault,
        RedirectFault,
        RefuseFault,
        RawFault,
    ],
    Field(discriminator="kind"),
]
_ANY_FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


def read_fault(fields: dict[str, Any]) -> Fault:
    """The fault described by ``fields``; raises ``pydantic.ValidationError`` that names what is wrong."""
    return _ANY_FAULT.validate_python(fields)


@dataclass
class _Armed:
    """A fault in the book, with its counters and its own random generator."""

    number: int
    fault: Fault
    dice: random.Random
    seen: int = 0
    fired: int = 0

    def fires(self, entries: Sequence[Any], valid: bool) -> list[int] | None:
        """Positions that match if the fault fires for this call, else None."""
        positions: list[int] = []
        if self.fault.larger_than and len(entries) <= self.fault.larger_than:
            return None
        if self.fault.kind == "refuse" and not valid:
            return None  # the dashboard refuses such a call anyway
        if self.fault.match is not None:
            positions = self.fault.match.positions(entries)
            if not positions:
                return None
        self.seen += 1
        # One draw for each call that could have been hit, so that the n-th such call of a replay gets
        # the same result.
        lucky = self.dice.random() < self.fault.probability
        if self.seen <= self.fault.after or not lucky:
            return None
        if self.fault.times is not None and self.fired >= self.fault.times:
            return None
        self.fired += 1
        return positions


@dataclass(frozen=True)
class Choice:
    """What happens to a call."""

    #: Seconds to wait first.
    delay: float = 0.0
    #: The fault that replaces the answer; None = the normal answer.
    fault: Fault | None = None
    positions: Sequence[int] = ()
    #: The kinds that fired, joined by ``+``; None = none did.
    label: str | None = None


class FaultBook:
    """The active faults. Thread-safe."""

    def __init__(self, seed: Callable[[], int]) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        self._count = 0

    def add(self, fault: Fault) -> int:
        """Add a fault after the existing ones; returns its number, from 1 in a cleared book."""
        with self._lock:
            self._count += 1
            self._armed.append(_Armed(self._count, fault, self._dice(self._count)))
            return self._count

    def remove(self, number: int) -> bool:
        """Remove one fault; False if there is none of that number."""
        with self._lock:
            left = [armed for armed in self._armed if armed.number != number]
            found = len(left) < len(self._armed)
            self._armed = left
            return found

    def clear(self) -> None:
        """Remove all faults.

        Numbers and random generators restart: the same faults added again fire in the same way.
        """
        with self._lock:
            self._armed = []
            self._count = 0

    def reseed(self) -> None:
        """Restart every fault's random generator after the seed has changed."""
        with self._lock:
            for armed in self._armed:
                armed.dice = self._dice(armed.number)

    def listing(self) -> list[dict[str, Any]]:
        """Each fault with its number and how many calls it could have hit (``seen``) and did (``fired``)."""
        with self._lock:
            return [
                {
                    "id": armed.number,
                    "seen": armed.seen,
                    "fired": armed.fired,
                    **armed.fault.model_dump(mode="json", exclude_unset=True),
                }
                for armed in self._armed
            ]

    def choose(self, target: str, entries: Sequence[Any], *, valid: bool) -> Choice:
        """Decide what happens to a call, and count it."""
        delay = 0.0
        kinds: list[str] = []
        with self._lock:
            for armed in self._armed:
                if armed.fault.target != target:
                    continue
                positions = armed.fires(entries, valid)
                if positions is None:
                    continue
                kinds.append(armed.fault.kind)
                if isinstance(armed.fault, DelayFault):
                    delay += armed.fault.seconds
                    continue
                return Choice(delay, armed.fault, positions, "+".join(kinds))
        return Choice(delay, label="+".join(kinds) or None)

    def _dice(self, number: int) -> random.Random:
        return random.Random(f"{self._seed()}/{number}")
