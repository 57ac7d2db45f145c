"""Dashboards that are functions of the calls they get."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson
from tablero.dashboard.answer import Answer, Outcome

Entry = dict[str, Any]

DELIVERED = Answer(Outcome.DELIVERED, status=201)
UNAVAILABLE = Answer(Outcome.TRANSIENT, status=503, error="not available")
LOST = Answer(Outcome.UNKNOWN, error="the answer was lost")
CRASHED = Answer(Outcome.UNKNOWN, status=500, error="HTTP 500", message="Internal server error")
FORBIDDEN = Answer(Outcome.PERMANENT, status=403, error="HTTP 403", message="no access")


def refused(*named: int, **fields: Any) -> Answer:
    """A refusal of the content, which may name positions."""
    return Answer(Outcome.REFUSED, status=400, error="refused", message="service_id is wrong", named=named, **fields)


class Dashboard:
    """Answers with what ``decide`` returns for the entries of a call, and remembers what it accepted.

    :ivar calls: the request ids of each call, in order.
    :ivar accepted: how often each request id was acknowledged.
    """

    def __init__(self, decide: Callable[[list[Entry]], Answer] = lambda _: DELIVERED) -> None:
        self._decide = decide
        self._lock = threading.Lock()
        self.calls: list[list[str]] = []
        self.accepted: Counter[str] = Counter()
        self.message_ids: list[str] = []

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        entries = orjson.loads(body)["requests"]
        with self._lock:
            self.calls.append([entry["request_id"] for entry in entries])
            self.message_ids.append(message_id)
            answer = self._decide(entries)
            if answer.outcome is Outcome.DELIVERED:
                self.accepted.update(self.calls[-1])
        return answer


def in_turn(*answers: Answer | BaseException) -> Callable[[list[Entry]], Answer]:
    """The first call gets the first answer, and so on; afterwards all are accepted. An exception is raised."""
    left: Iterator[Answer | BaseException] = iter(answers)

    def decide(_: list[Entry]) -> Answer:
        answer = next(left, DELIVERED)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return decide


def crashing(bad: Iterable[str]) -> Callable[[list[Entry]], Answer]:
    """Fails with its own HTTP 500 on every call that contains one of these requests."""
    wrong = frozenset(bad)
    return lambda entries: CRASHED if any(entry["request_id"] in wrong for entry in entries) else DELIVERED


def refusing(bad: Iterable[str], *, names: bool = False) -> Callable[[list[Entry]], Answer]:
    """Refuses every call that contains one of these requests; optionally ``names`` their positions."""
    wrong = frozenset(bad)

    def decide(entries: list[Entry]) -> Answer:
        found = [index for index, entry in enumerate(entries) if entry["request_id"] in wrong]
        if not found:
            return DELIVERED
        return refused(*found) if names else refused()

    return decide
